"""The ledger once more, as naively as possible: lists of holds and records, in windows that are added up when asked.

The model is told every command and its outcome. It says what the outcome should have been by the rules, and does the
same to its own lists. It shares no rule with the ledger, and takes nothing from it but ids and instants.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import msgspec

from budget.domain import commands, instants
from budget.domain.errors import BudgetError, BudgetExceeded, Conflict, Invalid
from budget.domain.refusals import Refusal
from tests.engine.naive_windows import (
    NANOCENTS,
    SECOND,
    Counts,
    Hold,
    Place,
    Price,
    Record,
    Thing,
    Windows,
    bounds,
    clock_window,
    used_and_held,
)


class Refusing(NamedTuple):
    """A hard limit that refuses, with its arithmetic."""

    policy_id: str
    window: str
    unit: str
    limit: int
    used: int
    held: int
    asked: int


class Model(Windows):
    """What the ledger should be, at `now`."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0
        self.zones: dict[str, str] = {}
        self.holds: dict[str, Hold] = {}
        self.records: list[Record] = []
        """In the order of their journal entries."""
        self.prices: dict[tuple[str, str], list[Price]] = {}
        self.tiers: dict[tuple[str, str], str] = {}
        self.stand_ins: dict[tuple[str, str], tuple[tuple[str, str], ...]] = {}

    def record(self, record_id: str) -> Record:
        return next(record for record in self.records if record.id == record_id)

    def charge_of(self, hold: Hold) -> Record:
        """The provisional charge that a hold ended with."""
        return next(record for record in self.records if record.provisional and record.hold is hold)

    def told(self, command: commands.Command, answer: Any, error: BudgetError | None) -> None:
        """Judge the outcome of a command, and do what it did."""
        match command:
            case commands.Allocate():
                self._allocate(command, answer, error)
            case commands.Correct():
                self._correct(command, answer, error)
            case commands.RecordUsage():
                self._use(command, answer, error)
            case commands.Void():
                self._void(self.record(command.record_id), error)
            case commands.Start():
                self._start(self.holds[command.allocation_id], error)
            case commands.Extend():
                self._extend(command, self.holds[command.allocation_id], error)
            case commands.Increase():
                self._increase(command, self.holds[command.allocation_id], error)
            case commands.Release():
                self._release(command, self.holds[command.allocation_id], answer, error)
            case _:
                raise AssertionError(command)

    # Models and prices

    def tier(self, provider: str, model: str) -> str:
        return self.tiers.get((provider, model), "remote_heavyweight")

    def price(self, provider: str, model: str, at: int) -> Price | None:
        found = [price for price in self.prices.get((provider, model), ()) if price.effective_at <= at]
        return max(found, default=None)

    def unpriced(self, provider: str, model: str) -> list[Record]:
        return [
            record
            for record in self.records
            if record.unpriced and record.status == "current" and (record.provider, record.model) == (provider, model)
        ]

    def told_price(self, provider: str, model: str, effective_at: int, rates: tuple[int, int, int]) -> None:
        """A price was set. A model's first dates from its earliest unpriced usage, any other from now (rule 8.2)."""
        prices = self.prices.setdefault((provider, model), [])
        waiting = [record.occurred_at for record in self.unpriced(provider, model)]
        if waiting and not prices:
            assert effective_at == min(waiting)
        else:
            assert self._is_now(effective_at)
        prices.append(Price(effective_at, len(prices), *rates))
        self.price_usage()

    def price_usage(self) -> None:
        """Price what was booked without a price, in the order in which it was booked."""
        for record in self.records:
            if record.unpriced and record.status == "current":
                price = self.price(record.provider, record.model, record.occurred_at)
                if price is not None:
                    with self.posting(record):
                        record.price, record.unpriced = price, False
                        record.cost = _cost(record.counts, record.tokens, price)

    # What a hard limit says (rule 5)

    def refusing(self, places: frozenset[Place], tokens: int, cost: int) -> Iterator[Refusing]:
        """The hard limits that a grant of so much would take used + held past."""
        for place in places:
            policy = self.policies[place.policy_id]
            if policy.enabled and policy.hard:
                for unit, limit, _ in policy.limits():
                    used, held = used_and_held(unit, self.balance(place))
                    asked = tokens if unit == "tokens" else cost
                    if asked > 0 and used + held + asked > limit:
                        yield Refusing(*place, unit, limit, used, held, asked)

    def wants_a_price(self, places: frozenset[Place]) -> bool:
        """Whether a hard cost limit applies: what has no price is refused there (rule 8.2)."""
        met = [self.policies[place.policy_id] for place in places]
        return any(policy.enabled and policy.hard and policy.stored.cost_limit is not None for policy in met)

    def planned(self, command: commands.Allocate) -> Hold:
        """The hold that is asked for; it holds nothing yet."""
        assert command.budget_id is not None
        assert command.provider is not None
        assert command.model is not None
        price = self.price(command.provider, command.model, self.now)
        hold = Hold(
            budget_id=command.budget_id,
            tier=self.tier(command.provider, command.model),
            provider=command.provider,
            model=command.model,
            component=command.component,
            task_type=command.task_type,
            user_id=command.user_id,
            context_id=command.context_id,
            task_id=command.task_id,
            booked_at=self.now,
            price=price,
            asked=command.tokens_allocated,
            input_tokens=command.input_tokens,
            max_output_tokens=command.max_output_tokens,
            unpriced=price is None,
        )
        hold.places = self.places_for(hold)
        return hold

    def fits(self, command: commands.Allocate) -> bool:
        hold = self.planned(command)
        if hold.unpriced and self.wants_a_price(hold.places):
            return False
        return not any(self.refusing(hold.places, hold.asked, hold.cost_of(hold.asked, hold.price)))

    def _allocate(self, command: commands.Allocate, answer: Any, error: BudgetError | None) -> None:
        hold = self.planned(command)
        cost = hold.cost_of(hold.asked, hold.price)
        expires_at = _instant(command.expiration_time)
        if expires_at is not None and expires_at <= self.now:
            assert isinstance(error, Invalid), error
            return
        if not self.fits(command):
            assert isinstance(error, BudgetExceeded), "granted, though it does not fit"
            self._agree_on_allocation(command, hold, error.refusal)
            return
        assert error is None, error
        granted = answer.hold
        assert (granted.held_tokens, granted.held_cost, granted.tier) == (hold.asked, cost, hold.tier)
        assert self._is_now(granted.created_at)
        assert expires_at in (None, granted.expires_at)
        hold.id, hold.booked_at, hold.expires_at = granted.allocation_id, granted.created_at, granted.expires_at
        hold.places = frozenset()
        self.enter(hold)
        self.holds[hold.id] = hold
        with self.posting(hold):
            hold.tokens, hold.cost = hold.asked, cost

    def _agree_on_allocation(self, command: commands.Allocate, hold: Hold, refusal: Refusal) -> None:
        """A refusal names the limits with their arithmetic, and what would fit (P10, rule 10)."""
        unknown = hold.unpriced and self.wants_a_price(hold.places)
        cost = hold.cost_of(hold.asked, hold.price)
        limits = set() if unknown else set(self.refusing(hold.places, hold.asked, cost))
        self._agree_on_limits(refusal, limits)
        assert refusal.code == ("price_unknown" if unknown else "insufficient_budget")
        keyless = [policy for policy in self.policies.values() if policy.enabled and policy.meets(hold)]
        expected = {policy.id for policy in keyless if policy.window(hold) is None}
        assert {skipped["policy_id"] for skipped in refusal.not_applied} == expected
        self._agree_on_fewer_tokens(command, refusal)
        offered = {
            (offer["request"]["provider"], offer["request"]["model"]) for offer in _offers(refusal, "other_model")
        }
        stand_ins = self.stand_ins.get((hold.provider, hold.model), ())
        assert offered == {other for other in stand_ins if self.fits(_with(command, provider=other[0], model=other[1]))}

    def _agree_on_limits(self, refusal: Refusal, limits: set[Refusing]) -> None:
        named = {
            Refusing(limit.policy_id, limit.window, limit.unit, limit.limit, limit.used, limit.held, limit.asked)
            for limit in refusal.limits
        }
        assert named == limits
        alone = all(limit.used + limit.asked <= limit.limit for limit in limits)
        assert refusal.waits_for_others == (bool(limits) and alone)
        if any(limit.asked > limit.limit for limit in limits):
            assert not refusal.retryable
        assert refusal.retryable == bool(_offers(refusal, "later"))

    def _agree_on_fewer_tokens(self, command: commands.Allocate, refusal: Refusal) -> None:
        """The most tokens that fit are offered: the output is cut when nothing else is left, the input never."""

        def cut(tokens: int) -> commands.Allocate:
            made = command.max_output_tokens
            made = None if made is None else min(made, tokens - (command.input_tokens or 0))
            return _with(command, tokens_allocated=tokens, max_output_tokens=made)

        least = command.min_tokens or max(-(-command.tokens_allocated // 10), 1)
        least = max(least, command.input_tokens or 0)
        offers = [offer["request"]["tokens_allocated"] for offer in _offers(refusal, "fewer_tokens")]
        if least >= command.tokens_allocated or not self.fits(cut(least)):
            assert offers == []
            return
        (tokens,) = offers
        assert least <= tokens < command.tokens_allocated
        assert self.fits(cut(tokens))
        assert tokens + 1 == command.tokens_allocated or not self.fits(cut(tokens + 1))

    # The life of a hold (rule 4)

    def expire(self) -> None:
        """End what is due: a call that has started and drawn nothing is charged, anything else frees what is left."""
        due = [hold for hold in self.holds.values() if hold.active and hold.expires_at <= self.now]
        for hold in sorted(due, key=lambda hold: (hold.expires_at, hold.id)):
            if hold.state == "started" and hold.records == 0:
                self._charge_provisionally(hold)
            else:
                with self.posting(hold):
                    hold.end("expired")

    def _charge_provisionally(self, hold: Hold) -> None:
        charge = Record(
            **_seen_by_policies(hold),
            id=None,
            hold=hold,
            booked_at=hold.booked_at,
            occurred_at=hold.booked_at,
            price=hold.price,
            unpriced=hold.unpriced,
            counts=None,
            tokens=hold.tokens,
            cost=hold.cost,
            provisional=True,
        )
        self.enter(charge)
        self.records.append(charge)
        with self.posting(hold, charge):
            charge.status = "current"
            hold.end("provisional")

    def _start(self, hold: Hold, error: BudgetError | None) -> None:
        if not hold.active:
            assert isinstance(error, Conflict), error
            return
        assert error is None, error
        hold.state = "started"

    def _extend(self, command: commands.Extend, hold: Hold, error: BudgetError | None) -> None:
        expires_at = _instant(command.expiration_time)
        assert expires_at is not None
        if not hold.active:
            assert isinstance(error, Conflict), error
        elif expires_at <= self.now:
            assert isinstance(error, Invalid), error
        else:
            assert error is None, error
            hold.expires_at = expires_at

    def _increase(self, command: commands.Increase, hold: Hold, error: BudgetError | None) -> None:
        if not hold.active or self._has_ended_window(hold):
            assert isinstance(error, Conflict), error
            return
        price = self.price(hold.provider, hold.model, hold.booked_at)
        asked = hold.asked + command.tokens
        cost = hold.cost_of(asked, price) - hold.cost_of(hold.asked, price)
        limits = set(self.refusing(hold.places, command.tokens, cost))
        if limits or (price is None and self.wants_a_price(hold.places)):
            assert isinstance(error, BudgetExceeded), "granted, though it does not fit"
            self._agree_on_limits(error.refusal, limits)
            return
        assert error is None, error
        with self.posting(hold):
            hold.asked, hold.tokens, hold.cost = asked, hold.tokens + command.tokens, hold.cost + cost

    def _has_ended_window(self, hold: Hold) -> bool:
        met = [policy for policy in self.policies.values() if policy.enabled and not policy.keyed]
        ends = [clock_window(p.stored.period, p.zone, hold.booked_at)[1] for p in met if p.meets(hold)]
        ends += [bounds(place.window)[1] for place in hold.places for policy in met if policy.id == place.policy_id]
        return any(end <= self.now for end in ends)

    def _release(self, command: commands.Release, hold: Hold, answer: Any, error: BudgetError | None) -> None:
        if not hold.active or (hold.state == "started" and not command.confirm_unused):
            assert isinstance(error, Conflict), error
            return
        assert error is None, error
        assert answer[1] == hold.tokens
        with self.posting(hold):
            hold.end("released")

    # Usage (rules 3, 4 and 8)

    def _use(self, command: commands.RecordUsage, answer: Any, error: BudgetError | None) -> None:
        hold = self._hold_of(command)
        settles = isinstance(command, commands.Settle)
        if settles and hold is not None and hold.state == "settled" and hold.closed_by != "draw":
            assert isinstance(error, Conflict), error
            return
        assert error is None, error
        stored = answer.record if settles else answer
        record = self._record_of(command, hold, stored.record_id, stored.occurred_at)
        if hold is not None and hold.state == "provisional":
            self._settle_charge(hold, record)
            return
        self.enter(record)
        self.records.append(record)
        if hold is None or not (hold.active or settles):
            with self.posting(record):
                record.status = "current"
            return
        if settles:
            assert answer.tokens_released == max(hold.tokens - record.tokens, 0)
        with self.posting(hold, record):
            record.status = "current"
            hold.records += 1
            if settles:
                hold.end("settled", "settle")
            elif record.tokens >= hold.tokens:
                hold.end("settled", "draw")
            else:
                hold.tokens -= record.tokens
                hold.cost -= min(record.cost, hold.cost)

    def _hold_of(self, command: commands.RecordUsage) -> Hold | None:
        """The hold that a usage names, else the newest active one of its session, budget and component."""
        if command.allocation_id is not None:
            return self.holds[command.allocation_id]
        named = (command.context_id, command.budget_id, command.component)
        mine = [
            hold
            for hold in self.holds.values()
            if hold.active and (hold.context_id, hold.budget_id, hold.component) == named
        ]
        return max(mine, key=lambda hold: (hold.booked_at, hold.id), default=None)

    def _record_of(self, command: commands.RecordUsage, hold: Hold | None, record_id: str, occurred_at: int) -> Record:
        """A usage by its own fields; what it does not say is its hold's."""

        def said(name: str) -> Any:
            return getattr(command, name) or getattr(hold, name, None)

        stated = _instant(command.occurred_at)
        assert stated == occurred_at if stated is not None else self._is_now(occurred_at)
        provider, model = said("provider"), said("model")
        same = hold is not None and (said("component"), provider, model) == (hold.component, hold.provider, hold.model)
        price = self.price(provider, model, occurred_at)
        counts = Counts(command.input_tokens or 0, command.output_tokens or 0, command.cache_read_tokens)
        return Record(
            budget_id=said("budget_id"),
            tier=hold.tier if hold is not None and same else self.tier(provider, model),
            provider=provider,
            model=model,
            component=said("component"),
            task_type=said("task_type") or "default",
            user_id=said("user_id"),
            context_id=said("context_id"),
            task_id=said("task_id"),
            booked_at=occurred_at if hold is None else hold.booked_at,
            price=price,
            id=record_id,
            hold=hold,
            counts=counts,
            tokens=counts.input + counts.output,
            cost=counts.cost(price) if command.cost is None else int(command.cost * NANOCENTS),
            occurred_at=occurred_at,
            reported=command.cost is not None,
            unpriced=price is None and command.cost is None,
            late=hold is not None and _is_late(command, hold),
        )

    def _settle_charge(self, hold: Hold, record: Record) -> None:
        """The call has spoken after all: its charge gives way to what it used, under the same id (rule 4.3)."""
        charge = self.charge_of(hold)
        assert charge.id in (None, record.id)
        self.enter(record)
        self.records[self.records.index(charge)] = record
        with self.posting(charge, record):
            charge.status, record.status = "replaced", "current"
            hold.end("settled", "settle")
            hold.records += 1

    # Corrections (rule 9)

    def _void(self, record: Record, error: BudgetError | None) -> None:
        if record.status != "current" or record.provisional:
            assert isinstance(error, Conflict), error
            return
        assert error is None, error
        with self.posting(record):
            record.status = "void"

    def _correct(self, command: commands.Correct, answer: Any, error: BudgetError | None) -> None:
        old = self.record(command.record_id)
        if old.status != "current" or old.provisional:
            assert isinstance(error, Conflict), error
            return
        counts = _corrected_counts(command, old)
        if counts.cache_read > counts.input:
            assert isinstance(error, Invalid), error
            return
        assert error is None, error
        new = self._corrected(command, old, counts, answer.record_id)
        self.enter(new)
        self.records.append(new)
        with self.posting(old, new):
            old.status, new.status = "superseded", "current"

    def _corrected(self, command: commands.Correct, old: Record, counts: Counts, record_id: str) -> Record:
        """What is not given stays; so does the price, unless the model or the time changed or there was none."""
        named = {name: getattr(command, name) or getattr(old, name) for name in _NAMED}
        provider, model = named["provider"], named["model"]
        moved = _instant(command.occurred_at)
        occurred_at = old.occurred_at if moved is None else moved
        same_model = (provider, model) == (old.provider, old.model)
        price = old.price
        if price is None or not same_model or occurred_at != old.occurred_at:
            price = self.price(provider, model, occurred_at)
        reported = old.reported or command.cost is not None
        cost = old.cost if command.cost is None else int(command.cost * NANOCENTS)
        return Record(
            **named,
            budget_id=old.budget_id,
            tier=old.tier if same_model and named["component"] == old.component else self.tier(provider, model),
            booked_at=old.booked_at if moved is None else moved,
            price=price,
            id=record_id,
            hold=old.hold,
            counts=counts,
            tokens=counts.input + counts.output,
            cost=cost if reported else counts.cost(price),
            occurred_at=occurred_at,
            reported=reported,
            unpriced=price is None and not reported,
            late=old.late,
        )

    def _is_now(self, at: int) -> bool:
        return abs(at - self.now) < SECOND  # batches of one moment are a microsecond apart


_NAMED = ("provider", "model", "component", "task_type", "user_id", "context_id", "task_id")


def _seen_by_policies(thing: Thing) -> dict[str, Any]:
    return {name: getattr(thing, name) for name in ("budget_id", "tier", *_NAMED)}


def _is_late(command: commands.RecordUsage, hold: Hold) -> bool:
    """A hold that was drawn up still takes one settle in time."""
    return hold.state in {"expired", "released"} or (
        hold.state == "settled" and not isinstance(command, commands.Settle)
    )


def _cost(counts: Counts | None, tokens: int, price: Price) -> int:
    """A provisional charge has no counts: its tokens cost the dearer of input and output."""
    return tokens * max(price.input, price.output) if counts is None else counts.cost(price)


def _corrected_counts(command: commands.Correct, old: Record) -> Counts:
    assert old.counts is not None
    given, made = command.input_tokens, command.output_tokens
    return Counts(
        old.counts.input if given is None else given,
        old.counts.output if made is None else made,
        command.cache_read_tokens or old.counts.cache_read,
    )


def _instant(text: str | None) -> int | None:
    return None if text is None else instants.parse_instant(text, "UTC")


def _offers(refusal: Refusal, kind: str) -> list[dict[str, Any]]:
    return [offer for offer in refusal.offers if offer["kind"] == kind]


def _with(command: commands.Allocate, **fields: Any) -> commands.Allocate:
    return msgspec.structs.replace(command, **fields)
