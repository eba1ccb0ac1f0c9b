"""Random commands for a ledger and for the naive model of it, and everything in which the two must agree."""

import random
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import msgspec

from budget.domain import commands, instants
from budget.domain.entries import ANONYMOUS
from budget.domain.errors import BudgetExceeded, Conflict, KeyReused
from budget.domain.refusals import Refusal
from budget.engine import limits
from budget.engine.ledger import Outcome, Submission
from tests.engine.conftest import HOUR, MINUTE, Book, ManualClock
from tests.engine.naive_model import Model
from tests.engine.naive_windows import NANOCENTS, NOTHING, SECOND, Hold, Level, Place, used_and_held

ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Asia/Kathmandu")
MODELS = (("acme", "m1"), ("acme", "m2"), ("acme", "m3"), ("zeta", "m1"))
CONTEXTS = ("c1", "c2", "c3")
TASKS = ("t1", "t2")
USERS = ("u", "v")
COMPONENTS = ("x", "y")
TIERS = ("remote_heavyweight", "local_midweight")
TOKEN_LIMITS = (0, 500, 3000, 3000, 10_000, 10_000, 20_000, 50_000)
COST_LIMITS = (0, 10**6, 3 * 10**6, 10**7, 10**7, 3 * 10**7, 10**8)
"""In nanocents."""
PERIODS = ("hourly", "hourly", "daily", "daily", "weekly", "monthly", "per_session", "per_task")

PATIENCE = 26 * HOUR
"""For how long a `later` offer is waited for."""


class Commands:
    """Makes random commands about what the model knows."""

    def __init__(self, model: Model, chance: random.Random) -> None:
        self.model = model
        self.random = chance
        self.budgets: list[str] = []

    def one_of(self, things: Any) -> Any:
        return self.random.choice(list(things))

    def maybe(self, probability: float, things: Any) -> Any:
        """One of these with this probability, else None."""
        return self.one_of(things) if self.happens(probability) else None

    def happens(self, probability: float) -> bool:
        return self.random.random() < probability

    def dollars(self) -> Decimal:
        return Decimal(self.random.randint(0, 10**6)) / NANOCENTS

    def tokens(self) -> int:
        return self.random.choice((1, 7, 50, 100, 333, 1000, 2500))

    def instant(self, *minutes: int) -> str:
        """So many minutes from now."""
        return instants.iso(self.model.now + self.one_of(minutes) * MINUTE)

    # What changes the rules

    def create_policy(self) -> commands.CreatePolicy:
        budget_id = self.maybe(0.75, self.budgets)
        provider, model = self.one_of(MODELS)
        token_limit = self.maybe(0.7, TOKEN_LIMITS)
        has_cost = token_limit is None or self.happens(0.5)
        return commands.CreatePolicy(
            budget_id=budget_id,
            scope="global" if budget_id is None else None,
            type=self.one_of(("hard_limit", "hard_limit", "hard_limit", "warn", "soft_limit", "ignore")),
            period=self.one_of(PERIODS),
            provider=provider if self.happens(0.2) else None,
            model=model if self.happens(0.15) else None,
            component=self.maybe(0.15, COMPONENTS),
            task_type=self.maybe(0.15, ("default", "chat")),
            user_id=self.maybe(0.15, USERS),
            tier=self.maybe(0.15, TIERS),
            token_limit=token_limit,
            cost_limit=self.cost_limit() if has_cost else None,
            thresholds=(Decimal("0.5"),) if self.happens(0.3) else (),
            enabled=self.happens(0.85),
        )

    def cost_limit(self) -> Decimal:
        return Decimal(self.one_of(COST_LIMITS)) / NANOCENTS

    def update_policy(self) -> commands.UpdatePolicy:
        policy = self.one_of(self.model.policies.values())
        stored = policy.stored
        return commands.UpdatePolicy(
            policy_id=policy.id,
            enabled=not stored.enabled if self.happens(0.5) else None,
            token_limit=None if stored.token_limit is None else self.maybe(0.5, TOKEN_LIMITS),
            cost_limit=self.cost_limit() if stored.cost_limit is not None and self.happens(0.5) else None,
            type=self.maybe(0.2, ("hard_limit", "warn", "soft_limit")),
        )

    # What a batch may contain

    def some_for_a_batch(self) -> list[commands.Command]:
        """One command, or now and then many that belong together."""
        if self.happens(0.04):
            return list(self.plain_run())
        if self.happens(0.08):
            return [self.allocate()] * self.random.randint(2, 8)  # many callers want the same at once
        makers = [self.allocate] * 4 + [self.record] * 2
        if self.model.holds:
            makers += [self.start, self.extend, self.increase, self.release]
            makers += [self.draw, self.draw, self.settle, self.settle]
        if any(record.id for record in self.model.records):
            makers += [self.void, self.correct]
        return [self.one_of(makers)()]

    def allocate(self) -> commands.Command:
        tokens = self.tokens()
        given = made = None
        if self.happens(0.4):
            given = self.random.randint(0, tokens)
            made = self.random.randint(0, tokens - given) if self.happens(0.7) else None
        provider, model = self.one_of(MODELS)
        return commands.Allocate(
            budget_id=self.one_of(self.budgets),
            context_id=self.one_of(CONTEXTS),
            task_id=self.maybe(0.5, TASKS),
            component=self.one_of(COMPONENTS),
            provider=provider,
            model=model,
            task_type="chat" if self.happens(0.3) else "default",
            user_id=self.maybe(0.3, USERS),
            tokens_allocated=tokens,
            input_tokens=given,
            max_output_tokens=made,
            min_tokens=self.random.randint(1, tokens) if self.happens(0.2) else None,
            expiration_time=self.instant(5, 20, 70, 240, 600) if self.happens(0.9) else None,
        )

    def hold(self) -> Hold:
        """An active one more often than not."""
        holds = list(self.model.holds.values())
        active = [hold for hold in holds if hold.active]
        found: Hold = self.one_of(active if active and self.happens(0.85) else holds)
        return found

    def start(self) -> commands.Command:
        return commands.Start(allocation_id=self.hold().id)

    def extend(self) -> commands.Command:
        return commands.Extend(allocation_id=self.hold().id, expiration_time=self.instant(3, 30, 300, 1300))

    def increase(self) -> commands.Command:
        return commands.Increase(allocation_id=self.hold().id, tokens=self.tokens())

    def release(self) -> commands.Command:
        return commands.Release(allocation_id=self.hold().id, confirm_unused=self.happens(0.5))

    def usage(self) -> dict[str, Any]:
        given = self.one_of((0, 3, 40, 100, 300, 1000))
        return {
            "input_tokens": given,
            "output_tokens": self.one_of((0, 5, 60, 200, 600)),
            "cache_read_tokens": self.random.randint(0, given) if self.happens(0.3) else 0,
            "cost": self.dollars() if self.happens(0.1) else None,
            "occurred_at": self.when() if self.happens(0.4) else None,
        }

    def when(self) -> str:
        """A little ahead, just before the hour began, or some time ago."""
        if self.happens(0.2):
            return instants.iso(self.model.now - self.model.now % HOUR - SECOND)
        return self.instant(4, 4, -1, -15, -61, -300, -1500, -50_000)

    def draw(self) -> commands.Command:
        return commands.RecordUsage(**self.on_a_hold())

    def settle(self) -> commands.Command:
        return commands.Settle(**self.on_a_hold())

    def on_a_hold(self) -> dict[str, Any]:
        """Usage that differs from its hold in some fields."""
        provider, model = self.one_of(MODELS) if self.happens(0.3) else (None, None)
        return {
            **self.usage(),
            "allocation_id": self.hold().id,
            "provider": provider,
            "model": model,
            "component": self.maybe(0.15, COMPONENTS),
            "user_id": self.maybe(0.15, USERS),
            "context_id": self.maybe(0.15, CONTEXTS),
            "task_id": self.maybe(0.15, TASKS),
        }

    def record(self) -> commands.Command:
        """Usage that draws on its session's hold if there is one."""
        provider, model = self.one_of(MODELS)
        return commands.RecordUsage(
            **self.usage(),
            budget_id=self.one_of(self.budgets),
            context_id=self.one_of(CONTEXTS),
            task_id=self.maybe(0.5, TASKS),
            component=self.one_of(COMPONENTS),
            provider=provider,
            model=model,
            user_id=self.maybe(0.3, USERS),
        )

    def plain_run(self) -> Iterator[commands.Command]:
        """Plain records of one scope, which the ledger books at once."""
        provider, model = self.one_of(MODELS)
        budget_id, component, user_id = self.one_of(self.budgets), self.one_of(COMPONENTS), self.maybe(0.3, USERS)
        contexts = self.one_of((("c9",), ("c8", "c9"), ("c1", "c8", "c9")))
        for _ in range(self.random.randint(14, 40)):
            yield commands.RecordUsage(
                input_tokens=self.one_of((0, 1, 40)),
                output_tokens=self.one_of((0, 2, 30)),
                budget_id=budget_id,
                context_id=self.one_of(contexts),
                component=component,
                provider=provider,
                model=model,
                user_id=user_id,
            )

    def void(self) -> commands.Command:
        return commands.Void(record_id=self.record_id(), reason="because")

    def correct(self) -> commands.Command:
        record_id = self.record_id()
        counts = self.usage() if self.happens(0.4) else {}
        provider, model = self.one_of(MODELS) if self.happens(0.3) else (None, None)
        return commands.Correct(
            record_id=record_id,
            reason="because",
            input_tokens=counts.get("input_tokens") if self.happens(0.8) else None,
            output_tokens=counts.get("output_tokens") if self.happens(0.8) else None,
            cache_read_tokens=counts.get("cache_read_tokens", 0),
            provider=provider,
            model=model,
            component=self.maybe(0.2, COMPONENTS),
            user_id=self.maybe(0.2, USERS),
            context_id=self.maybe(0.2, CONTEXTS),
            task_id=self.maybe(0.1, TASKS),
            occurred_at=self.when() if self.happens(0.2) else None,
            cost=self.dollars() if self.happens(0.15) else None,
        )

    def record_id(self) -> str:
        found: str = self.one_of(record.id for record in self.model.records if record.id)
        return found


class Driver:
    """Does the same to a ledger and to the model, step by step, and compares them."""

    def __init__(self, book: Book, clock: ManualClock, seed: int) -> None:
        self.book = book
        self.clock = clock
        self.model = Model()
        self.random = random.Random(seed)
        self.commands = Commands(self.model, self.random)
        self.sent: list[tuple[commands.Command, str]] = []
        """What was sent under a key."""
        self.claims: dict[tuple[str, str], tuple[commands.Command, Any]] = {}
        """What was accepted under a key of its operation, and the first answer."""
        self.last: Any = None
        """What was done last, for the report of a failure."""

    async def set_up(self) -> None:
        self._move_on(SECOND)
        for name in ("b0", "b1"):
            zone = self.random.choice(ZONES)
            command = commands.CreateBudget(name=name, default_policies=False, time_zone=zone)
            budget = await self._alone(command)
            self.commands.budgets.append(budget.budget_id)
            self.model.zones[budget.budget_id] = zone
        for _ in range(4):
            self._move_on(SECOND)
            await self._change_policy(self.commands.create_policy())
        for model in MODELS[:-1]:
            await self._set_price(model)

    async def step(self) -> None:
        self._move_on(self.random.choice((1, 1, 2, 5, 30, 60, 300, 1200)) * SECOND)
        if self.commands.happens(0.03):
            self._move_on(self.random.choice((3, 9, 25)) * HOUR)
        kind = self.random.random()
        if kind < 0.06:
            await self._change_policy(self.commands.create_policy())
        elif kind < 0.13:
            await self._change_policy(self.commands.update_policy())
        elif kind < 0.16:
            await self._change_zone()
        elif kind < 0.19:
            await self._set_price(self.random.choice(MODELS))
        elif kind < 0.21:
            await self._set_model()
        elif kind < 0.23:
            await self.sweep()
        elif kind < 0.24:
            await self._restart()
        else:
            await self._batch()

    def _move_on(self, microseconds: int) -> None:
        self.clock.time += microseconds
        self.model.now = self.clock.time

    # Changes of the rules, each alone in its batch

    async def _alone(self, command: commands.Command) -> Any:
        """Often just when a hold is due, or an hour begins."""
        due = min((hold.expires_at for hold in self.model.holds.values() if hold.active), default=None)
        if due is not None and due < self.clock.time + 2 * HOUR and self.commands.happens(0.3):
            self._move_on(max(due + SECOND - self.clock.time, 0))
        elif self.commands.happens(0.5):
            self._move_on(-self.clock.time % HOUR)
        self.last = command
        self.model.expire()
        return await self.book.do(command)

    async def _change_policy(self, command: commands.CreatePolicy | commands.UpdatePolicy) -> None:
        try:
            stored = await self._alone(command)
        except Conflict:
            assert isinstance(command, commands.UpdatePolicy), "only an update can take another policy's identity"
            return
        self.model.told_policy(stored, "UTC" if stored.budget_id is None else self.model.zones[stored.budget_id])

    async def _change_zone(self) -> None:
        budget_id, zone = self.random.choice(self.commands.budgets), self.random.choice(ZONES)
        if zone != self.model.zones[budget_id]:
            budget = await self._alone(commands.UpdateBudget(budget_id=budget_id, time_zone=zone))
            self.model.zones[budget_id] = zone
            self.model.told_zone(budget_id, zone, budget.updated_at)

    async def _set_price(self, named: tuple[str, str]) -> None:
        provider, model = named
        rates = self.random.choice((0, 1000, 3000)), self.random.choice((0, 2000, 5000)), self.random.choice((100, 700))
        price = await self._alone(
            commands.SetPrice(
                provider=provider,
                model=model,
                input_cost_per_token=Decimal(rates[0]) / NANOCENTS,
                output_cost_per_token=Decimal(rates[1]) / NANOCENTS,
                cache_read_cost_per_token=Decimal(rates[2]) / NANOCENTS,
            )
        )
        self.model.told_price(provider, model, price.effective_at, rates)

    async def _set_model(self) -> None:
        key, others = self.random.choice(MODELS), tuple(self.random.sample(MODELS, self.random.randint(0, 2)))
        tier = self.random.choice(TIERS)
        await self._alone(commands.SetModel(provider=key[0], model=key[1], tier=tier, equivalents=others))
        self.model.tiers[key] = tier
        self.model.stand_ins[key] = others

    async def sweep(self) -> None:
        """End what is due."""
        self.last = "sweep"
        await self.book.sweep()
        self.model.expire()

    async def _restart(self) -> None:
        self.last = "restart"
        await self.book.restart()
        self.model.expire()
        self.model.price_usage()

    # Batches of commands

    async def _batch(self) -> None:
        batch: list[tuple[commands.Command, str | None]] = []
        for _ in range(self.random.choice((1, 1, 1, 2, 3, 6))):
            if self.sent and self.commands.happens(0.12):
                batch.append(self._repeat())
                continue
            for command in self.commands.some_for_a_batch():
                key = f"k{len(self.sent)}" if self.commands.happens(0.3) else None
                batch.append((command, key))
                if key is not None:
                    self.sent.append((command, key))
                    batch += [(command, key)] * self.commands.happens(0.1)
        command, key = batch[0]
        if len(batch) == 1 and isinstance(command, commands.Allocate) and key is None:
            await self._check(command)
        outcomes = await self._send(*batch)
        error = outcomes[0].error
        if len(batch) == 1 and isinstance(error, BudgetExceeded):
            await self._take_an_offer(command, error.refusal)

    def _repeat(self) -> tuple[commands.Command, str]:
        """What was sent before, now and then under the key of another command."""
        command, key = self.random.choice(self.sent)
        if self.commands.happens(0.1):
            same = [other for other, _ in self.sent if other.operation == command.operation]
            command = self.random.choice(same)
        return command, key

    async def _send(self, *batch: tuple[commands.Command, str | None]) -> list[Outcome]:
        """Submit a batch, and hold each outcome against the model."""
        self.last = batch
        outcomes = await self.book.ledger.submit_many(
            [
                Submission(command, ANONYMOUS, key, None if key is None else commands.fingerprint(command))
                for command, key in batch
            ]
        )
        self.model.expire()
        for (command, key), outcome in zip(batch, outcomes, strict=True):
            claim = (command.operation, key or "")
            if claim in self.claims:
                self._agree_on_repeat(command, outcome, *self.claims[claim])
                continue
            assert not outcome.replayed
            self.model.told(command, outcome.answer, outcome.error)
            if key is not None and outcome.error is None:
                self.claims[claim] = (command, _plain(outcome.answer))
        return outcomes

    @staticmethod
    def _agree_on_repeat(command: commands.Command, outcome: Outcome, first: commands.Command, answer: Any) -> None:
        """The first answer is given again, whatever has happened since; another command may not use its key (P4)."""
        if command == first:
            assert outcome.error is None, outcome.error
            assert outcome.replayed
            assert _plain(outcome.answer) == answer
        else:
            assert isinstance(outcome.error, KeyReused), outcome

    async def _check(self, command: commands.Allocate) -> None:
        verdict = await self.book.ledger.check(command)
        self.model.expire()  # the check counts as if it had been done; the batch that follows does it
        assert verdict.allowed == self.model.fits(command), "the check disagrees"

    # Offers: taken unchanged, they are granted (P10)

    async def _take_an_offer(self, command: commands.Command, refusal: Refusal) -> None:
        if not refusal.offers:
            return
        offer = self.random.choice(refusal.offers)
        again: commands.Command
        if isinstance(command, commands.Increase):
            again = msgspec.structs.replace(command, tokens=offer["request"]["tokens"])
        else:
            again = msgspec.convert(offer["request"], commands.Allocate)
        if offer["kind"] == "later":
            not_before = instants.parse_instant(offer["not_before"], "UTC")
            if not_before > self.clock.time + PATIENCE:
                return
            if not_before - SECOND > self.clock.time:
                self._move_on(not_before - SECOND - self.clock.time)
                (early,) = await self._send((again, None))
                assert isinstance(early.error, BudgetExceeded), "it would have fitted earlier"
            self._move_on(max(not_before - self.clock.time, 0))
        (outcome,) = await self._send((again, None))
        assert outcome.error is None, f"an offer was not granted: {offer}"

    # What must agree

    async def compare(self) -> None:
        """Every hold, record, balance and alert."""
        await self._compare_holds()
        await self._compare_records()
        await self._compare_balances()
        await self._compare_alerts()

    async def compare_everything(self) -> None:
        """What `compare` does, and sums, pages, and the ledger rebuilt from its journal."""
        await self.sweep()
        await self.compare()
        await self._compare_rollups()
        await self._compare_limits()
        found = await self.book.verify()
        assert found.differences == 0, found.examples

    async def _compare_holds(self) -> None:
        rows = await self.book.rows(
            "SELECT allocation_id, state, held_tokens, held_cost, expires_at, records, provisional_record_id FROM holds"
        )
        assert {row[0] for row in rows} == self.model.holds.keys()
        for allocation_id, *amounts, charge in rows:
            hold = self.model.holds[allocation_id]
            assert amounts == [hold.state, hold.tokens, hold.cost, hold.expires_at, hold.records], hold
            if hold.state == "provisional":
                self.model.charge_of(hold).id = charge

    async def _compare_records(self) -> None:
        rows = await self.book.rows(
            "SELECT record_id, status, total_tokens, cost, occurred_at, booked_at, flags, tier, provider, model, "
            "component, task_type, user_id, context_id, task_id, allocation_id FROM usage_records ORDER BY seq"
        )
        expected = [
            (
                *(r.id, r.status, r.tokens, r.cost, r.occurred_at, r.booked_at, r.flags, r.tier, r.provider, r.model),
                *(r.component, r.task_type, r.user_id, r.context_id, r.task_id, r.hold and r.hold.id),
            )
            for r in self.model.records
        ]
        assert [tuple(row) for row in rows] == expected

    async def _compare_balances(self) -> None:
        rows = await self.book.rows(
            "SELECT policy_id, window_key, used_tokens, held_tokens, used_cost, held_cost FROM balances"
        )
        stored = {Place(*row[:2]): tuple(row[2:]) for row in rows if row[0] in self.model.policies}
        for place in stored.keys() | self.model.contents.keys():
            if self.model.policies[place.policy_id].keyed:
                if place in stored:  # a batch may open it though its command was refused
                    self.model.opened_keys.add(place)
                elif place not in self.model.opened_keys:
                    continue
            assert stored.get(place, NOTHING) == self.model.balance(place), place

    async def _compare_alerts(self) -> None:
        """Each crossing was told once, and nothing else was told (P12)."""
        alerts = [alert for alert in await self.book.alerts() if alert.policy_id in self.model.policies]
        raised = [
            Level(
                alert.policy_id or "",
                alert.unit,
                Decimal(alert.limit_value),
                alert.window_key,
                None if alert.threshold == "over_limit" else Decimal(alert.threshold),
            )
            for alert in alerts
        ]
        assert len(raised) == len(set(raised))
        assert self.model.alerts <= set(raised), "an alert is missing"
        assert set(raised) <= self.model.possible_alerts, "an alert was raised without a reason"

    async def _compare_rollups(self) -> None:
        (row,) = await self.book.rows(
            "SELECT SUM(count), SUM(unpriced_count), "
            "SUM(input_count + cache_read_count + output_count + other_count), "
            "SUM(input_cost + cache_read_cost + output_cost + other_cost + requests_cost) "
            "FROM rollups WHERE grain = 'day'"
        )
        current = [record for record in self.model.records if record.status == "current"]
        unpriced = sum(record.unpriced for record in current)
        tokens, cost = sum(record.tokens for record in current), sum(record.cost for record in current)
        assert [amount or 0 for amount in row] == [len(current), unpriced, tokens, cost]

    async def _compare_limits(self) -> None:
        """The page of limits counts as if what is due had ended (rule 4.3)."""
        self._move_on(self.random.choice((0, 400, 4000)) * SECOND)
        page = await limits.list_limits(self.book.ledger, {}, 1, 1000, context_id="c1", task_id="t1")
        self.model.expire()
        rows = [row for row in page.items if row["policy_id"] in self.model.policies]
        for row in rows:
            policy, unit = self.model.policies[row["policy_id"]], row["unit"]
            key = {"per_session": "c:c1", "per_task": "t:t1"}.get(policy.stored.period)
            place = Place(policy.id, key or policy.window_at(self.clock.time))
            shown = [row["used"], row["held"]]
            if unit == "cost":
                shown = [int(amount * NANOCENTS) for amount in shown]
            assert row["window"] == place.window
            assert shown == list(used_and_held(unit, self.model.balance(place))), row
        await self.sweep()


def _plain(answer: Any) -> Any:
    if isinstance(answer, tuple):
        return [_plain(part) for part in answer]
    return msgspec.to_builtins(answer, builtin_types=(Decimal,))
