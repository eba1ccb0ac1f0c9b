"""Budget from Python, over HTTP: two clients with the same methods, holds that end well, errors as exceptions.

    from budget.client import AsyncBudgetClient, Refused

    async with AsyncBudgetClient("http://localhost:8013") as budget:
        async with budget.allocation(component="apollo", tokens=4000, provider="openai", model="gpt-4o") as hold:
            reply = await call_the_model()
            await hold.settle(usage=reply["usage"])

Every call that changes something carries an idempotency key of its own and is sent again with it after a connection
error, a timeout or a 503, so that no retry counts twice. Replies are the service's JSON as dicts, money as `Decimal`.

    async for event in subscribe("http://localhost:8013", types=["limit.*"]):
        print(event["seq"], event["type"], event["data"])

gives what happens, each event once and in order, over disconnects and restarts of the service.
"""

from budget.client.clients import AsyncBudgetClient, BudgetClient
from budget.client.errors import BudgetError, Conflict, Gone, Invalid, NotAllowed, NotFound, Refused, Unavailable
from budget.client.exchange import Reply, Retries
from budget.client.holds import AsyncHold, Hold
from budget.client.subscribe import subscribe

__all__ = [
    "AsyncBudgetClient",
    "AsyncHold",
    "BudgetClient",
    "BudgetError",
    "Conflict",
    "Gone",
    "Hold",
    "Invalid",
    "NotAllowed",
    "NotFound",
    "Refused",
    "Reply",
    "Retries",
    "Unavailable",
    "subscribe",
]
