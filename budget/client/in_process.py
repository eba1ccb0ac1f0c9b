"""Budget inside a program: the operations of a ledger in the same process, called as `BudgetClient.call` calls them."""

import asyncio
import threading
from typing import Any, Final

from budget.client import exchange
from budget.client.errors import Unavailable
from budget.domain.entries import Caller
from budget.domain.errors import BudgetError, NotFound
from budget.engine.ledger import Ledger
from budget.operations import access, bodies, inputs, problems
from budget.operations.catalogue import BY_NAME

PATIENCE_SECONDS: Final = 60.0
"""For one call; the ledger's own queue is bounded, so this is for a disk that stands still."""


class InProcess:
    """A ledger for programs without an event loop; may be shared by threads.

    Without a `loop` the ledger is started on one in a thread of its own, and `close` stops both. With it the ledger
    runs there already, in another thread than the callers'.
    """

    def __init__(self, ledger: Ledger, *, loop: asyncio.AbstractEventLoop | None = None) -> None:
        self._ledger = ledger
        self._owns = loop is None
        self.loop = loop or asyncio.new_event_loop()
        """Where the ledger runs."""
        if self._owns:
            self._thread = threading.Thread(target=self.loop.run_forever, name="budget-ledger", daemon=True)
            self._thread.start()
            try:
                self._wait(ledger.start())
            except BudgetError as error:
                self.close()
                raise _raised(error) from error

    def call(self, operation: str, /, *, key: str | None = None, **fields: Any) -> Any:
        """The answer of an operation, as it would come over HTTP; raises the client's errors."""
        given = {name: value for name, value in fields.items() if value is not None}
        try:
            # Here, because the ledger's loop knows nothing of who called in this thread.
            caller = access.acting_for.get()
            return exchange.decode(self._wait(self._run(operation, bodies.encode(given), key, caller)))
        except BudgetError as error:
            raise _raised(error) from error

    def close(self) -> None:
        """Stop what was started."""
        if not self._owns or self.loop.is_closed():
            return
        self._wait(self._ledger.stop())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.close()

    async def _run(self, name: str, body: bytes, key: str | None, caller: Caller) -> bytes:
        operation = BY_NAME.get(name)
        if operation is None:
            raise NotFound(f"there is no operation {name[:200]!r}", field="operation")
        asked = inputs.from_body(operation, body)
        own: str | None = getattr(asked, "request_id", None)
        value, _ = await access.run(operation, self._ledger, asked, caller, own or key)
        return bodies.encode(value)

    def _wait(self, work: Any) -> Any:
        if threading.current_thread() is getattr(self, "_thread", None) or _running_loop() is self.loop:
            work.close()
            raise RuntimeError("this thread runs the ledger's loop, and would wait for itself; call from another one")
        future = asyncio.run_coroutine_threadsafe(work, self.loop)
        try:
            return future.result(PATIENCE_SECONDS)
        except TimeoutError:
            future.cancel()
            message = f"no answer in {PATIENCE_SECONDS:.0f} s; the outcome is not known"
            raise Unavailable(message) from None


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def _raised(error: BudgetError) -> Exception:
    problem = exchange.decode(problems.encode(problems.document(error)))
    return exchange.error_from(problem["status"], problem)
