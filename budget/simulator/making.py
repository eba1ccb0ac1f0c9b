"""Makes random commands about what the model knows."""

from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

from budget.domain import commands, instants
from budget.simulator.chance import Chance
from budget.simulator.clock import HOUR, MINUTE, SECOND
from budget.simulator.counts import NANOCENTS, WRITERS, Counts
from budget.simulator.model import Model
from budget.simulator.things import Hold

ZONES = (
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "Atlantic/Azores",  # changes its clocks at midnight
    "Asia/Beirut",  # … and before it
    "Asia/Kathmandu",  # 5:45 ahead
    "Australia/Lord_Howe",  # changes them by half an hour
)
MODELS = (("acme", "m1"), ("acme", "m2"), ("acme", "m3"), ("zeta", "m1"))
CONTEXTS = ("c1", "c2", "c3")
TASKS = ("t1", "t2")
USERS = ("u", "v")
KEYS = ("k1", "k2")
COMPONENTS = ("x", "y")
TASK_TYPES = ("default", "chat")
TIERS = ("remote_heavyweight", "local_midweight", "local_lightweight")
TYPES = ("hard_limit", "hard_limit", "hard_limit", "warn", "soft_limit", "ignore")
PERIODS = ("hourly", "hourly", "daily", "daily", "weekly", "monthly", "per_session", "per_task")
TOKEN_LIMITS = (0, 500, 1500, 3000, 3000, 5000, 5000, 10_000, 10_000, 20_000, 50_000)
COST_LIMITS = tuple(
    map(Decimal, ("0", "0.00001", "0.00003", "0.00003", "0.0001", "0.0001", "0.0002", "0.000000010000005", "0.001"))
)
INPUT_RATES = tuple(map(Decimal, ("0", "0.00000001", "0.00000003", "0.0000000000125")))
OUTPUT_RATES = tuple(map(Decimal, ("0", "0.00000002", "0.00000005", "0.00000002000035")))
OTHER_RATES = tuple(map(Decimal, ("0.000000001", "0.000000007", "0.000000000005")))


class Maker:
    """Makes commands by chance."""

    def __init__(self, model: Model, chance: Chance) -> None:
        self.model = model
        self.chance = chance

    def budget_id(self) -> str:
        """One of the budgets."""
        return self.chance.one_of(list(self.model.budgets))

    def tokens(self) -> int:
        """How much a call may want."""
        return self.chance.one_of((1, 7, 50, 100, 333, 1000, 2500))

    def dollars(self) -> Decimal:
        """A cost as a provider reports it, now and then in fractions of a nanocent, seldom a credit."""
        amount = Decimal(self.chance.whole(0, 2 * 10**6)) / (2 * NANOCENTS)
        return -amount if self.chance.happens(0.1) else amount

    def instant(self, *minutes: int) -> str:
        """So many minutes from now, at a whole second."""
        at = self.model.now + self.chance.one_of(minutes) * MINUTE
        return instants.iso(at - at % SECOND)

    # What changes the rules

    def create_budget(self, name: str) -> commands.CreateBudget:
        """A budget in one of the zones, without Tekton's policies."""
        return commands.CreateBudget(name=name, default_policies=False, time_zone=self.chance.one_of(ZONES))

    def change_zone(self) -> commands.UpdateBudget:
        """The days of a budget begin elsewhere."""
        return commands.UpdateBudget(budget_id=self.budget_id(), time_zone=self.chance.one_of(ZONES))

    def create_policy(self) -> commands.CreatePolicy:
        """A policy of any kind, of a budget or of all."""
        chance = self.chance
        budget_id = self.budget_id() if chance.happens(0.75) else None
        provider, model = chance.one_of(MODELS)
        token_limit = chance.maybe(0.7, TOKEN_LIMITS)
        return commands.CreatePolicy(
            budget_id=budget_id,
            scope="global" if budget_id is None else None,
            type=chance.one_of(TYPES),
            period=chance.one_of(PERIODS),
            provider=provider if chance.happens(0.2) else None,
            model=model if chance.happens(0.15) else None,
            component=chance.maybe(0.15, COMPONENTS),
            task_type=chance.maybe(0.15, TASK_TYPES),
            user_id=chance.maybe(0.15, USERS),
            key_id=chance.maybe(0.1, KEYS),
            tier=chance.maybe(0.15, TIERS),
            token_limit=token_limit,
            cost_limit=chance.one_of(COST_LIMITS) if token_limit is None or chance.happens(0.5) else None,
            warning_threshold=chance.one_of((Decimal("0.8"), Decimal("0.8"), Decimal("0.33"))),
            thresholds=chance.maybe(0.3, ((Decimal("0.5"),), (Decimal("0.1"), Decimal("1.5")))) or (),
            enabled=chance.happens(0.85),
        )

    def update_policy(self) -> commands.UpdatePolicy:
        """Switch a policy, tighten or widen it, or change what it does."""
        chance = self.chance
        policy = chance.labelled(self.model.policies.values())
        stored = policy.stored
        return commands.UpdatePolicy(
            policy_id=policy.id,
            enabled=not stored.enabled if chance.happens(0.5) else None,
            token_limit=None if stored.token_limit is None else chance.maybe(0.5, TOKEN_LIMITS),
            cost_limit=None if stored.cost_limit is None else chance.maybe(0.5, COST_LIMITS),
            type=chance.maybe(0.2, ("hard_limit", "warn", "soft_limit")),
        )

    def set_any_price(self) -> commands.SetPrice:
        """A price of some model; often one that dates from just before some usage."""
        if self.model.records and self.chance.happens(0.3):
            used = self.chance.labelled(self.model.records)
            return self.set_price((used.provider, used.model), instants.iso(used.occurred_at - SECOND))
        effective = self.instant(-3000, -90, 45) if self.chance.happens(0.2) else None
        return self.set_price(self.chance.one_of(MODELS), effective)

    def set_price(self, named: tuple[str, str], effective: str | None = None) -> commands.SetPrice:
        """A price from some instant on, now and then only for a while."""
        chance = self.chance
        provider, model = named
        ends = chance.maybe(0.1, (120, 600))
        return commands.SetPrice(
            provider=provider,
            model=model,
            input_cost_per_token=chance.one_of(INPUT_RATES),
            output_cost_per_token=chance.one_of(OUTPUT_RATES),
            cache_read_cost_per_token=chance.maybe(0.7, OTHER_RATES),
            cache_write_cost_per_token=chance.maybe(0.3, OTHER_RATES),
            reasoning_cost_per_token=chance.maybe(0.3, OTHER_RATES),
            fixed_cost_per_request=chance.maybe(0.2, OTHER_RATES),
            effective_date=effective,
            end_date=None if ends is None else self.instant(ends),
        )

    def set_model(self) -> commands.SetModel:
        """Another tier, and other models that can stand in."""
        provider, model = self.chance.one_of(MODELS)
        others = tuple(self.chance.some_of(MODELS, 2))
        return commands.SetModel(provider=provider, model=model, tier=self.chance.one_of(TIERS), equivalents=others)

    # What a batch may contain

    def some_for_a_batch(self) -> list[commands.Command]:
        """One command, or now and then many that belong together."""
        if self.chance.happens(0.04):
            return list(self.plain_run())
        if self.chance.happens(0.08):
            return [self.allocate()] * self.chance.whole(2, 8)  # many callers want the same at once
        makers: list[Callable[[], commands.Command]] = [self.allocate] * 4 + [self.record] * 2
        if self.model.holds:
            makers += [self.start, self.extend, self.increase, self.release]
            makers += [self.draw, self.draw, self.settle, self.settle]
        if any(record.id for record in self.model.records):
            makers += [self.void, self.correct, self.correct]
        return [self.chance.one_of(makers)()]

    def allocate(self) -> commands.Command:
        """A hold."""
        chance = self.chance
        tokens = self.tokens()
        given = made = None
        if chance.happens(0.4):
            given = chance.whole(0, tokens)
            made = chance.whole(0, tokens - given) if chance.happens(0.7) else None
        provider, model = chance.one_of(MODELS)
        return commands.Allocate(
            budget_id=self.budget_id(),
            context_id=chance.one_of(CONTEXTS),
            task_id=chance.maybe(0.5, TASKS),
            component=chance.one_of(COMPONENTS),
            provider=provider,
            model=model,
            task_type=chance.one_of(("default", "default", "chat")),
            user_id=chance.maybe(0.3, USERS),
            tokens_allocated=tokens,
            input_tokens=given,
            max_output_tokens=made,
            min_tokens=chance.whole(1, tokens) if chance.happens(0.2) else None,
            expiration_time=self.instant(5, 20, 70, 240, 600) if chance.happens(0.9) else None,
        )

    def hold(self) -> Hold:
        """An active one more often than not."""
        holds = list(self.model.holds.values())
        active = [hold for hold in holds if hold.active]
        return self.chance.labelled(active if active and self.chance.happens(0.85) else holds)

    def start(self) -> commands.Command:
        """A hold's call begins."""
        return commands.Start(allocation_id=self.hold().id)

    def extend(self) -> commands.Command:
        """A hold is renewed."""
        return commands.Extend(allocation_id=self.hold().id, expiration_time=self.instant(3, 30, 300, 1300))

    def increase(self) -> commands.Command:
        """A hold wants more."""
        return commands.Increase(allocation_id=self.hold().id, tokens=self.tokens())

    def release(self) -> commands.Command:
        """A hold is given back."""
        return commands.Release(allocation_id=self.hold().id, confirm_unused=self.chance.happens(0.5))

    def usage(self) -> dict[str, Any]:
        """What a call used: in counts, or as its provider reports it; seldom more than is possible."""
        chance = self.chance
        given, made = chance.one_of((0, 3, 40, 100, 300, 1000)), chance.one_of((0, 5, 60, 200, 600))
        said: dict[str, Any] = {
            "cost": self.dollars() if chance.happens(0.1) else None,
            "occurred_at": self.when() if chance.happens(0.4) else None,
        }
        read = chance.whole(0, given) if chance.happens(0.3) else 0
        written = chance.whole(0, given - read) if chance.happens(0.15) else 0
        thought = chance.whole(0, made + chance.happens(0.1)) if chance.happens(0.2) else 0
        if chance.happens(0.75):
            counts = {"input_tokens": given, "output_tokens": made, "reasoning_tokens": thought}
            return {**said, **counts, "cache_read_tokens": read, "cache_write_tokens": written}
        name = chance.one_of(list(WRITERS))
        other = chance.one_of((0, 0, 7)) if name == "openai_chat" else 0
        counts_in = Counts(given, made, read, written if name == "anthropic" else 0, min(thought, made), other)
        return {**said, "usage_format": name, "usage": WRITERS[name](counts_in)}

    def when(self) -> str:
        """A little ahead, just before the hour began, or some time ago."""
        if self.chance.happens(0.2):
            return instants.iso(self.model.now - self.model.now % HOUR - SECOND)
        return self.instant(4, 4, -1, -15, -61, -300, -1500, -50_000)

    def draw(self) -> commands.Command:
        """Usage that says whose it is."""
        return commands.RecordUsage(**self.on_a_hold())

    def settle(self) -> commands.Command:
        """The last of a hold's usage."""
        return commands.Settle(**self.on_a_hold())

    def on_a_hold(self) -> dict[str, Any]:
        """Usage that differs from its hold in some fields."""
        chance = self.chance
        provider, model = chance.one_of(MODELS) if chance.happens(0.3) else (None, None)
        return {
            **self.usage(),
            "allocation_id": self.hold().id,
            "provider": provider,
            "model": model,
            "component": chance.maybe(0.15, COMPONENTS),
            "user_id": chance.maybe(0.15, USERS),
            "context_id": chance.maybe(0.15, CONTEXTS),
            "task_id": chance.maybe(0.15, TASKS),
        }

    def record(self) -> commands.Command:
        """Usage that draws on its session's hold if there is one."""
        provider, model = self.chance.one_of(MODELS)
        return commands.RecordUsage(
            **self.usage(),
            budget_id=self.budget_id(),
            context_id=self.chance.one_of(CONTEXTS),
            task_id=self.chance.maybe(0.5, TASKS),
            component=self.chance.one_of(COMPONENTS),
            provider=provider,
            model=model,
            user_id=self.chance.maybe(0.3, USERS),
        )

    def plain_run(self) -> Iterator[commands.Command]:
        """Plain records of one scope, which the ledger books at once."""
        chance = self.chance
        provider, model = chance.one_of(MODELS)
        budget_id, component, user_id = self.budget_id(), chance.one_of(COMPONENTS), chance.maybe(0.3, USERS)
        contexts = chance.one_of((("c9",), ("c8", "c9"), ("c1", "c8", "c9")))
        for _ in range(chance.whole(14, 30)):
            yield commands.RecordUsage(
                input_tokens=chance.one_of((0, 1, 40)),
                output_tokens=chance.one_of((0, 2, 30)),
                budget_id=budget_id,
                context_id=chance.one_of(contexts),
                component=component,
                provider=provider,
                model=model,
                user_id=user_id,
            )

    def record_id(self) -> str:
        """One of the records that have an id."""
        return self.chance.labelled(record for record in self.model.records if record.id).id or ""

    def void(self) -> commands.Command:
        """A record is taken back."""
        return commands.Void(record_id=self.record_id(), reason="because")

    def correct(self) -> commands.Command:
        """A record is replaced, in some of its fields."""
        chance = self.chance
        said = self.usage() if chance.happens(0.4) else {}
        said |= {"cost": self.dollars() if chance.happens(0.15) else None}
        said |= {"occurred_at": self.when() if chance.happens(0.2) else None}
        provider, model = chance.one_of(MODELS) if chance.happens(0.3) else (None, None)
        return commands.Correct(
            **said,
            record_id=self.record_id(),
            reason="because",
            provider=provider,
            model=model,
            component=chance.maybe(0.2, COMPONENTS),
            user_id=chance.maybe(0.2, USERS),
            context_id=chance.maybe(0.2, CONTEXTS),
            task_id=chance.maybe(0.1, TASKS),
        )
