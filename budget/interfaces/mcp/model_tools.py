"""Operations as tools of the Model Context Protocol: JSON in, JSON out, errors as problem documents."""

from typing import NamedTuple

from budget.domain.entries import Caller
from budget.domain.errors import BudgetError
from budget.engine.ledger import Ledger
from budget.interfaces.mcp.handling import as_object
from budget.log import get_logger
from budget.operations import access, bodies, inputs, problems
from budget.operations.catalogue import Operation

log = get_logger("mcp_endpoints")


class Outcome(NamedTuple):
    """The answer of a tool as JSON."""

    json: bytes
    is_error: bool = False


async def call(ledger: Ledger, operation: Operation, arguments: bytes, caller: Caller) -> Outcome:
    """Run an operation; `request_id` among the arguments is the idempotency key."""
    try:
        access.demand(caller, operation.scope)  # before anything is said about the request
        asked = inputs.from_body(operation, arguments)
        key = getattr(asked, "request_id", None)
        value, _ = await access.run(operation, ledger, asked, caller, key)
    except BudgetError as error:
        log.debug("tool refused", tool=operation.name, error=error.message)
        return Outcome(problems.encode(problems.document(error)), is_error=True)
    return Outcome(bodies.encode(as_object(value)))
