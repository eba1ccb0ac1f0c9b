"""What lies in windows: holds and records, as the naive model keeps them."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple

from budget.domain.records import COST_REPORTED, ESTIMATED, LATE, OVER_LIMIT, PROVISIONAL, TOTAL_DIFFERS, UNPRICED
from budget.simulator.counts import Counts, Price

SCOPE = ("tier", "provider", "model", "component", "task_type", "user_id", "key_id")
NAMED = ("budget_id", *SCOPE, "context_id", "task_id")
"""What a hold hands on to what is booked on it."""

Amounts = tuple[int, int, int, int]
"""Used tokens, held tokens, used nanocents, held nanocents: as in a row of `balances`."""
NOTHING: Amounts = (0, 0, 0, 0)


def total(*parts: Amounts) -> Amounts:
    """The sum of amounts."""
    tokens, held_tokens, cost, held_cost = (sum(column) for column in zip(NOTHING, *parts, strict=True))
    return tokens, held_tokens, cost, held_cost


def negated(amounts: Amounts) -> Amounts:
    """Less than nothing, by as much."""
    tokens, held_tokens, cost, held_cost = amounts
    return -tokens, -held_tokens, -cost, -held_cost


def used_and_held(unit: str, amounts: Amounts) -> tuple[int, int]:
    """Both amounts of one unit."""
    return amounts[:2] if unit == "tokens" else amounts[2:]


class Place(NamedTuple):
    """A window of a policy, under the key of its balance."""

    policy_id: str
    window: str


class Level(NamedTuple):
    """What makes an alert unique (P12); no threshold where used + held went past a hard limit."""

    policy_id: str
    unit: str
    limit: Decimal
    window: str
    threshold: Decimal | None


@dataclass(kw_only=True, eq=False)
class Thing(ABC):
    """A hold or a record: what policies see of it, and the windows it lies in."""

    label: str
    """The step that made it; the same whatever other steps there are."""
    budget_id: str
    tier: str
    provider: str
    model: str
    component: str
    task_type: str
    user_id: str | None
    key_id: str | None
    context_id: str
    task_id: str | None
    booked_at: int
    price: Price | None
    unpriced: bool
    places: frozenset[Place] = frozenset()

    @abstractmethod
    def amounts(self) -> Amounts:
        """What it adds to the balance of each of its windows."""


@dataclass(kw_only=True, eq=False)
class Hold(Thing):
    """It holds nothing before it is granted, and nothing once it has ended."""

    id: str = ""
    asked: int
    input_tokens: int
    max_output_tokens: int
    expires_at: int = 0
    state: str = "open"
    closed_by: str | None = None
    records: int = 0
    tokens: int = 0
    cost: int = 0

    @property
    def active(self) -> bool:
        """Whether it still holds something for a call."""
        return self.state in {"open", "started"}

    def amounts(self) -> Amounts:
        """What it still holds."""
        return 0, self.tokens, 0, self.cost

    def cost_of(self, tokens: int, price: Price | None) -> int:
        """What so many tokens of this call may cost."""
        return 0 if price is None else price.hold(tokens, self.input_tokens, self.max_output_tokens)

    def end(self, state: str, closed_by: str | None = None) -> None:
        """Hold nothing any more."""
        self.state, self.closed_by, self.tokens, self.cost = state, closed_by, 0, 0


@dataclass(kw_only=True, eq=False)
class Record(Thing):
    """A usage; it counts while it is `current`."""

    id: str | None
    """None for a provisional charge until its hold's row names it."""
    hold: Hold | None
    counts: Counts
    cost: int
    occurred_at: int
    reported: bool = False
    estimated: bool = False
    late: bool = False
    provisional: bool = False
    over_limit: bool = False
    status: str = "new"

    @property
    def tokens(self) -> int:
        """Every token, once."""
        return self.counts.tokens

    def amounts(self) -> Amounts:
        """What it used."""
        return (self.tokens, 0, self.cost, 0) if self.status == "current" else NOTHING

    @property
    def flags(self) -> int:
        """As its row should have them."""
        differs = bool(self.counts.other) and not self.provisional
        return (
            UNPRICED * self.unpriced
            | OVER_LIMIT * self.over_limit
            | PROVISIONAL * self.provisional
            | ESTIMATED * (self.provisional or self.estimated)
            | LATE * self.late
            | COST_REPORTED * self.reported
            | TOTAL_DIFFERS * differs
        )
