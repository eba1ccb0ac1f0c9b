"""What a batch decides by: budgets, policies, prices and models as of one version, with their look-ups remembered.

Immutable but for its memories, which are bounded and hold only what the same version would compute again.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any, NamedTuple

import msgspec

from budget.domain import models, periods, pricing
from budget.domain.budgets import Budget
from budget.domain.errors import Invalid, NotFound
from budget.domain.keys import Guarded, by_prefix
from budget.domain.notifications import Reachable
from budget.domain.policies import Policy, Scope

FOREVER = 1 << 62
_MEMORY = 20_000

CONTEXT_WINDOW = "@context"
TASK_WINDOW = "@task"

GENERATED = "generated-"
"""How a `context_id` begins that was made up for a caller who gave none: it counts as absent (rule 2.6)."""


def generated(key: str) -> str:
    """A `context_id` for a caller who gave none, the same for the same idempotency key."""
    return GENERATED + hashlib.blake2b(key.encode(), digest_size=16).hexdigest()


class Rules(msgspec.Struct, frozen=True, kw_only=True):
    """The settings that decisions depend on."""

    time_zone: str = "UTC"
    unpriced: str = "refuse"
    unpriced_input_cost_per_token: Decimal | None = None
    unpriced_output_cost_per_token: Decimal | None = None
    report_tags: tuple[str, ...] = ()


class Line(NamedTuple):
    """One policy and one of its windows."""

    policy: Policy
    window_key: str
    start: int
    end: int


class PostingSet(NamedTuple):
    """The policies and windows that one posting changes, under a number that names just this list."""

    set_id: int
    lines: tuple[Line, ...]
    keyed: tuple[Line, ...]
    """Those whose window is a session or a task; they stand last."""
    content: str
    """JSON: [[policy id, version, window key], …]; a session or task window stands for the entry's own id."""

    def keys(self, context_id: str | None, task_id: str | None) -> Iterable[tuple[Line, str]]:
        """Each line with the window key of its balance; keyed lines drop out where there is no id."""
        for line in self.clock:
            yield line, line.window_key
        yield from self.keyed_keys(context_id, task_id)

    @property
    def clock(self) -> tuple[Line, ...]:
        """The lines whose window is a stretch of time."""
        return self.lines[: len(self.lines) - len(self.keyed)]

    def keyed_keys(self, context_id: str | None, task_id: str | None) -> Iterable[tuple[Line, str]]:
        """The keyed lines alone, as `keys` gives them."""
        for line in self.keyed:
            if line.window_key == CONTEXT_WINDOW:
                if context_id is not None and not context_id.startswith(GENERATED):
                    yield line, "c:" + context_id
            elif task_id is not None:
                yield line, "t:" + task_id


class Configuration:
    """One version of everything that changes rarely."""

    def __init__(  # noqa: PLR0913 -- one argument for each kind of thing that is in it, by name
        self,
        *,
        version: int,
        budgets: Iterable[Budget],
        policies: Iterable[Policy],
        prices: Mapping[tuple[str, str], Sequence[pricing.Price]],
        table: Mapping[tuple[str, str], models.Model],
        alias: models.Alias,
        rules: Rules,
        keys: Iterable[Guarded] = (),
        receivers: Iterable[Reachable] = (),
    ) -> None:
        self.version = version
        self.budgets = {budget.budget_id: budget for budget in budgets}
        self.policies = {policy.policy_id: policy for policy in policies}
        self.prices = prices
        self.table = table
        self.alias = alias
        self.rules = rules
        self.keys = {guarded.key.key_id: guarded for guarded in keys}
        self.keys_by_prefix = by_prefix(self.keys.values())
        self.receivers = {reachable.receiver.receiver_id: reachable for reachable in receivers}
        self.default_budget = next((b for b in self.budgets.values() if b.is_default), None)
        self._budget_of_component = {
            component: budget.budget_id
            for budget in sorted(self.budgets.values(), key=lambda b: b.created_at, reverse=True)
            for component in budget.components
        }
        self.worst_price = _worst_price(rules)
        self._matching: dict[Scope, tuple[Policy, ...]] = {}
        self._sets: dict[Scope, list[tuple[int, int, int, PostingSet]]] = {}
        self._price_memory: dict[tuple[str, str], tuple[int, int, pricing.Price | None]] = {}
        self._tiers: dict[tuple[Any, ...], str] = {}

    # Budgets

    def budget_of(self, asked: str | None, key_budget: str | None, component: str) -> Budget:
        """The one budget of a request (rule 1.1); `NotFound` for an unknown id."""
        budget_id = asked or key_budget or self._budget_of_component.get(component)
        if budget_id is None:
            if self.default_budget is None:
                raise NotFound("there is no default budget")
            return self.default_budget
        budget = self.budgets.get(budget_id)
        if budget is None:
            raise NotFound(f"there is no budget {budget_id!r}", field="budget_id")
        return budget

    def zone_of(self, budget_id: str | None) -> str:
        """The zone in which a budget's windows and reports lie; None stands for global policies."""
        return self.rules.time_zone if budget_id is None else self.budgets[budget_id].time_zone

    # Models and prices

    def tier_of(self, component: str, provider: str | None, model: str | None, asked: str | None) -> str:
        """See `models.tier_of`; remembered."""
        key = (component, provider, model, asked)
        tier = self._tiers.get(key)
        if tier is None:
            tier = models.tier_of(
                self.table, self.alias, component=component, provider=provider, model=model, asked=asked
            )
            _remember(self._tiers, key, tier)
        return tier

    def price(self, provider: str | None, model: str | None, at: int) -> pricing.Price | None:
        """The price of a model at an instant: its own, else the catalogue's name for it, else its provider's."""
        if provider is None or model is None:
            return None
        key = (provider, model)
        known = self._price_memory.get(key)
        if known is not None and known[0] <= at < known[1]:
            return known[2]
        found, start, end = self._price_at(provider, model, at)
        _remember(self._price_memory, key, (start, end, found))
        return found

    def _price_at(self, provider: str, model: str, at: int) -> tuple[pricing.Price | None, int, int]:
        lists = self.price_lists(provider, model)
        edges = {price.effective_at for prices in lists for price in prices}
        edges |= {price.end_at for prices in lists for price in prices if price.end_at is not None}
        start = max((edge for edge in edges if edge <= at), default=-FOREVER)
        end = min((edge for edge in edges if edge > at), default=FOREVER)
        for prices in lists:
            if found := pricing.price_at(prices, at):
                return found, start, end
        return None, start, end

    def price_lists(self, provider: str, model: str) -> list[Sequence[pricing.Price]]:
        """The versions that may price a model, most specific first."""
        keys = [(provider, model.lower())]
        if (canonical := self.alias(provider, model)) is not None:
            keys.append((canonical[0], canonical[1].lower()))
        keys.append((provider, models.ANY))
        return [self.prices[key] for key in dict.fromkeys(keys) if key in self.prices]

    # Policies

    def matching(self, scope: Scope) -> tuple[Policy, ...]:
        """The enabled policies that a usage meets."""
        found = self._matching.get(scope)
        if found is None:
            order = {period: index for index, period in enumerate(periods.PERIODS)}
            found = tuple(
                sorted(
                    (p for p in self.policies.values() if p.enabled and p.matches(scope)),
                    key=lambda p: (order[p.period], p.policy_id),
                )
            )
            _remember(self._matching, scope, found)
        return found

    def posting_set(self, scope: Scope, booked_at: int, created_at: int) -> PostingSet:
        """Every enabled policy and window that contains what was booked at `booked_at` and created at `created_at`.

        A window contains it when the policy's zone was in force at its creation or later, and the window had
        not ended when the policy began to count (rules 2.5, 4.6). This one function says where usage is posted
        and where it is undone.
        """
        known = self._sets.get(scope)
        if known is not None:
            for start, end, opened, posting_set in known:
                if start <= booked_at < end and created_at >= opened:
                    return posting_set
        posting_set = _numbered(tuple(self._lines(scope, booked_at, created_at)))
        policies = self.matching(scope)
        opened = max((policy.openings[-1].at for policy in policies), default=-FOREVER)
        if created_at >= opened:
            start, end = self.span(scope, booked_at)
            if known is None:
                known = []
                _remember(self._sets, scope, known)
            known.insert(0, (start, end, opened, posting_set))
            del known[8:]
        return posting_set

    def span(self, scope: Scope, booked_at: int) -> tuple[int, int]:
        """The stretch of time around `booked_at` in which every policy that matches keeps its window."""
        windows = [_live_window(policy, booked_at) for policy in self.matching(scope) if not policy.keyed]
        start = max((window.start for window in windows), default=-FOREVER)
        return start, min((window.end for window in windows), default=FOREVER)

    def _lines(self, scope: Scope, booked_at: int, created_at: int) -> Iterable[Line]:
        for policy in self.matching(scope):
            if policy.keyed:
                key = CONTEXT_WINDOW if policy.period == "per_session" else TASK_WINDOW
                yield Line(policy, key, 0, FOREVER)
                continue
            seen = set()
            for opening in openings_for(policy, created_at):
                window = periods.window_at(policy.period, opening.time_zone, booked_at)
                if window.end > opening.at and window.key not in seen:
                    seen.add(window.key)
                    yield Line(policy, window.key, window.start, window.end)


def openings_for(policy: Policy, created_at: int) -> Sequence[Any]:
    """The openings of a policy that hold something created then: the one in force, and every later one."""
    live = 0
    for index, opening in enumerate(policy.openings):
        if opening.at <= created_at:
            closed = opening.closed_at is not None and opening.closed_at <= created_at
            live = index + 1 if closed else index
    return policy.openings[live:]


def _live_window(policy: Policy, at: int) -> periods.Window:
    return periods.window_at(policy.period, policy.openings[-1].time_zone, at)


def _numbered(lines: tuple[Line, ...]) -> PostingSet:
    content = msgspec.json.encode([(line.policy.policy_id, line.policy.version, line.window_key) for line in lines])
    keyed = tuple(line for line in lines if line.policy.keyed)
    return PostingSet(number_of(content), lines, keyed, content.decode())


def number_of(content: bytes) -> int:
    """A number that names a content: 63 bits of its hash, the same in every process."""
    return int.from_bytes(hashlib.blake2b(content, digest_size=8).digest()) >> 1


def _worst_price(rules: Rules) -> pricing.Price | None:
    if rules.unpriced != "hold":
        return None
    if rules.unpriced_input_cost_per_token is None or rules.unpriced_output_cost_per_token is None:
        raise Invalid("BUDGET_UNPRICED", "hold needs both worst prices")
    return pricing.Price(
        price_id="unpriced",
        provider=models.ANY,
        model=models.ANY,
        rates={"input": rules.unpriced_input_cost_per_token, "output": rules.unpriced_output_cost_per_token},
        context_tiers=(),
        effective_at=0,
        end_at=None,
        rank=0,
        source="setting",
        source_url=None,
        version="BUDGET_UNPRICED",
        created_at=0,
        metadata={},
    )


def _remember(memory: dict[Any, Any], key: Any, value: Any) -> None:
    if len(memory) >= _MEMORY:
        memory.clear()
    memory[key] = value
