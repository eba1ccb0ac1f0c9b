"""API keys as operations: made, listed, rotated, revoked."""

from typing import Any

from budget.domain import access_commands, instants
from budget.domain.entries import Caller
from budget.domain.keys import Issued, Key
from budget.engine import keys
from budget.engine.ledger import Ledger
from budget.operations import requests
from budget.operations.writing import Answered


class ListKeys(requests.Query, frozen=True, kw_only=True):
    """Which page."""

    page: requests.Page = 1
    limit: requests.Limit = 20


class GetKey(requests.Query, frozen=True, kw_only=True):
    """Which key."""

    key_id: requests.Id = ""


async def list_keys(ledger: Ledger, asked: ListKeys) -> dict[str, Any]:
    """API keys, newest first, with the minute in which each was last used; never their secrets."""
    found = await keys.list_keys(ledger)
    start = (asked.page - 1) * asked.limit
    return {
        "items": [key_view(key, used, ledger.now()) for key, used in found[start : start + asked.limit]],
        "total": len(found),
        "total_exact": True,
        "page": asked.page,
        "limit": asked.limit,
    }


async def get_key(ledger: Ledger, asked: GetKey) -> dict[str, Any]:
    """One API key, without its secret."""
    return key_view(*await keys.get_key(ledger, asked.key_id), ledger.now())


async def change_key(
    ledger: Ledger,
    command: access_commands.CreateKey | access_commands.RotateKey | access_commands.RevokeKey,
    caller: Caller,
    key: str | None,
) -> Answered:
    """Of making, rotating and revoking: `key` is the secret, there once and never again."""
    outcome = await ledger.submit(command, caller, key)
    issued: Issued = outcome.answer
    shown = key_view(issued.key, None, ledger.now())
    del shown["last_used_at"]
    if issued.secret is not None and not outcome.replayed:
        shown["key"] = issued.secret
    return Answered(shown, outcome.replayed)


def key_view(key: Key, used: int | None, now: int) -> dict[str, Any]:
    """A key as it is shown."""
    return {
        "key_id": key.key_id,
        "name": key.name,
        "prefix": key.prefix,
        "scopes": list(key.scopes),
        "budgets": list(key.budgets),
        "components": list(key.components),
        "is_active": key.is_good(now),
        "created_at": instants.iso(key.created_at),
        "expires_at": _iso(key.expires_at),
        "rotated_at": _iso(key.rotated_at),
        "revoked_at": _iso(key.revoked_at),
        "last_used_at": _iso(used),
    }


def _iso(at: int | None) -> str | None:
    return None if at is None else instants.iso(at)
