"""Making, replacing and withdrawing API keys: what each command changes (rule 6.1, `key_changed`)."""

import msgspec

from budget.domain import access_commands, instants
from budget.domain.entries import SCOPES, Caller
from budget.domain.errors import Conflict, Invalid, NotFound
from budget.domain.keys import Guarded, Issued, Key, as_journalled, secret_of
from budget.domain.state import State


def create(state: State, command: access_commands.CreateKey, text: str, caller: Caller) -> Issued:
    """A new key with this secret."""
    for at, scope in enumerate(command.scopes):
        if scope not in SCOPES:
            raise Invalid(f"scopes[{at}]", f"must be one of {', '.join(SCOPES)}")
    for at, budget_id in enumerate(command.budgets):
        if budget_id not in state.configuration.budgets:
            raise Invalid(f"budgets[{at}]", f"there is no budget {budget_id!r}")
    key = Key(
        key_id=state.new_id(),
        name=command.name,
        prefix=secret_of(text).prefix,
        scopes=tuple(scope for scope in SCOPES if scope in command.scopes),
        budgets=tuple(dict.fromkeys(command.budgets)),
        components=tuple(dict.fromkeys(command.components)),
        created_at=state.now,
        expires_at=_expiry(command.expires_at, state),
    )
    _write(state, "created", None, Guarded(key=key, secrets=(secret_of(text),)), caller)
    return Issued(key=key, secret=text)


def rotate(state: State, command: access_commands.RotateKey, text: str, caller: Caller) -> Issued:
    """The same key with a new secret; the one before stays good for the overlap."""
    before = _guarded(state, command.key_id)
    if not before.key.is_good(state.now):
        raise Conflict(f"key {command.key_id!r} has expired or was revoked; create a new one")
    until = state.now + command.overlap_seconds * instants.MICROSECONDS_PER_SECOND
    replaced = (msgspec.structs.replace(before.secrets[0], until=until),) if command.overlap_seconds else ()
    key = msgspec.structs.replace(before.key, prefix=secret_of(text).prefix, rotated_at=state.now)
    _write(state, "rotated", before.key, Guarded(key=key, secrets=(secret_of(text), *replaced)), caller)
    return Issued(key=key, secret=text)


def revoke(state: State, command: access_commands.RevokeKey, caller: Caller) -> Issued:
    """The key opens nothing any more; revoking it again changes nothing."""
    before = _guarded(state, command.key_id)
    if before.key.revoked_at is not None:
        return Issued(key=before.key)
    key = msgspec.structs.replace(before.key, revoked_at=state.now)
    _write(state, "revoked", before.key, Guarded(key=key, secrets=()), caller)
    return Issued(key=key)


def _guarded(state: State, key_id: str) -> Guarded:
    found = state.configuration.keys.get(key_id)
    if found is None:
        raise NotFound(f"there is no key {key_id!r}", field="key_id")
    return found


def _expiry(text: str | None, state: State) -> int | None:
    if text is None:
        return None
    try:
        at = instants.parse_instant(text, state.configuration.rules.time_zone)
    except ValueError as error:
        raise Invalid("expires_at", str(error)) from None
    if at <= state.now:
        raise Invalid("expires_at", "is not in the future")
    return at


def _write(state: State, change: str, before: Key | None, after: Guarded, caller: Caller) -> None:
    state.new_keys.append(after)
    state.note(
        "key_changed",
        after.key.key_id,
        caller,
        change=change,
        before=as_journalled(before),
        after=as_journalled(after.key),
    )
