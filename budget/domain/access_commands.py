"""The commands about who may come in: API keys are made, replaced and withdrawn."""

from typing import Annotated, ClassVar

from msgspec import Meta

from budget.domain.commands import Command, Instant, Key, Name, Word

MOST_OVERLAP_SECONDS = 30 * 86_400

Names = Annotated[tuple[Name, ...], Meta(max_length=200)]


class CreateKey(Command, frozen=True, kw_only=True):
    """Make an API key."""

    operation: ClassVar[str] = "create_key"
    alone: ClassVar[bool] = True

    name: Name
    scopes: Annotated[
        tuple[Word, ...],
        Meta(min_length=1, max_length=4, description="of read, record, allocate, admin; admin includes the others"),
    ]
    budgets: Annotated[Names, Meta(description="ids of the only budgets that it may touch; none: all")] = ()
    components: Annotated[Names, Meta(description="the only components that it may speak for; none: all")] = ()
    expires_at: Instant | None = None
    request_id: Key | None = None


class RotateKey(Command, frozen=True, kw_only=True):
    """Give a key a new secret."""

    operation: ClassVar[str] = "rotate_key"
    alone: ClassVar[bool] = True

    key_id: Name = ""
    overlap_seconds: Annotated[
        int, Meta(ge=0, le=MOST_OVERLAP_SECONDS, description="how long the secret before stays good")
    ] = 0
    request_id: Key | None = None


class RevokeKey(Command, frozen=True, kw_only=True):
    """Withdraw a key for ever."""

    operation: ClassVar[str] = "revoke_key"
    alone: ClassVar[bool] = True

    key_id: Name = ""
    request_id: Key | None = None
