"""The door of the service, as plain ASGI around everything: who asks is found out once, before anything else.

With keys on, a request without a good one goes no further: 401, whatever it asked for and whether that exists. Only
health and readiness answer anyone, in one word. Sockets come in without a key, because browsers cannot send one before;
`interfaces.ws` tells them nothing until they have.
"""

import base64
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from budget.domain import keys
from budget.domain.entries import NOBODY, Caller
from budget.domain.errors import BudgetError, NotAllowed, NotAuthenticated, TooMany
from budget.domain.keys import Key
from budget.engine.ledger import Ledger
from budget.operations import sending
from budget.operations.hosts import Hosts
from budget.operations.rates import Rate, Taken

OPEN_PATHS: Final = frozenset(
    ("/health", "/ready", "/api/health", "/api/v1/health", "/api/mcp/health", "/api/v1/mcp/health")
)
UNAUTHENTICATED: Final = 4401
"""The code that closes a socket whose key is not good."""
POLICY_VIOLATION: Final = 1008

_MOST_REMEMBERED: Final = 10_000
_CHALLENGE: Final = {"WWW-Authenticate": 'Bearer realm="Budget"'}
_CHALLENGE_OF_PEOPLE: Final = {"WWW-Authenticate": 'Basic realm="Budget", charset="UTF-8"'}
"""A browser asks its person for a name (any) and a password (the key), and sends it with all that the page asks for."""


class Doors:
    """Finds out who asks: keys are looked up in memory, in the configuration that the writer last saw."""

    def __init__(self, *, required: bool) -> None:
        self.required = required
        self._callers: dict[tuple[str | None, str | None], tuple[Key | None, Caller]] = {}

    def caller_of(self, scope: Scope) -> Caller | None:
        """Who sent a request; None for a key that is not good, `NOBODY` without one where one is needed."""
        address = _address(scope)
        if not self.required:
            return self._remembered(None, address)
        text = given(scope)
        return NOBODY if text is None else self.caller_with(text, scope["app"].state.ledger, address)

    def caller_with(self, text: str, ledger: Ledger, address: str | None) -> Caller | None:
        """Who has this secret."""
        now = ledger.now()
        key = keys.found(ledger.configuration().keys_by_prefix, text, now)
        if key is None:
            return None
        ledger.key_uses.note(key.key_id, now)
        return self._remembered(key, address)

    def still_good(self, caller: Caller, ledger: Ledger) -> bool:
        """Whether the key of someone who came in a while ago still opens what it did then."""
        if caller.key_id is None:
            return not self.required
        guarded = ledger.configuration().keys.get(caller.key_id)
        return guarded is not None and guarded.key.is_good(ledger.now())

    def _remembered(self, key: Key | None, address: str | None) -> Caller:
        """The same value each time: records of one caller are booked together when it is."""
        place = (None if key is None else key.key_id, address)
        known = self._callers.get(place)
        if known is not None and known[0] is key:
            return known[1]
        if len(self._callers) >= _MOST_REMEMBERED:
            self._callers.clear()
        caller = Caller(address=address) if key is None else _caller(key, address)
        self._callers[place] = key, caller
        return caller


class Middleware:
    """Lets in who may come in. `hosts` are asked where no key keeps a borrowed name out, rates where they are set."""

    def __init__(
        self, app: ASGIApp, doors: Doors, hosts: Hosts, per_key: Rate | None = None, per_address: Rate | None = None
    ) -> None:
        self.app = app
        self._doors = doors
        self._hosts = hosts
        self._per_key = per_key
        self._per_address = per_address

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        taken = self._taken(self._per_address, _address(scope))
        try:
            caller = scope["caller"] = self._let_in(scope, taken)
        except BudgetError as error:
            await _refuse(error, taken, scope, receive, send)
            return
        if self._per_key is not None and caller.key_id is not None:
            taken = self._taken(self._per_key, caller.key_id)
            if taken is not None and taken.left < 0:
                await _refuse(_too_many(taken), taken, scope, receive, send)
                return
        await self.app(scope, receive, send if taken is None else _telling(send, taken))

    def _taken(self, rate: Rate | None, name: str | None) -> Taken | None:
        return None if rate is None else rate.take(name or "")

    def _let_in(self, scope: Scope, taken: Taken | None) -> Caller:
        if taken is not None and taken.left < 0:
            raise _too_many(taken)
        if not self._doors.required and not self._hosts.knows(scope):
            raise NotAllowed("this name is not Budget's; BUDGET_ALLOWED_HOSTS lists those that are")
        caller = self._doors.caller_of(scope)
        if caller is None:
            raise NotAuthenticated
        if caller is NOBODY and scope["type"] == "http" and scope["path"] not in OPEN_PATHS:
            raise NotAuthenticated
        return caller


def _telling(send: Send, taken: Taken) -> Send:
    """Says in the answer what is left of the rate."""
    more = taken.headers()

    async def telling(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message.get("headers", ()), *more]
        await send(message)

    return telling


def _too_many(taken: Taken) -> TooMany:
    return TooMany(f"{taken.limit} requests a minute are what one {taken.policy} may send", seconds=taken.reset_seconds)


async def _refuse(error: BudgetError, taken: Taken | None, scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "websocket":
        # Open it only to close it: a page learns the code of no other refusal.
        await receive()
        await send({"type": "websocket.accept"})
        code = UNAUTHENTICATED if isinstance(error, NotAuthenticated) else POLICY_VIOLATION
        await send({"type": "websocket.close", "code": code, "reason": error.message})
        return
    more = {}
    if isinstance(error, NotAuthenticated):
        more = _CHALLENGE_OF_PEOPLE if _is_page(scope) else _CHALLENGE
    await sending.send_error(error, scope, send if taken is None else _telling(send, taken), more)


def _address(scope: Scope) -> str | None:
    client = scope.get("client")
    return client[0] if client else None


def given(scope: Scope) -> str | None:
    """The secret that a request brings: `X-API-Key`, else `Authorization: Bearer`, else the password of `Basic`."""
    authorized = None
    for name, value in scope["headers"]:
        if name == b"x-api-key":
            return str(value.decode("latin-1"))
        if name == b"authorization" and value[:7].lower() == b"bearer ":
            authorized = value[7:].strip().decode("latin-1")
        elif name == b"authorization" and value[:6].lower() == b"basic ":
            authorized = _password(value[6:].strip())
    return authorized


def _password(encoded: bytes) -> str:
    try:
        return base64.b64decode(encoded, validate=True).decode().partition(":")[2]
    except ValueError:
        return ""


def _is_page(scope: Scope) -> bool:
    return any(name == b"accept" and b"text/html" in value for name, value in scope["headers"])


def _caller(key: Key, address: str | None) -> Caller:
    return Caller(
        key_id=key.key_id,
        scopes=frozenset(key.scopes),
        budgets=frozenset(key.budgets),
        components=frozenset(key.components),
        address=address,
    )
