"""What goes wrong in the writer: it is killed or held up, the database is busy, a command trips over something."""

import asyncio
from collections.abc import Callable
from typing import Any, Concatenate, Literal, NamedTuple, ParamSpec, Protocol, TypeVar

from budget.domain.errors import Unavailable
from budget.storage.database import Connection, Database

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")

_RUNS = {"execute", "executemany", "exec_driver_sql"}
_LEADS_ON = {"connection", "dbapi_connection"}


class Killed(BaseException):
    """The process ended here: nothing that follows in it happens."""


class Stumbled(Exception):
    """Something that is not a passing fault of the database: the ledger runs the batch's commands one by one."""


class Fault(NamedTuple):
    """What happens to the next transaction, and when."""

    kind: Literal["kill", "busy", "stumble", "pause"]
    statement: int
    """Before which of its statements; where it has fewer, before its commit."""
    after_commit: bool = False
    """For a kill: after the commit instead, before anyone is answered."""

    def __str__(self) -> str:
        """For the story of a run."""
        when = "after the commit" if self.after_commit else f"at statement {self.statement} or before the commit"
        return f"{self.kind} {when}"


class Store(Protocol):
    """The database of one run, on whatever server; every simulated process opens it for itself."""

    def open(self) -> "FaultyDatabase":
        """As a process of its own would open it."""
        ...

    def prepare(self, connection: Connection) -> None:
        """Make ready for a transaction that will go wrong."""
        ...

    def kill(self, connection: Connection | None) -> None:
        """From now on all is as a process leaves it that is killed at this moment, in a transaction or in none."""
        ...

    def hold_up(self, resume: asyncio.Event) -> None:
        """Stop in the middle of a transaction until told to go on, where another process can do anything meanwhile."""
        ...

    async def until_it_waits(self, other: asyncio.Future[Any]) -> None:
        """Return when another process is done, or waits for the one that is held up."""
        ...

    def discard(self) -> None:
        """Delete it."""
        ...


class FaultyDatabase(Database):
    """A database whose next write goes wrong when it is told so."""

    def __init__(self, url: str, store: Store) -> None:
        super().__init__(url, synchronous="OFF")
        self._store = store
        self._killed = False
        self.fault: Fault | None = None
        self.died, self.paused, self.resume = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self.lost: Any = None
        """What a write gave that was committed and never answered."""
        self.statements = 0
        """How many the last faulty write ran."""

    def lock(self) -> None:
        """Simulated processes share a file as replicas share a server; they take turns."""

    async def write(
        self,
        function: Callable[Concatenate[Connection, Arguments], Result],
        *args: Arguments.args,
        **kwargs: Arguments.kwargs,
    ) -> Result:
        """`Database.write`, until the fault."""
        fault = self.fault
        if fault is None:
            return await super().write(function, *args, **kwargs)
        self._loop = asyncio.get_running_loop()
        try:
            result = await super().write(self._until(fault, function), *args, **kwargs)
            if fault.after_commit:
                self.lost = result
                self._strike(fault, None)
        except BaseException:
            if self._killed:  # whatever became of it on the way: a lost connection may speak up as well
                self.died.set()
                raise Killed from None
            raise
        return result

    def _until(
        self, fault: Fault, function: Callable[Concatenate[Connection, Arguments], Result]
    ) -> Callable[Concatenate[Connection, Arguments], Result]:
        def run(connection: Connection, /, *args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
            self._store.prepare(connection)
            self.statements = 0
            watched: Any = _Watched(connection, lambda: self._trip(fault, connection))
            result = function(watched, *args, **kwargs)
            if self.fault is fault and not fault.after_commit:
                self._strike(fault, connection)
            return result

        return run

    def _trip(self, fault: Fault, connection: Connection) -> None:
        self.statements += 1
        if self.statements == fault.statement and not fault.after_commit:
            self._strike(fault, connection)

    def _strike(self, fault: Fault, connection: Connection | None) -> None:
        self.fault = None
        if fault.kind == "pause":
            self._loop.call_soon_threadsafe(self.paused.set)
            self._store.hold_up(self.resume)
            return
        if fault.kind == "busy":
            raise Unavailable("the database is busy")
        if fault.kind == "stumble":
            raise Stumbled
        self._store.kill(connection)
        self._killed = True
        raise Killed


class _Watched:
    """Stands for a connection or cursor, and tells of each statement before it runs."""

    def __init__(self, thing: Any, tell: Callable[[], None]) -> None:
        self._thing = thing
        self._tell = tell

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._thing, name)
        if name in _LEADS_ON:
            return _Watched(found, self._tell)
        if name == "cursor":
            return lambda: _Watched(found(), self._tell)
        if name not in _RUNS:
            return found

        def run(*args: Any) -> Any:
            self._tell()
            return found(*args)

        return run
