"""A line of the journal, and who is behind it."""

import msgspec

encode = msgspec.json.Encoder(decimal_format="string").encode


SCOPES = ("read", "record", "allocate", "admin")
"""What a key may be good for; `admin` includes the others."""

EVERY_SCOPE = frozenset(SCOPES)
NOT_BOUND: frozenset[str] = frozenset()


class Caller(msgspec.Struct, frozen=True, kw_only=True):
    """Who asks: an API key, or anonymous where keys are off, who may do everything."""

    key_id: str | None = None
    scopes: frozenset[str] = EVERY_SCOPE
    budgets: frozenset[str] = NOT_BOUND
    """The budgets its key is bound to; none means that it is not bound to any."""
    components: frozenset[str] = NOT_BOUND
    """Likewise."""
    address: str | None = None
    """Where the request came from."""

    @property
    def name(self) -> str:
        """As it stands in the journal."""
        return self.key_id or "anonymous"

    @property
    def budget_id(self) -> str | None:
        """The only budget its key is bound to, if just one."""
        return next(iter(self.budgets)) if len(self.budgets) == 1 else None

    @property
    def is_admin(self) -> bool:
        """Whether it may change what others live by."""
        return "admin" in self.scopes

    @property
    def is_bound(self) -> bool:
        """Whether there is anything that it may not see."""
        return bool(self.budgets or self.components)

    def may(self, scope: str) -> bool:
        """Whether its key has this right."""
        return scope in self.scopes or "admin" in self.scopes


ANONYMOUS = Caller()
NOBODY = Caller(scopes=frozenset())
"""Who comes without a key where one is needed."""
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
