"""API keys: who may come in, what for, and until when. A secret is shown once, and kept only as its hash.

A secret has 256 random bits, so one round of SHA-256 protects it as well as a slow hash would, and takes a microsecond.
"""

import hashlib
import hmac
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

START = "bgt_"
PREFIX_LENGTH = len(START) + 8
SECRET_LENGTH = PREFIX_LENGTH + 1 + 43
"""`bgt_`, eight characters by which people know it, `_`, 32 bytes in base64."""


class Key(msgspec.Struct, frozen=True, kw_only=True):
    """A key, without anything that opens a door."""

    key_id: str
    name: str
    prefix: str
    """How its newest secret begins."""
    scopes: tuple[str, ...]
    budgets: tuple[str, ...] = ()
    components: tuple[str, ...] = ()
    created_at: int
    expires_at: int | None = None
    rotated_at: int | None = None
    revoked_at: int | None = None

    def is_good(self, now: int) -> bool:
        """Whether it opens anything."""
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)


class Secret(msgspec.Struct, frozen=True, kw_only=True):
    """What is kept of a secret."""

    prefix: str
    digest: bytes
    until: int | None = None
    """When a secret that was replaced stops to be good."""


class Guarded(msgspec.Struct, frozen=True, kw_only=True):
    """A key with its secrets: the newest, and the one before while both are good."""

    key: Key
    secrets: tuple[Secret, ...]


class Issued(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to a change of a key; the secret is there the first time that a new one was made, and never again."""

    key: Key
    secret: str | None = None


ByPrefix = Mapping[str, tuple[tuple[Secret, Key], ...]]


def by_prefix(guarded: Iterable[Guarded]) -> ByPrefix:
    """Every secret that may be good, where `found` looks for it."""
    listed: dict[str, list[tuple[Secret, Key]]] = {}
    for each in guarded:
        if each.key.revoked_at is None:
            for secret in each.secrets:
                listed.setdefault(secret.prefix, []).append((secret, each.key))
    return {prefix: tuple(pairs) for prefix, pairs in listed.items()}


def found(known: ByPrefix, text: str, now: int) -> Key | None:
    """The key that a secret opens now."""
    pairs = known.get(text[:PREFIX_LENGTH])
    if pairs is None:
        return None
    digest = digest_of(text)
    for secret, key in pairs:
        # compare_digest takes as long for a near miss as for a far one: the time tells nothing.
        if (
            hmac.compare_digest(secret.digest, digest)
            and key.is_good(now)
            and (secret.until is None or now < secret.until)
        ):
            return key
    return None


def secret_of(text: str, until: int | None = None) -> Secret:
    """What is kept of a secret's text."""
    return Secret(prefix=text[:PREFIX_LENGTH], digest=digest_of(text), until=until)


def digest_of(text: str) -> bytes:
    """The hash of a secret; whatever bytes a header held, there is one."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


def as_journalled(key: Key | None) -> dict[str, Any] | None:
    """A key as the journal keeps it."""
    return None if key is None else msgspec.structs.asdict(key)
