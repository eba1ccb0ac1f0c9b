"""Tekton's messages before and after a call: allocate tokens, check the budget, record usage (wire contract 5.1)."""

from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from budget.domain import commands, text_estimates
from budget.domain.commands import Name
from budget.domain.errors import Invalid
from budget.engine import queries
from budget.interfaces.mcp.handling import Answer, Asked, Handler, fields_of, read, with_fields
from budget.operations import bodies, verdicts, views
from budget.operations.requests import Text

LONGEST_TEXT: Final = 500_000
TextBody = Annotated[str, Meta(max_length=LONGEST_TEXT)]


# Allocate


async def _allocate(asked: Asked) -> Answer:
    fields = fields_of(asked.payload)
    amount = fields.pop("amount", None)
    if amount is not None:
        fields["tokens_allocated"] = amount
    fields.setdefault("tokens_allocated", 0)
    _give(fields, "component", asked.sender)
    _give(fields, "context_id", asked.new_context())
    try:
        command = read(with_fields(fields), commands.Allocate)
    except Invalid as error:
        if error.field != "tokens_allocated":
            raise
        raise Invalid("amount", error.message) from None
    command = await asked.admitted("allocate", command)
    outcome = await asked.ledger.submit(command, asked.caller, asked.key_of(command))
    shown = views.grant_view(outcome.answer)
    return {
        "allocation_id": shown["allocation_id"],
        "context_id": shown["context_id"],
        "amount": shown["tokens_allocated"],
        "remaining": shown["remaining_tokens"],
        "tier": shown["tier"],
        "provider": shown["provider"],
        "model": shown["model"],
    }


def _not_allocated(asked: Asked) -> Answer:
    return {"context_id": _context(asked), "amount": 0, "remaining": 0}


# Check


class CheckPayload(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A call that is about to be made, by its text."""

    provider: Name
    model: Name
    input_text: TextBody = ""
    component: Name | None = None
    task_type: Name | None = None
    context_id: Name | None = None
    budget_id: Name | None = None


async def _check(asked: Asked) -> Answer:
    payload = read(asked.payload, CheckPayload)
    tokens = text_estimates.tokens_of(payload.input_text)
    output = text_estimates.output_of(tokens)
    command = commands.Allocate(
        context_id=payload.context_id or asked.new_context(),
        component=payload.component or asked.sender,
        provider=payload.provider,
        model=payload.model,
        task_type=payload.task_type or "default",
        budget_id=payload.budget_id,
        tokens_allocated=max(tokens + output, 1),
        input_tokens=tokens,
        max_output_tokens=output,
    )
    command = await asked.admitted("check_allocation", command)
    info = verdicts.verdict_view(await asked.ledger.check(command, asked.caller), command)
    return {"allowed": info["allowed"], "info": info}


def _not_checked(_: Asked) -> Answer:
    return {"allowed": False, "info": {}}


# Record

_TEXTS: Final = (b'"input_text"', b'"output_text"', b'"inputText"', b'"outputText"')
_record: Final = bodies.body_of(commands.RecordUsage)


class Texts(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """The text form of a usage."""

    input_text: TextBody | None = None
    output_text: TextBody | None = None


async def _record_usage(asked: Asked) -> Answer:
    payload = asked.payload
    if any(name in payload for name in _TEXTS):
        payload = _with_counts(payload)
    command = _record.parse(payload, lenient=True)
    if command.allocation_id is None and (command.context_id is None or command.component is None):
        command = msgspec.structs.replace(
            command,
            context_id=command.context_id or asked.new_context(),
            component=command.component or asked.sender,
        )
    command = await asked.admitted("record_usage", command)
    outcome = await asked.ledger.submit(command, asked.caller, asked.key_of(command))
    record = outcome.answer
    shown = views.usage_record_view(record)
    shown["recorded_tokens"] = record.total_tokens
    shown["success"] = True
    shown["remaining"] = 0
    if record.allocation_id is not None:
        shown["remaining"] = (await queries.get_allocation(asked.ledger, record.allocation_id)).held_tokens
    return shown


def _with_counts(payload: bytes) -> bytes:
    """The token form of a text form: counts that are not given are estimated, and the record's metadata says so."""
    fields = fields_of(payload)
    texts = read(payload, Texts)
    counts = {"input_tokens": texts.input_text, "output_tokens": texts.output_text}
    estimated = [name for name, text in counts.items() if text is not None and name not in fields]
    for name in estimated:
        fields[name] = text_estimates.tokens_of(counts[name] or "")
    if estimated:
        for name in set(counts) - set(estimated):
            fields.setdefault(name, 0)
        metadata = msgspec.json.decode(fields["metadata"]) if "metadata" in fields else {}
        if isinstance(metadata, dict):
            fields["metadata"] = {**metadata, "estimated_from_text": estimated}
    return with_fields(fields)


def _not_recorded(asked: Asked) -> Answer:
    return {"context_id": _context(asked), "recorded_tokens": 0, "remaining": 0, "success": False}


# What they share


class _Context(msgspec.Struct):
    context_id: Text | None = None


_contexts: Final = msgspec.json.Decoder(_Context)


def _context(asked: Asked) -> str | None:
    """The context of a payload that may be wrong otherwise."""
    try:
        return _contexts.decode(asked.payload).context_id
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None


def _give(fields: dict[str, Any], name: str, value: str) -> None:
    """A default for a field that is absent or null."""
    if fields.get(name) in (None, msgspec.Raw(b"null")):
        fields[name] = value


HANDLERS: Final = {
    "budget.allocate_tokens": Handler("budget.allocation_response", _allocate, _not_allocated, "allocate"),
    "budget.check_budget": Handler("budget.check_response", _check, _not_checked),
    "budget.record_usage": Handler("budget.usage_response", _record_usage, _not_recorded, "record"),
}
