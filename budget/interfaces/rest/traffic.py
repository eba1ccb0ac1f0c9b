"""Around every request, as plain ASGI: its id, its time for /metrics, and a problem document when it breaks."""

import bisect
import itertools
import logging
import os
import time
from collections.abc import Iterator
from typing import Any, Final

from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from budget.domain.errors import BudgetError
from budget.log import get_logger, request_id
from budget.operations import sending

log = get_logger("api")
_said = logging.getLogger("tekton")  # asked first: a line that is not written costs 2 µs

BUCKETS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
MAX_REQUEST_ID: Final = 100
UNKNOWN_ROUTE: Final = "(none)"

_AS_IT_SAYS: Final = (b"x-content-type-options", b"nosniff")
"""An answer is of the type it says; a browser that guesses might run what somebody has stored."""

Key = tuple[str, str, int]


class Traffic:
    """How many requests each route had, and how long they took; a collector for prometheus-client."""

    def __init__(self) -> None:
        self.seen: dict[Key, tuple[list[int], list[float]]] = {}

    def note(self, key: Key, seconds: float) -> None:
        """Count one request."""
        found = self.seen.get(key)
        if found is None:
            found = self.seen[key] = ([0] * (len(BUCKETS) + 1), [0.0])
        found[0][bisect.bisect_left(BUCKETS, seconds)] += 1
        found[1][0] += seconds

    def collect(self) -> Iterator[Metric]:
        """The metrics as they are now."""
        requests = CounterMetricFamily(
            "budget_http_requests", "Requests answered.", labels=("method", "route", "status")
        )
        durations = HistogramMetricFamily(
            "budget_http_request_duration_seconds", "Time to answer a request.", labels=("method", "route", "status")
        )
        for (method, route, status), (buckets, total) in list(self.seen.items()):
            labels = (method, route, str(status))
            sums = list(itertools.accumulate(buckets))
            requests.add_metric(labels, sums[-1])
            bounds = [f"{bound:g}" for bound in BUCKETS] + ["+Inf"]
            durations.add_metric(labels, list(zip(bounds, sums, strict=True)), total[0])
        yield requests
        yield durations


class Middleware:
    """Wraps the whole application."""

    def __init__(self, app: ASGIApp, traffic: Traffic) -> None:
        self.app = app
        self.traffic = traffic
        self._prefix = os.urandom(6).hex()
        self._numbers = itertools.count(1)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = time.perf_counter()
        asked = _given_id(scope) or b"%s-%x" % (self._prefix.encode(), next(self._numbers))
        status = 0
        told = request_id.set(asked.decode("latin-1"))
        says = _said.isEnabledFor(logging.DEBUG)
        if says:
            log.debug("request", method=scope["method"], path=scope["path"])

        async def send_noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", ()), (b"x-request-id", asked), _AS_IT_SAYS]
            await send(message)

        try:
            await self.app(scope, receive, send_noted)
        except Exception:  # never a bare 500: a problem document, and the log says what
            log.exception("request failed", method=scope["method"], path=scope["path"])
            if status:
                raise
            await sending.send_error(BudgetError("something went wrong here; the log says what"), scope, send_noted)
        finally:
            took = time.perf_counter() - started
            self.traffic.note((scope["method"], _route_of(scope), status), took)
            if says:
                log.debug("answer", status=status, milliseconds=round(took * 1000, 3))
            request_id.reset(told)


def _given_id(scope: Scope) -> bytes | None:
    for name, value in scope["headers"]:
        if name == b"x-request-id":
            given: bytes = value
            return given if 0 < len(given) <= MAX_REQUEST_ID else None
    return None


def _route_of(scope: Scope) -> str:
    """The template of the route, so that ids do not become labels; with its prefix, which included routes leave out."""
    route: Any = scope.get("route")
    template = getattr(route, "path", None)
    if not isinstance(template, str):
        return UNKNOWN_ROUTE
    path: str = scope["path"]
    if template.startswith("/api") or not path.startswith("/api/"):
        return template
    return ("/api/v1" if path.startswith("/api/v1/") else "/api") + template
