"""The one gate before every operation, whichever way it is asked: the key's scope, then what the key is bound to."""

import contextvars
from typing import Any, Final, NamedTuple

from budget.domain.entries import ANONYMOUS, Caller
from budget.domain.errors import NotAllowed
from budget.engine.ledger import Ledger
from budget.operations import confinement
from budget.operations.catalogue import BY_NAME, Operation
from budget.operations.writing import Answered

acting_for: Final = contextvars.ContextVar[Caller]("acting_for", default=ANONYMOUS)
"""Who asks, for programs in this process that pass no caller on (the old managers)."""


async def run(operation: Operation, ledger: Ledger, asked: Any, caller: Caller, key: str | None = None) -> Answered:
    """Run an operation for a caller."""
    return await operation.run(ledger, await admitted(operation, ledger, asked, caller), caller, key)


class Asking(NamedTuple):
    """Queries by their names, for one caller."""

    ledger: Ledger
    caller: Caller

    async def __call__(self, name: str, **fields: Any) -> Any:
        """The answer of a query."""
        operation = BY_NAME[name]
        return (await run(operation, self.ledger, operation.request(**fields), self.caller)).value


async def admitted(operation: Operation, ledger: Ledger, asked: Any, caller: Caller) -> Any:
    """The request as this caller may ask it."""
    demand(caller, operation.scope)
    if not caller.is_bound:
        return asked
    return await confinement.confined(
        operation.name, reads=operation.kind == "reads", ledger=ledger, asked=asked, caller=caller
    )


def demand(caller: Caller, scope: str) -> None:
    """`NotAllowed` unless the caller's key has this right."""
    if not caller.may(scope):
        raise NotAllowed(f"this needs a key with the scope {scope!r}")


def demand_unbound(caller: Caller, scope: str) -> None:
    """The same for what concerns all budgets."""
    demand(caller, scope)
    if caller.is_bound:
        raise NotAllowed("this key is bound to budgets or components, and this concerns all of them")
