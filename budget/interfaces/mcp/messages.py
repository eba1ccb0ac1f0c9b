"""Tekton's message protocol: an envelope in, an envelope out, always with HTTP 200 (wire contract 5.1).

The contract names seven types of message. Every other operation of the catalogue is one more: `budget.<operation>`,
answered by `budget.<operation>_response`, its request as the payload.
"""

import uuid
from collections.abc import Mapping
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from budget.domain import instants
from budget.domain.commands import Key
from budget.domain.entries import Caller
from budget.domain.errors import BudgetError, Invalid
from budget.engine.ledger import Ledger
from budget.interfaces.mcp import tekton_commands, tekton_queries
from budget.interfaces.mcp.handling import Answer, Asked, Handler, problem_of, projected, text_of
from budget.log import get_logger
from budget.operations import access, bodies, problems
from budget.operations.catalogue import CATALOGUE
from budget.operations.identity import COMPONENT, Identity

log = get_logger("mcp_endpoints")

ERROR: Final = "budget.error"

TEKTON: Final[Mapping[str, Handler]] = {**tekton_commands.HANDLERS, **tekton_queries.HANDLERS}
"""The seven."""

HANDLERS: Final[Mapping[str, Handler]] = {
    **{f"budget.{operation.name}": projected(operation) for operation in CATALOGUE},
    **TEKTON,  # two of them share a name with an operation, and answer all that it answers
}


class Message(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, rename={"is_asynchronous": "async"}):
    """The envelope of a request."""

    sender: Annotated[str, Meta(min_length=1, max_length=200)]
    message_type: Annotated[str, Meta(min_length=1, max_length=200)]
    message_id: Key | None = None
    payload: msgspec.Raw = msgspec.Raw(b"{}")
    timestamp: Any = None
    reply_to: Annotated[str, Meta(max_length=2000)] | None = None
    timeout: float | None = None
    is_asynchronous: bool = False

    @property
    def content(self) -> bytes:
        """The payload as JSON; null is none."""
        return b"{}" if self.payload == _NULL else bytes(self.payload)


_NULL: Final = msgspec.Raw(b"null")
_message: Final = bodies.body_of(Message)


def parse(body: bytes) -> Message:
    """The envelope that a body holds, or the error that says what is wrong with it."""
    message = _message.parse(body, lenient=True)
    if not message.content.startswith(b"{"):
        raise Invalid("payload", "must be an object")
    return message


def id_of(message: Message) -> str:
    """The id of a message; one that came without gets one, which is no idempotency key (rule 7.1)."""
    return message.message_id or str(uuid.uuid4())


async def answer(ledger: Ledger, identity: Identity, message: Message, request_id: str, caller: Caller) -> bytes:
    """The envelope of the response to a message."""
    handler = HANDLERS.get(message.message_type)
    if handler is None:
        return failed(ledger, request_id, f"Unknown message type: {message.message_type}")
    asked = Asked(ledger, identity, message.content, message.sender, message.message_id, caller)
    try:
        access.demand(caller, handler.scope)
        payload = await handler.handle(asked)
    except BudgetError as error:
        log.debug("message refused", message_type=message.message_type, sender=message.sender, error=error.message)
        said = {**handler.failed(asked), "problem": problem_of(error)}
        return failed(ledger, request_id, text_of(error), handler.response_type, said)
    except Exception:  # a message is always answered, and the log says what went wrong
        log.exception("message failed", message_type=message.message_type, sender=message.sender)
        return failed(ledger, request_id, "something went wrong here; the log says what", handler.response_type)
    return bodies.encode(envelope(ledger, request_id, handler.response_type, payload))


def unreadable(ledger: Ledger, error: BudgetError) -> bytes:
    """The answer to a body that holds no message."""
    log.debug("message unreadable", error=error.message)
    return failed(ledger, None, text_of(error))


def failed(
    ledger: Ledger, request_id: str | None, error: str, response_type: str = ERROR, payload: Answer | None = None
) -> bytes:
    """The envelope of an error."""
    return problems.encode(envelope(ledger, request_id, response_type, payload or {}, error))


def envelope(
    ledger: Ledger, request_id: str | None, response_type: str, payload: Answer, error: str | None = None
) -> dict[str, Any]:
    """A response in its envelope."""
    return {
        "message_id": str(uuid.uuid4()),
        "sender": COMPONENT,
        "message_type": response_type,
        "timestamp": instants.iso(ledger.now()),
        "payload": payload,
        "request_id": request_id,
        "status": "success" if error is None else "error",
        "error": error,
    }
