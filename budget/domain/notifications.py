"""Who wants to hear of what, where they are, and how often it is tried to tell them."""

import base64
from typing import Any, Final

import msgspec

from budget.domain import instants
from budget.domain.events import Filter, types_of

MOST_RECEIVERS: Final = 100
MOST_WAITING: Final = 10_000
"""Deliveries that wait for one receiver; more are listed as dead at once."""

LIMITS: Final = ("limit.approached", "limit.reached", "limit.exceeded")
"""What a receiver hears of unless it says otherwise: crossings, which are alerts."""

BACKOFF_SECONDS: Final = (5, 30, 120, 600, 3_600, 10_800, 21_600, 43_200, 86_400)
"""Between the tries to deliver: ten tries in two days, then it is given up."""

JITTER: Final = 0.2
"""By how much, at most, a pause is longer, so that what failed together does not come again together."""

SECRET_START: Final = "whsec_"  # noqa: S105 -- how secrets begin
SECRET_BYTES: Final = 32

PENDING, DELIVERED, DEAD = STATES = ("pending", "delivered", "dead")


class Receiver(msgspec.Struct, frozen=True, kw_only=True):
    """Someone who is told, without anything that must stay secret."""

    receiver_id: str
    name: str
    kind: str
    target: str
    """Its address as everyone may read it."""
    types: tuple[str, ...] = ()
    severities: tuple[str, ...] = ()
    budgets: tuple[str, ...] = ()
    components: tuple[str, ...] = ()
    enabled: bool = True
    created_at: int
    updated_at: int
    rotated_at: int | None = None
    removed_at: int | None = None

    @property
    def listens(self) -> bool:
        """Whether anything is sent to it."""
        return self.enabled and self.removed_at is None


class Secret(msgspec.Struct, frozen=True, kw_only=True):
    """What webhooks are signed with. It is kept as it is: without it nothing could be signed."""

    text: str
    until: int | None = None
    """When a secret that was replaced is no longer used."""


class Reachable(msgspec.Struct, frozen=True, kw_only=True):
    """A receiver with what is needed to reach it: its whole address, and its secrets, the newest first."""

    receiver: Receiver
    address: str
    secrets: tuple[Secret, ...] = ()


class Issued(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to a change of a receiver; its secret is there the first time that there is a new one."""

    receiver: Receiver
    secret: str | None = None


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """One event for one receiver, and what became of it. The body stays the same at every try."""

    delivery_id: str
    receiver_id: str
    type: str
    seq: int | None
    state: str = PENDING
    attempts: int = 0
    created_at: int
    next_at: int
    delivered_at: int | None = None
    status: int | None = None
    """What a web server answered last."""
    error: str | None = None
    body: str


def wanted(receiver: Receiver) -> Filter:
    """The events that a receiver is told of."""
    return Filter(
        types=types_of(receiver.types or LIMITS),
        severities=frozenset(receiver.severities) or None,
        budgets=frozenset(receiver.budgets) or None,
        components=frozenset(receiver.components) or None,
    )


def after_success(delivery: Delivery, now: int, status: int | None) -> Delivery:
    """It has arrived."""
    return msgspec.structs.replace(
        delivery, state=DELIVERED, attempts=delivery.attempts + 1, delivered_at=now, status=status, error=None
    )


def after_failure(
    delivery: Delivery, now: int, chance: float, *, error: str, status: int | None = None, final: bool = False
) -> Delivery:
    """It has not: when it is tried again, or that it is dead. `chance` is from 0 to 1."""
    tries = delivery.attempts + 1
    over = final or tries > len(BACKOFF_SECONDS)
    pause = 0.0 if over else BACKOFF_SECONDS[tries - 1] * (1 + JITTER * chance)
    return msgspec.structs.replace(
        delivery,
        state=DEAD if over else PENDING,
        attempts=tries,
        next_at=now + int(pause * instants.MICROSECONDS_PER_SECOND),
        status=status,
        error=error[:500],
    )


def secrets_at(reachable: Reachable, now: int) -> list[str]:
    """The secrets that a message is signed with now: two while one replaces the other."""
    return [secret.text for secret in reachable.secrets if secret.until is None or now < secret.until]


def secret_text(random: bytes) -> str:
    """A secret as Standard Webhooks writes it."""
    return SECRET_START + base64.b64encode(random).decode()


def as_journalled(receiver: Receiver | None) -> dict[str, Any] | None:
    """A receiver as the journal keeps it."""
    return None if receiver is None else msgspec.structs.asdict(receiver)
