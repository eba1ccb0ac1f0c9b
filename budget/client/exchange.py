"""One call over HTTP without the HTTP: how a request is built, a reply read, and when it is worth another try."""

import dataclasses
import json
import random
import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, Final
from urllib.parse import quote

import httpx
import msgspec

from budget.client.errors import BudgetError, Conflict, Invalid, NotAllowed, NotFound, Refused, Unavailable
from budget.domain.ids import Ids
from budget.engine.clock import Clock

Reply = dict[str, Any]
"""A JSON object as the service sent it; money is `Decimal`, never float."""

PREFIX: Final = "/api"
_BUSY: Final = frozenset({502, 503, 504})
_ids: Final = Ids()
_clock: Final = Clock()


@dataclasses.dataclass(frozen=True, kw_only=True)
class Call:
    """One request; a call that changes something has a key, its own or the caller's."""

    method: str
    path: str
    body: Any = None
    query: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    key: str | None = None
    pick: Callable[[Any], Any] | None = None
    """What of the reply is the answer."""
    is_tool: bool = False
    """Whether the answer says inside, and not by its status, that it is an error."""

    def request(self, client: httpx.Client | httpx.AsyncClient) -> httpx.Request:
        """The HTTP request, the same for each try."""
        headers = {} if self.key is None else {"Idempotency-Key": self.key}
        content = None
        if self.body is not None:
            headers["Content-Type"] = "application/json"
            content = _encode(self.body)
        query = {name: _text(value) for name, value in self.query.items() if value is not None}
        return client.build_request(self.method, PREFIX + self.path, params=query, headers=headers, content=content)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Retries:
    """How often and how patiently a call is sent again; waits double, with jitter, and obey `Retry-After`."""

    tries: int = 5
    first_wait_seconds: float = 0.1
    longest_wait_seconds: float = 10.0

    def wait(self, tried: int, outcome: httpx.Response | httpx.TransportError) -> float | None:
        """Seconds to wait before the next try; None when there is none."""
        pause = self.pause(tried) if _is_passing(outcome) else None
        return None if pause is None else min(max(pause, _retry_after(outcome)), self.longest_wait_seconds)

    def pause(self, tried: int) -> float | None:
        """Seconds to wait after so many failures; None when there is no next try."""
        if tried >= self.tries:
            return None
        longest = min(self.first_wait_seconds * 2.0 ** min(tried - 1, 60), self.longest_wait_seconds)
        return longest * random.uniform(0.5, 1.0)  # noqa: S311 -- spreads callers, guards nothing


def new_key() -> str:
    """A fresh idempotency key: a UUID that sorts by time, because those keep a big ledger's index fast."""
    return _ids.new(_clock.now())


def now() -> int:
    """This machine's time in µs."""
    return _clock.now()


def path(*parts: str) -> str:
    """A path from parts that may hold anything."""
    return "".join("/" + quote(part, safe="") for part in parts)


def unwrapped(call: Call, response: httpx.Response) -> httpx.Response:
    """The response of a failed tool as the one that REST would have given; any other as it is."""
    reply = _decode(response) if call.is_tool and response.is_success else None
    if not isinstance(reply, dict) or reply.get("success") is not False:
        return response
    problem = reply["problem"]
    return httpx.Response(problem["status"], content=_encode(problem), request=response.request)


def tool_result(reply: Reply) -> Any:
    """What a tool gave; a list stands alone in an object."""
    result = reply["result"]
    return result["result"] if isinstance(result, dict) and set(result) == {"result"} else result


def read(call: Call, outcome: httpx.Response | httpx.TransportError) -> Any:
    """The answer, or the error that the last try came to."""
    if isinstance(outcome, httpx.TransportError):
        message = f"{call.method} {call.path}: {type(outcome).__name__}: {outcome}"
        raise _sent(call, Unavailable(message)) from outcome
    if not outcome.is_success:
        raise _sent(call, error_of(outcome))
    answer = _decode(outcome)
    if answer is None:
        raise BudgetError("the reply is not JSON; is this Budget?", status=outcome.status_code)
    return answer if call.pick is None else call.pick(answer)


def error_of(response: httpx.Response) -> BudgetError:
    """The exception for a problem document, or for whatever else came instead of one."""
    decoded = _decode(response)
    return error_from(response.status_code, decoded if isinstance(decoded, dict) else {})


def error_from(status: int, problem: dict[str, Any]) -> BudgetError:
    """The exception for a status and its problem document."""
    kind = _KINDS.get(status, BudgetError)
    if kind is Refused and problem.get("code") not in _REFUSALS:
        kind = Unavailable
    detail = problem.get("detail")
    message = detail if isinstance(detail, str) and detail else f"HTTP {status}"
    return kind(message, status=status, problem=problem)


_REFUSALS: Final = ("insufficient_budget", "price_unknown")
_KINDS: Final[Mapping[int, type[BudgetError]]] = {
    400: Invalid,
    401: NotAllowed,
    402: Refused,
    403: NotAllowed,
    404: NotFound,
    409: Conflict,
    413: Invalid,
    422: Invalid,
    429: Refused,
    **dict.fromkeys(_BUSY, Unavailable),
}


def _sent(call: Call, error: BudgetError) -> BudgetError:
    if isinstance(error, Unavailable):
        error.idempotency_key = call.key
    elif isinstance(error, Refused):
        error.path = call.path
    return error


def _is_passing(outcome: httpx.Response | httpx.TransportError) -> bool:
    if isinstance(outcome, httpx.Response):
        return outcome.status_code in _BUSY
    return not isinstance(outcome, httpx.UnsupportedProtocol | httpx.LocalProtocolError)


def _retry_after(outcome: httpx.Response | httpx.TransportError) -> float:
    if not isinstance(outcome, httpx.Response):
        return 0.0
    seconds = outcome.headers.get("Retry-After", "")
    return float(seconds) if seconds.isdigit() else 0.0


_encode = msgspec.json.Encoder(decimal_format="number").encode


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _decode(response: httpx.Response) -> Any:
    return decode(response.content)


def decode(text: str | bytes) -> Any:
    """JSON with money as `Decimal`; None when it is none."""
    try:
        return json.loads(text, parse_float=Decimal, object_hook=_with_money)
    except (ValueError, RecursionError):
        return None


_MONEY: Final = re.compile(r"(.*_)?cost(_per_.*)?|cost_(limit|per_.*)|savings?|spent")
_AMOUNTS: Final = ("limit", "used", "held", "free", "asked")


def _with_money(values: Reply) -> Reply:
    """Whole dollars come as JSON integers: money is a Decimal all the same."""
    for name, value in values.items():
        if type(value) is int and _MONEY.fullmatch(name):
            values[name] = Decimal(value)
    if values.get("unit") == "cost":
        values.update({name: Decimal(values[name]) for name in _AMOUNTS if type(values.get(name)) is int})
    return values
