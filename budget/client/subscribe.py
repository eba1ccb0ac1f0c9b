"""What happens, as it happens: each event once, in order, over disconnects and restarts of the service.

For asyncio; a program without an event loop can page through `/api/events` with the number of the last event it knows.
"""

import asyncio
import json
from collections.abc import AsyncGenerator, Iterable
from typing import Any, Final
from urllib.parse import urlencode

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException

from budget.client import exchange
from budget.client.clients import TIMEOUT_SECONDS, URL
from budget.client.errors import BudgetError, Gone, Invalid, NotAllowed, Unavailable
from budget.client.exchange import Reply, Retries
from budget.client.holds import Sleep

PATIENT: Final = Retries(tries=10_000)
"""More than a day without an answer."""

CLOSE_SECONDS: Final = 0.5
"""For a goodbye that stands behind events which nobody reads any more."""

_POLICY_VIOLATION: Final = 1008
_NO_LONGER_KEPT: Final = 4410
_REFUSED: Final = (401, 403)


async def subscribe(  # noqa: PLR0913 -- named filters read better than a dict
    url: str = URL,
    *,
    after: int | None = None,
    types: Iterable[str] = (),
    budget_id: str | None = None,
    component: str | None = None,
    severity: Iterable[str] = (),
    api_key: str | None = None,
    retries: Retries = PATIENT,
    sleep: Sleep = asyncio.sleep,
) -> AsyncGenerator[Reply, None]:
    """Every event after a number, else from now on, as `/api/events` shows them.

    `types` are types or families such as `usage.*`. Keep `event["seq"]` of the last event you have dealt with, to go
    on after it when your program starts again. Raises `Gone` when events after it are no longer kept, `Unavailable`
    when so many tries in a row as `retries` says have failed.
    """
    wanted = {
        "types": ",".join(types),
        "budget_id": budget_id,
        "component": component,
        "severity": ",".join(severity),
    }
    headers = {} if api_key is None else {"X-API-Key": api_key}
    failures = 0
    while True:
        try:
            address = _address(url, {"after": after, **wanted})
            async with connect(
                address,
                additional_headers=headers,
                open_timeout=TIMEOUT_SECONDS,
                close_timeout=CLOSE_SECONDS,
                compression=None,  # the service does not compress: it would do so once for each listener
            ) as socket:
                async for text in socket:
                    frame = exchange.decode(text)
                    failures = 0
                    if frame["type"] == "error":
                        raise Invalid(frame["payload"]["error"], problem=frame["payload"])
                    if "seq" in frame:
                        after = frame["seq"]
                        yield _event(frame)
                    else:
                        after = frame["as_of_seq"]
            problem: Exception = Unavailable("the service closed the connection")
        except (OSError, WebSocketException) as error:
            problem = _fatal(error) or error
            if isinstance(problem, BudgetError):
                raise problem from error
        failures += 1
        pause = retries.pause(failures)
        if pause is None:
            raise Unavailable(f"{url}: {type(problem).__name__}: {problem}") from problem
        await sleep(pause)


def _address(url: str, query: dict[str, Any]) -> str:
    scheme, _, place = url.rstrip("/").partition("://")
    given = {name: value for name, value in query.items() if value not in (None, "")}
    return f"{scheme.replace('http', 'ws')}://{place}/ws/events?{urlencode(given)}"


def _fatal(error: OSError | WebSocketException) -> BudgetError | None:
    """The error that no further try can help, or None."""
    if isinstance(error, InvalidStatus) and error.response.status_code in _REFUSED:
        return NotAllowed("the service does not let this caller listen", status=error.response.status_code)
    if not isinstance(error, ConnectionClosed) or error.rcvd is None:
        return None
    if error.rcvd.code == _POLICY_VIOLATION:
        return NotAllowed(error.rcvd.reason)
    if error.rcvd.code == _NO_LONGER_KEPT:
        problem = json.loads(error.rcvd.reason)
        return Gone(f"events up to {problem['oldest_seq'] - 1} are no longer kept", status=410, problem=problem)
    return None


_FIELDS: Final = ("subject", "caller", "budget_id", "component", "severity")


def _event(frame: Reply) -> Reply:
    """A frame as `/api/events` shows the same event."""
    return {
        "seq": frame["seq"],
        "type": frame["event"],
        "time": frame["timestamp"],
        **{name: frame[name] for name in _FIELDS},
        "data": frame["payload"],
    }
