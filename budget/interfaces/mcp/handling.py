"""What the handlers of Tekton's messages share: who asks, how a payload is read, what an error becomes."""

import uuid
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, NamedTuple

import msgspec

from budget.domain.configuration import GENERATED, generated
from budget.domain.entries import ANONYMOUS, Caller
from budget.domain.errors import BudgetError, Invalid
from budget.engine.ledger import Ledger
from budget.operations import access, bodies, inputs, problems
from budget.operations.catalogue import BY_NAME, Operation
from budget.operations.identity import Identity


class Asked(NamedTuple):
    """A payload as it came, and who sent it."""

    ledger: Ledger
    identity: Identity
    payload: bytes
    sender: str
    key: str | None = None
    """The text of an idempotency key, unless the payload has a `request_id`, which outranks it (rule 7.1)."""
    caller: Caller = ANONYMOUS

    def key_of(self, command: Any) -> str | None:
        """The key under which a command is submitted."""
        own: str | None = getattr(command, "request_id", None)
        return self.key if own is None else own

    def new_context(self) -> str:
        """A context for a caller who names none; the same again when a message with a key is repeated."""
        if self.key is None:
            return GENERATED + str(uuid.uuid4())
        return generated(self.key)

    async def admitted(self, operation: str, request: bodies.Struct) -> bodies.Struct:
        """The request as this caller may ask it."""
        narrowed: bodies.Struct = await access.admitted(BY_NAME[operation], self.ledger, request, self.caller)
        return narrowed


Answer = dict[str, Any]
Handle = Callable[[Asked], Awaitable[Answer]]


def no_payload(_: Asked) -> Answer:
    """Of a message that says nothing in its payload when it fails."""
    return {}


class Handler(NamedTuple):
    """How one type of message is answered."""

    response_type: str
    handle: Handle
    failed: Callable[[Asked], Answer] = no_payload
    """The payload beside an error."""
    scope: str = "read"
    """Which right of a key it needs."""


def projected(operation: Operation) -> Handler:
    """The handler of an operation of the catalogue: its request is the payload, its answer the payload back."""

    async def handle(asked: Asked) -> Answer:
        request = inputs.from_body(operation, asked.payload, lenient=True)
        value, _ = await access.run(operation, asked.ledger, request, asked.caller, asked.key_of(request))
        return as_object(value)

    return Handler(f"budget.{operation.name}_response", handle, scope=operation.scope)


def as_object(value: Any) -> Answer:
    """A list as the one member of an object, where an answer must be one."""
    return value if isinstance(value, dict) else {"result": value}


def problem_of(error: BudgetError) -> Answer:
    """What helps a caller who was refused, as plain data (P10)."""
    return problems.document(error)


def text_of(error: BudgetError) -> str:
    """An error in one line, with the field that it is about."""
    field = error.details.get("field")
    return f"{field}: {error.message}" if isinstance(error, Invalid) and field else error.message


_fields: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])


def fields_of(payload: bytes) -> dict[str, Any]:
    """The fields of a payload, each as it came, so that exact numbers stay exact."""
    try:
        return dict(_fields.decode(payload or b"{}"))
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise bodies.refusal(error) from None


def read(payload: bytes, kind: type[bodies.Struct]) -> bodies.Struct:
    """A payload as `kind`; what Tekton sends beyond it is ignored (rule 12.1)."""
    return bodies.body_of(kind).parse(payload, lenient=True)


def with_fields(payload: Mapping[str, Any]) -> bytes:
    """The JSON of fields that are partly as they came, partly ours."""
    return bodies.encode(payload)
