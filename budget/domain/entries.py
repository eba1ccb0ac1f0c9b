"""A line of the journal, and who is behind it."""

import msgspec

encode = msgspec.json.Encoder(decimal_format="string").encode


class Caller(msgspec.Struct, frozen=True, kw_only=True):
    """Who asks: an API key, or anonymous where keys are off."""

    key_id: str | None = None
    budget_id: str | None = None
    """The only budget its key is bound to, if just one."""
    is_admin: bool = True

    @property
    def name(self) -> str:
        """As it stands in the journal."""
        return self.key_id or "anonymous"


ANONYMOUS = Caller()
SYSTEM = Caller(key_id="system")


class Entry(msgspec.Struct, kw_only=True, gc=False):
    """One line of the journal."""

    seq: int
    at: int
    kind: str
    caller: str
    subject: str
    idempotency_key: str | None = None
    fingerprint: bytes | None = None
    context_id: str | None = None
    task_id: str | None = None
    postings: str = "[]"
    rollups: str = "[]"
    flags: int = 0
    data: str | None = None
