"""What lies in the windows of policies, as naively as possible: nothing is summed until somebody asks.

A hold or a record is put into the windows that it meets when it is booked, and into those that open over it later; a
balance is what a walk over all of them adds up to. Clock windows come from `zoneinfo` alone.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import NamedTuple
from zoneinfo import ZoneInfo

from budget.domain import policies
from budget.domain.records import COST_REPORTED, ESTIMATED, LATE, OVER_LIMIT, PROVISIONAL, UNPRICED

SECOND = 1_000_000
NANOCENTS = 10**11
"""In a dollar."""

SCOPE = ("tier", "provider", "model", "component", "task_type", "user_id")

Amounts = tuple[int, int, int, int]
"""Used tokens, held tokens, used nanocents, held nanocents: as in a row of `balances`."""
NOTHING: Amounts = (0, 0, 0, 0)


def total(*parts: Amounts) -> Amounts:
    tokens, held_tokens, cost, held_cost = (sum(column) for column in zip(NOTHING, *parts, strict=True))
    return tokens, held_tokens, cost, held_cost


def used_and_held(unit: str, amounts: Amounts) -> tuple[int, int]:
    return amounts[:2] if unit == "tokens" else amounts[2:]


def clock_window(period: str, zone: str, at: int) -> tuple[int, int]:
    """The bounds of the window that contains an instant, in µs."""
    clock = ZoneInfo(zone)
    local = datetime.fromtimestamp(at // SECOND, clock)
    if period == "hourly":
        offset = int((local.utcoffset() or timedelta()).total_seconds())
        start = (at // SECOND + offset) // 3600 * 3600 - offset
        return start * SECOND, (start + 3600) * SECOND
    first = local.date()
    if period == "daily":
        last = first + timedelta(days=1)
    elif period == "weekly":
        first -= timedelta(days=first.weekday())
        last = first + timedelta(days=7)
    else:
        first = first.replace(day=1)
        last = (first + timedelta(days=32)).replace(day=1)
    return _midnight(first, clock), _midnight(last, clock)


def _midnight(day: date, clock: ZoneInfo) -> int:
    return int(datetime(day.year, day.month, day.day, tzinfo=clock).timestamp()) * SECOND


def bounds(key: str) -> tuple[int, int]:
    """The bounds that a clock window's key names, in µs."""
    start, end = key.split("-")
    return int(start) * SECOND, int(end) * SECOND


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


class Price(NamedTuple):
    """Nanocents per token, from an instant on; of two from the same instant the later counts."""

    effective_at: int
    number: int
    input: int
    output: int
    cache_read: int

    @property
    def dearest(self) -> int:
        return max(self.input, self.output, self.cache_read)


class Counts(NamedTuple):
    """The tokens of a call; those read from a cache are part of the input."""

    input: int
    output: int
    cache_read: int

    def cost(self, price: Price | None) -> int:
        if price is None:
            return 0
        plain = self.input - self.cache_read
        return plain * price.input + self.cache_read * price.cache_read + self.output * price.output


@dataclass(kw_only=True, eq=False)
class Thing:
    """A hold or a record: what policies see of it, and the windows it lies in."""

    budget_id: str
    tier: str
    provider: str
    model: str
    component: str
    task_type: str
    user_id: str | None
    context_id: str
    task_id: str | None
    booked_at: int
    price: Price | None
    places: frozenset[Place] = frozenset()

    def amounts(self) -> Amounts:
        raise NotImplementedError


@dataclass(kw_only=True, eq=False)
class Hold(Thing):
    """It holds nothing before it is granted, and nothing once it has ended."""

    id: str = ""
    asked: int
    input_tokens: int | None
    max_output_tokens: int | None
    expires_at: int = 0
    unpriced: bool
    state: str = "open"
    closed_by: str | None = None
    records: int = 0
    tokens: int = 0
    cost: int = 0

    @property
    def active(self) -> bool:
        return self.state in {"open", "started"}

    def amounts(self) -> Amounts:
        return 0, self.tokens, 0, self.cost

    def cost_of(self, tokens: int, price: Price | None) -> int:
        """What so many tokens may cost: the stated ones at their rates, all others at the dearest (rule 4.5)."""
        if price is None:
            return 0
        stated, made = self.input_tokens or 0, self.max_output_tokens or 0
        return stated * price.input + made * price.output + (tokens - stated - made) * price.dearest

    def end(self, state: str, closed_by: str | None = None) -> None:
        self.state, self.closed_by, self.tokens, self.cost = state, closed_by, 0, 0


@dataclass(kw_only=True, eq=False)
class Record(Thing):
    """A usage; it counts while it is `current`."""

    id: str | None
    """None for a provisional charge until its hold's row names it."""
    hold: Hold | None
    counts: Counts | None
    """None for a provisional charge."""
    tokens: int
    cost: int
    occurred_at: int
    reported: bool = False
    unpriced: bool = False
    late: bool = False
    provisional: bool = False
    over_limit: bool = False
    status: str = "new"

    def amounts(self) -> Amounts:
        return (self.tokens, 0, self.cost, 0) if self.status == "current" else NOTHING

    @property
    def flags(self) -> int:
        return (
            UNPRICED * self.unpriced
            | OVER_LIMIT * self.over_limit
            | (PROVISIONAL | ESTIMATED) * self.provisional
            | LATE * self.late
            | COST_REPORTED * self.reported
        )


@dataclass(eq=False)
class Policy:
    """A policy as the ledger answered it, and when and in which zone its windows opened last."""

    stored: policies.Policy
    zone: str
    opened: int

    @property
    def id(self) -> str:
        return self.stored.policy_id

    @property
    def enabled(self) -> bool:
        return self.stored.enabled

    @property
    def hard(self) -> bool:
        return self.stored.type == "hard_limit"

    @property
    def keyed(self) -> bool:
        return self.stored.period in {"per_session", "per_task"}

    def limits(self) -> Iterator[tuple[str, int, Decimal]]:
        """Each limit: its unit, its amount in tokens or nanocents, and as an alert states it."""
        if self.stored.token_limit is not None:
            yield "tokens", self.stored.token_limit, Decimal(self.stored.token_limit)
        if self.stored.cost_limit is not None:
            yield "cost", int(self.stored.cost_limit * NANOCENTS), self.stored.cost_limit

    def meets(self, thing: Thing) -> bool:
        return self.stored.budget_id in (None, thing.budget_id) and all(
            getattr(self.stored, name) in (None, getattr(thing, name)) for name in SCOPE
        )

    def window(self, thing: Thing) -> str | None:
        """The key of the window that contains the thing; None where it has no task."""
        if self.stored.period == "per_session":
            return f"c:{thing.context_id}"
        if self.stored.period == "per_task":
            return None if thing.task_id is None else f"t:{thing.task_id}"
        return self.window_at(thing.booked_at)

    def window_at(self, at: int) -> str:
        start, end = clock_window(self.stored.period, self.zone, at)
        return f"{start // SECOND}-{end // SECOND}"

    def counts(self, key: str, since: int) -> bool:
        """Whether this is one of its windows, in the zone in force, and had not ended at some time."""
        if self.keyed:
            return True
        start, end = bounds(key)
        return end > since and self.window_at(start) == key

    def reached(self, used: int, limit: int) -> set[Decimal]:
        """The thresholds that so much usage has reached; nothing used reaches none (rule 2.10)."""
        stored = self.stored
        if stored.type == "ignore" or used <= 0:
            return set()
        if limit == 0:
            return {Decimal(1)}
        thresholds = {*stored.thresholds, stored.warning_threshold, stored.action_threshold, Decimal(1)}
        return {threshold for threshold in thresholds if used >= limit * threshold}


class Windows:
    """Policies, what lies in their windows (rules 2.5, 2.6, 4.6), and the alerts it raises (rules 2.4, 2.10, 5)."""

    def __init__(self) -> None:
        self.policies: dict[str, Policy] = {}
        self.things: list[Thing] = []
        self.contents: dict[Place, list[Thing]] = {}
        self.opened_keys: set[Place] = set()
        """The sessions and tasks that have a balance: it is made when something is first posted there."""
        self.alerts: set[Level] = set()
        """What must have been raised."""
        self.possible_alerts: set[Level] = set()
        """That, and what need not have been: say, what stood past a new limit in a window that had ended."""
        self._frozen: dict[Place, Amounts] = {}
        """Where the balances of disabled policies stay."""
        self._missed: dict[Place, Amounts] = {}
        """What was not undone, because the policy was disabled then, in windows that ended before it was enabled."""

    def balance(self, place: Place) -> Amounts:
        if not self.policies[place.policy_id].enabled:
            return self._frozen.get(place, NOTHING)
        return total(self._sum(place), self._missed.get(place, NOTHING))

    def _sum(self, place: Place) -> Amounts:
        return total(*(thing.amounts() for thing in self.contents.get(place, ())))

    def places_for(self, thing: Thing) -> frozenset[Place]:
        """Where something lies that is booked now."""
        places = (self._place_in(policy, thing) for policy in self.policies.values())
        return frozenset(place for place in places if place is not None)

    def _place_in(self, policy: Policy, thing: Thing) -> Place | None:
        """Its window of a policy that is enabled and meets it, unless that ended before the policy opened."""
        key = policy.window(thing) if policy.enabled and policy.meets(thing) else None
        if key is None or not (policy.keyed or bounds(key)[1] > policy.opened):
            return None
        return Place(policy.id, key)

    def enter(self, thing: Thing) -> None:
        self.things.append(thing)
        self._put(thing, self.places_for(thing))

    def _put(self, thing: Thing, places: frozenset[Place]) -> None:
        for place in places - thing.places:
            self.contents.setdefault(place, []).append(thing)
        thing.places |= places

    @contextmanager
    def posting(self, *things: Thing) -> Iterator[None]:
        """Around a change of these: notes the alerts that it raises, and which of the records passed a limit."""
        places = {place for thing in things for place in thing.places if self.policies[place.policy_id].enabled}
        for place in places - self.opened_keys:
            if self.policies[place.policy_id].keyed:
                self.opened_keys.add(place)
                self._note_standing(place)
        before = {place: self.balance(place) for place in places}
        yield
        over = {place for place in places if self._note_change(place, before[place], self.balance(place))}
        for thing in things:
            if isinstance(thing, Record) and thing.status == "current" and over & thing.places:
                thing.over_limit = True

    # Alerts

    def _note_change(self, place: Place, before: Amounts, after: Amounts) -> bool:
        """Note the levels that were reached; gives whether used + held went past a hard limit, or further past it."""
        policy, over = self.policies[place.policy_id], False
        for unit, limit, stated in policy.limits():
            (used_before, held_before), (used, held) = used_and_held(unit, before), used_and_held(unit, after)
            already, reached = policy.reached(used_before, limit), policy.reached(used, limit)
            self._note(place, unit, stated, already, surely=False)
            self._note(place, unit, stated, reached - already)
            if policy.hard and used + held > max(limit, used_before + held_before):
                over = True
                self._note(place, unit, stated, {None}, surely=used < limit)
        return over

    def _note_standing(self, place: Place, *, surely: bool = True) -> None:
        """Note what stands past a level when a policy is made, changed or opened (rule 2.4)."""
        policy = self.policies[place.policy_id]
        for unit, limit, stated in policy.limits():
            used, held = used_and_held(unit, self.balance(place))
            self._note(place, unit, stated, policy.reached(used, limit), surely=surely)
            if policy.hard and used < limit < used + held:
                self._note(place, unit, stated, {None}, surely=surely)

    def _note(
        self, place: Place, unit: str, limit: Decimal, thresholds: Iterable[Decimal | None], *, surely: bool = True
    ) -> None:
        levels = {Level(place.policy_id, unit, limit, place.window, threshold) for threshold in thresholds}
        self.possible_alerts |= levels
        if surely:
            self.alerts |= levels

    # Policies that change

    def told_policy(self, stored: policies.Policy, zone: str) -> None:
        """A policy was made or changed."""
        policy = self.policies.get(stored.policy_id)
        if policy is not None and _values(policy.stored) == _values(stored):
            return
        was_enabled = policy is not None and policy.enabled
        if policy is None:
            policy = self.policies[stored.policy_id] = Policy(stored, zone, stored.updated_at)
        if was_enabled and not stored.enabled:
            self._frozen |= {place: self.balance(place) for place in self._places_of(policy)}
        policy.stored = stored
        if stored.enabled:
            if not was_enabled:
                self._open(policy, zone, stored.updated_at)
            self._note_what_stands(policy, stored.updated_at)

    def told_zone(self, budget_id: str, zone: str, at: int) -> None:
        """A budget's days begin at another time: the windows of its enabled policies open anew."""
        for policy in self.policies.values():
            if policy.stored.budget_id == budget_id and policy.enabled and not policy.keyed:
                self._open(policy, zone, at)
                self._note_what_stands(policy, at)

    def _open(self, policy: Policy, zone: str, at: int) -> None:
        """From now on a window that has not ended contains all that matches, earlier things too (rule 2.5)."""
        policy.zone, policy.opened = zone, at
        for place in self._places_of(policy):
            frozen = self._frozen.pop(place, None)
            if policy.counts(place.window, at):
                self._missed.pop(place, None)
            elif frozen is not None:
                used, held, cost, held_cost = self._sum(place)
                self._missed[place] = total(frozen, (-used, -held, -cost, -held_cost))
        for thing in self.things:
            met = self._place_in(policy, thing)
            self._put(thing, frozenset() if met is None else frozenset([met]))

    def _note_what_stands(self, policy: Policy, at: int) -> None:
        for place in self._places_of(policy):
            known = place in self.opened_keys if policy.keyed else policy.counts(place.window, at)
            self._note_standing(place, surely=known)

    def _places_of(self, policy: Policy) -> list[Place]:
        return [place for place in self.contents if place.policy_id == policy.id]


def _values(policy: policies.Policy) -> tuple[object, ...]:
    return policy.enabled, policy.type, policy.token_limit, policy.cost_limit, policy.thresholds
