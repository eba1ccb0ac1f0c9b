"""Server-sent events at `/events`: the stream for `curl` and `EventSource`, resumed by `Last-Event-ID`."""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Final

from fastapi import APIRouter, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from budget.domain.errors import Invalid
from budget.engine.subscriptions import Ended, Message, Subscription
from budget.interfaces.rest.needing import caller_of
from budget.interfaces.rest.read_parameters import ledger_of
from budget.log import get_logger
from budget.operations import access, by_caller, inputs
from budget.operations.bodies import encode
from budget.operations.catalogue import BY_NAME
from budget.operations.event_views import event_view

log = get_logger("budget_websocket")

router: Final = APIRouter()

RETRY_MILLISECONDS: Final = 1000
END_SECONDS: Final = 2.0
"""How long the end of a stream may wait behind what the client does not read."""

_HEADERS: Final = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),  # a proxy between would keep events back
]


@router.get("/events", include_in_schema=False)  # it has no end; docs/asyncapi.yaml describes it
async def stream(request: Request) -> Response:
    """Every event from now on, or after `Last-Event-ID`, else `after`; narrowed as `/api/events`."""
    asked = dict(request.query_params)
    if "limit" in asked:
        raise Invalid("limit", "a stream has no pages")
    last = request.headers.get("last-event-id")
    if last:  # a browser that reconnects repeats the URL, so the header is the newer of the two
        asked["after"] = last
    wish = inputs.from_texts(BY_NAME["list_events"], asked)
    ledger, caller, doors = ledger_of(request), caller_of(request), request.app.state.doors
    wish = await access.admitted(BY_NAME["list_events"], ledger, wish, caller)
    subscription = await ledger.bus.subscribe(by_caller.narrowed(wish.filter, caller), wish.after)
    return EventStream(subscription, lambda: doors.still_good(caller, ledger))


class EventStream(Response):
    """A response that goes on until the client leaves, falls too far behind, or the service stops."""

    def __init__(self, subscription: Subscription, still_good: Callable[[], bool]) -> None:
        self.status_code = 200
        self.background = None
        self._subscription = subscription
        self._still_good = still_good
        self._over = asyncio.Event()
        subscription.on_end = self._over.set

    async def __call__(self, _: Scope, receive: Receive, send: Send) -> None:
        """Send what comes."""
        tasks = [
            asyncio.create_task(self._tell(send)),
            asyncio.create_task(_left(receive)),
            asyncio.create_task(self._over.wait()),
        ]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            outcomes = await asyncio.gather(*tasks, return_exceptions=True)
            self._subscription.close()
        for outcome in outcomes:
            if isinstance(outcome, Exception) and not isinstance(outcome, Ended | OSError):
                log.error("a stream of events failed", exc_info=outcome)
        with contextlib.suppress(TimeoutError, OSError):
            async with asyncio.timeout(END_SECONDS):
                await send({"type": "http.response.body", "body": b""})

    async def _tell(self, send: Send) -> None:
        subscription = self._subscription
        await send({"type": "http.response.start", "status": self.status_code, "headers": _HEADERS})
        await _send(send, f"retry: {RETRY_MILLISECONDS}\n{_checkpoint(subscription.seq)}")
        while True:
            messages = await subscription.next()
            if not self._still_good():  # the key was revoked, or is over
                return
            text = "".join(message.made(_event) for message in messages)
            await _send(send, text or f": keep-alive\n{_checkpoint(subscription.seq)}")


async def _send(send: Send, text: str) -> None:
    await send({"type": "http.response.body", "body": text.encode(), "more_body": True})


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _event(message: Message) -> str:
    return f"id: {message.as_of_seq}\ndata: {encode(event_view(message.event)).decode()}\n\n"


def _checkpoint(seq: int) -> str:
    return f'id: {seq}\nevent: checkpoint\ndata: {{"seq":{seq}}}\n\n'
