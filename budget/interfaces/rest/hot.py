"""The three routes that carry the load, as plain ASGI: allocate, record, record a batch.

FastAPI's machinery costs a request more than the whole durable command does (`design.md`, section 4), so these stand
beside its routes and are documented with them. What they share with the others is the decoder and the problem document.
"""

from collections.abc import Callable
from typing import Any, ClassVar, Final

import msgspec
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from budget.domain import commands
from budget.domain.entries import Caller
from budget.domain.errors import BudgetError
from budget.engine.ledger import Ledger
from budget.operations import access, batches, bodies, sending, views, wire
from budget.operations.catalogue import BY_NAME, Operation

_JSON: Final = (b"content-type", b"application/json")
_REPLAYED: Final = (wire.REPLAYED.lower().encode(), b"true")


def routes(prefix: str) -> list[Route]:
    """The hot routes below a prefix; they go before FastAPI's own."""
    return [Route(prefix + path, endpoint, methods=["POST"]) for path, endpoint in ENDPOINTS.items()]


class Shortcut:
    """Leads a hot request to its route, past middleware that has nothing to do for it (20 µs in each request)."""

    def __init__(self, hot: list[Route]) -> None:
        self._routes = {route.path: route for route in hot}

    def takes(self, scope: Scope) -> bool:
        """Whether a request may go this way; a browser's may not, it needs CORS."""
        return (
            scope["type"] == "http"
            and scope["path"] in self._routes
            and scope["method"] == "POST"
            and all(name != b"origin" for name, _ in scope["headers"])
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request that it takes."""
        route = scope["route"] = self._routes[scope["path"]]
        await route.app(scope, receive, send)


class Endpoint:
    """One hot route: an ASGI application whose errors are problem documents."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        try:
            status, body, replayed = await self.answer(scope, receive, scope["app"].state.ledger)
        except BudgetError as error:
            await sending.send_error(error, scope, send)
            return
        headers = [_JSON, (b"content-length", b"%d" % len(body))]
        if replayed:
            headers.append(_REPLAYED)
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def answer(self, scope: Scope, receive: Receive, ledger: Ledger) -> tuple[int, bytes, bool]:
        """The status, the body, and whether it is a repeat of an earlier answer."""
        raise NotImplementedError


class _Command(Endpoint):
    """A route that submits one command."""

    operation: ClassVar[Operation]

    def __init__(self) -> None:
        self._parse: Callable[[bytes], Any] = bodies.body_of(self.operation.request).parse

    async def answer(self, scope: Scope, receive: Receive, ledger: Ledger) -> tuple[int, bytes, bool]:
        caller: Caller = scope["caller"]
        access.demand(caller, self.operation.scope)
        command = self._parse(await wire.read(scope, receive, wire.MAX_BODY))
        command = await access.admitted(self.operation, ledger, command, caller)
        outcome = await ledger.submit(command, caller, wire.idempotency_key(scope, command))
        return 201, bodies.encode(self.view(outcome.answer)), outcome.replayed

    def view(self, answer: Any) -> dict[str, Any]:
        raise NotImplementedError


class Allocate(_Command):
    """POST /allocations."""

    operation = BY_NAME["allocate"]

    def view(self, answer: Any) -> dict[str, Any]:
        return views.grant_view(answer)


class Record(_Command):
    """POST /usage/record."""

    operation = BY_NAME["record_usage"]

    def view(self, answer: Any) -> dict[str, Any]:
        return views.usage_record_view(answer)


class _GoodRecords(msgspec.Struct, forbid_unknown_fields=True):
    records: list[commands.RecordUsage]


class Batch(Endpoint):
    """POST /usage/batch: many records in one commit, each accepted, a duplicate, or refused by itself."""

    def __init__(self) -> None:
        self._list = bodies.body_of(batches.Records)
        self._all_good = msgspec.json.Decoder(_GoodRecords).decode

    async def answer(self, scope: Scope, receive: Receive, ledger: Ledger) -> tuple[int, bytes, bool]:
        """Decode each record, submit those that can be read, and say what became of each."""
        caller: Caller = scope["caller"]
        access.demand(caller, "record")
        body = await wire.read(scope, receive, wire.MAX_BATCH_BODY)
        key, lines = _batch_headers(scope)
        records = _split_lines(body) if lines else self._records(body)
        done = await batches.record(ledger, records, caller, key, may_hold_nul=bodies.NUL in body)
        return 200, bodies.encode(done), False

    def _records(self, body: bytes) -> list[Any]:
        """The records, decoded all at once when each is as it should be; else each as it came."""
        try:
            return self._all_good(body).records
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return self._list.parse(body).records


def _batch_headers(scope: Scope) -> tuple[str | None, bool]:
    key, lines = None, False
    for name, value in scope["headers"]:
        if name == b"idempotency-key":
            key = wire.key_text(value)
        elif name == b"content-type":
            lines = value.lower().startswith(b"application/x-ndjson")
    return key, lines


def _split_lines(body: bytes) -> list[bytes]:
    return [line for line in body.split(b"\n") if line.strip()]


ENDPOINTS: Final[dict[str, Endpoint]] = {
    "/allocations": Allocate(),
    "/usage/record": Record(),
    "/usage/batch": Batch(),
}
