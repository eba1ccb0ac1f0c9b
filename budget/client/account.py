"""One budget of Budget, reached in process or over HTTP alike: what the old managers' successors work on."""

import datetime as dt
import threading
from collections.abc import Iterator
from typing import Any, Final, Protocol
from zoneinfo import ZoneInfo

from budget.client import exchange
from budget.client.errors import BudgetError
from budget.client.exchange import Reply
from budget.domain import instants

MIGRATED: Final = ("usage", "policies", "allocations")
PAGE: Final = 100
MOST_PAGES: Final = 10_000


class Backend(Protocol):
    """A way to Budget: `BudgetClient` over HTTP, `InProcess` without."""

    def call(self, operation: str, /, *, key: str | None = None, **fields: Any) -> Any:
        """The answer of an operation of the catalogue."""

    def close(self) -> None:
        """Let go of it."""


class Account:
    """The budget of a name, made when it is first needed; every call of it names that budget."""

    def __init__(self, backend: Backend, name: str, owner: str) -> None:
        self._backend = backend
        self._name = name
        self._owner = owner
        self._lock = threading.Lock()
        self._budget: Reply | None = None
        self.was_made = False
        """Whether it was not there before."""

    @property
    def budget_id(self) -> str:
        """Its id."""
        budget_id: str = self.budget()["budget_id"]
        return budget_id

    @property
    def zone(self) -> ZoneInfo:
        """Where its days begin."""
        return ZoneInfo(self.budget()["time_zone"])

    def budget(self) -> Reply:
        """The budget, found or made once; two programs that make it at once make one."""
        with self._lock:
            if self._budget is None:
                found = self._backend.call("list_budgets", name=self._name, limit=1)["items"]
                self._budget = found[0] if found else self._made()
            return self._budget

    def ask(self, operation: str, *, key: str | None = None, **fields: Any) -> Any:
        """An operation that is about no budget."""
        return self._backend.call(operation, key=key, **fields)

    def call(self, operation: str, *, key: str | None = None, **fields: Any) -> Any:
        """An operation on this budget."""
        return self._backend.call(operation, key=key, budget_id=self.budget_id, **fields)

    def each(self, operation: str, **fields: Any) -> Iterator[Reply]:
        """Everything that a list of this budget holds, page by page."""
        for page in range(1, MOST_PAGES + 1):
            items = self.call(operation, page=page, limit=PAGE, **fields)["items"]
            yield from items
            if len(items) < PAGE:
                return

    def migrate(self, kind: str, place: str | None) -> tuple[Reply, list[str]]:
        """Take over what an old manager left at a place, else in its usual ones: how many of each, and what failed."""
        try:
            report = self.ask("migrate", kind=kind, paths=None if place is None else [place])
        except BudgetError as error:
            return {}, [error.message]
        found = {name: sum(each[name]["imported"] for each in report["sources"]) for name in MIGRATED}
        found["prices"] = report["prices"]["imported"]
        failed = [f"{each['path']}: {each['error']}" for each in report["sources"] if each["error"]]
        return found, failed

    def local_text(self, instant: str) -> str:
        """An instant as the old managers wrote it: by the budget's clock, without a zone."""
        return self.local(instant).isoformat()

    def local(self, instant: str) -> dt.datetime:
        """The same as a naive time."""
        return dt.datetime.fromisoformat(instant).astimezone(self.zone).replace(tzinfo=None)

    def is_past(self, moment: str | None) -> bool:
        """Whether a time is over; one without a zone is in the budget's."""
        return moment is not None and instants.parse_instant(moment, str(self.zone)) <= exchange.now()

    def close(self) -> None:
        """Let go of the way to Budget."""
        self._backend.close()

    def _made(self) -> Reply:
        fields = {"name": self._name, "owner": self._owner, "default_policies": False}
        made: Reply = self._backend.call("create_budget", key=f"{self._owner}-adapter-budget", **fields)
        self.was_made = True
        return made
