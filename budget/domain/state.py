"""The ledger as one batch sees it: what was loaded, changed by `decide` functions, then saved as a whole.

A decide function checks first and changes after, so a command that is refused leaves nothing behind. (Pricing what had
no price goes record by record; what was priced before one that cannot be stays priced.)
"""

from collections.abc import Iterable
from typing import Any

from budget.domain import periods, policies
from budget.domain.balances import MAX_AMOUNT, Balance, BalanceKey, Crossing, Lines, Posting, check_amounts
from budget.domain.configuration import Configuration, Line, PostingSet, number_of
from budget.domain.entries import Caller, Entry, encode
from budget.domain.ids import Ids
from budget.domain.keys import Guarded
from budget.domain.notifications import Reachable
from budget.domain.policies import Policy, Scope
from budget.domain.records import OVER_LIMIT, Alert, Hold, Record
from budget.domain.rollups import Rollup, Rollups


class Place:
    """Where usage of one scope is booked during a stretch of time: its posting set, and its rollup buckets."""

    __slots__ = ("blank", "day_start", "end", "hour_start", "lines", "posting_set", "rollup", "start", "touched")

    def __init__(self, posting_set: PostingSet, start: int, end: int, hour_start: int, day_start: int) -> None:
        self.posting_set = posting_set
        self.start = start
        self.end = end
        self.hour_start = hour_start
        self.day_start = day_start
        self.lines: dict[tuple[str | None, str | None], Lines] = {}
        self.rollup: Rollup | None = None
        """Where a record without tags is summed."""
        self.blank: Record | None = None
        """A record of this place with nothing used yet; to copy it is five times faster than to make one."""
        self.touched: set[tuple[str | None, str | None]] = set()
        """The sessions and tasks whose balances are being loaded."""


class State:
    """What a batch works on. `now` is one instant for the whole batch, in µs."""

    def __init__(self, configuration: Configuration, now: int, head_seq: int, ids: Ids) -> None:
        self.configuration = configuration
        self.now = now
        self._ids = ids
        self.head_seq = head_seq
        self.balances: dict[BalanceKey, Balance] = {}
        self.holds: dict[str, Hold] = {}
        self.holds_by_context: dict[str, list[Hold]] = {}
        self.records: dict[str, Record] = {}
        self.alerts: dict[str, Alert] = {}
        self.new_alerts: list[Alert] = []
        self.entries: list[Entry] = []
        self.new_records: list[Record] = []
        self.changed_records: dict[str, Record] = {}
        self.new_holds: dict[str, Hold] = {}
        self.changed_holds: dict[str, Hold] = {}
        self.posting_sets: dict[int, str] = {}
        self.rollups = Rollups(configuration.rules.report_tags)
        self.crossings: list[Crossing] = []
        self.new_budgets: dict[str, Any] = {}
        self.new_policies: dict[str, Policy] = {}
        self.new_prices: list[Any] = []
        self.new_models: list[Any] = []
        self.new_keys: list[Guarded] = []
        self.new_receivers: list[Reachable] = []
        self.facts: dict[str, Any] = {}
        """What storage was asked for a command that runs alone."""
        self._lines: dict[tuple[int, str | None, str | None], Lines] = {}
        self._places: dict[Scope, Place] = {}
        self.identities: dict[tuple[int, str], Any] = {}
        """Whose usage a command of this batch is, as it was found while loading; by the command's `id` and caller."""
        self.plain: dict[int, tuple[Any, ...]] = {}
        """The commands of this batch that are plain records (see `bulk`), by the command's `id`."""
        self.plain_places: set[Any] = set()
        """Where plain records are posted, each loaded once."""
        self.plans: dict[tuple[int, str], Any] = {}
        """What an allocation request of this batch means, as it was worked out while loading; likewise."""
        self.scopes: dict[tuple[str | None, ...], Scope] = {}
        """The scopes that usage requests came to, by the fields they named."""
        self._headroom = -1
        """How much any balance may still grow before its exact amount must be looked at; -1: not known."""

    def new_id(self) -> str:
        """An id that sorts by time."""
        return self._ids.new(self.now)

    # Balances

    def lines(self, posting_set: PostingSet, context_id: str | None, task_id: str | None) -> Lines:
        """The balances that a posting changes."""
        key = (posting_set.set_id, context_id, task_id)
        found = self._lines.get(key)
        if found is None:
            found = self._lines[key] = self._find_lines(posting_set, context_id, task_id)
        return found

    def _find_lines(self, posting_set: PostingSet, context_id: str | None, task_id: str | None) -> Lines:
        if context_id is None and task_id is None:
            windows = [(line, line.window_key) for line in posting_set.clock]
            shared = None
        else:
            windows = list(posting_set.keyed_keys(context_id, task_id))
            shared = self.lines(posting_set, None, None)
            if not windows:
                return shared
        own = [(line, self.balances[line.policy.policy_id, window]) for line, window in windows]
        return Lines(posting_set, own, shared)

    def place(self, scope: Scope, booked_at: int) -> Place:
        """Where usage that is recorded now is booked."""
        known = self._places.get(scope)
        if known is not None and known.start <= booked_at < known.end:
            return known
        posting_set = self.configuration.posting_set(scope, booked_at, self.now)
        zone = self.configuration.zone_of(scope.budget_id)
        day, hour = periods.window_at("daily", zone, booked_at), periods.window_at("hourly", zone, booked_at)
        start, end = self.configuration.span(scope, booked_at)
        known = Place(posting_set, max(start, hour.start), min(end, hour.end), hour.start, day.start)
        self._places[scope] = known
        return known

    def place_lines(self, place: Place, context_id: str | None, task_id: str | None) -> Lines:
        """The balances of a place, for a session and a task."""
        if not place.posting_set.keyed:
            context_id = task_id = None
        found = place.lines.get((context_id, task_id))
        if found is None:
            found = place.lines[context_id, task_id] = self.lines(place.posting_set, context_id, task_id)
        return found

    def post_usage(self, lines: Lines, tokens: int, cost: int) -> tuple[str, int]:
        """`post` for the most frequent case: usage that stands alone."""
        if tokens < 0 or cost < 0 or not self.fits(tokens + cost):
            return self.post([(lines, tokens, 0, cost, 0)])
        if not lines.changed:
            self.note_change(lines)
        for line, balance in lines.balances:
            balance.used_tokens += tokens
            balance.used_cost += cost
            if balance.used_tokens >= balance.next_tokens:
                self._cross(line, balance, "tokens", balance.used_tokens - tokens)
            if balance.used_cost >= balance.next_cost:
                self._cross(line, balance, "cost", balance.used_cost - cost)
        over = 0
        if lines.hard:
            before = {
                id(balance): (
                    balance.used_tokens + balance.held_tokens - tokens,
                    balance.used_cost + balance.held_cost - cost,
                )
                for _, balance in lines.hard
            }
            over = self._over_limits(lines, before)
        return f"[[{lines.posting_set.set_id},{tokens},0,{cost},0]]", over

    def post(
        self, postings: Iterable[Posting], context_id: str | None = None, task_id: str | None = None
    ) -> tuple[str, int]:
        """Change the balances. Gives the postings as the entry keeps them, and OVER_LIMIT when usage passed a limit.

        `context_id` and `task_id` are the entry's own, where its postings may be of other sessions or tasks.
        Raises `Invalid` before anything is changed when an amount would leave 64 bits (rule 8.4).
        """
        postings = list(postings)
        if not self.fits(sum(abs(delta) for posting in postings for delta in posting[1:])):
            check_amounts(postings)
        before = {
            id(balance): (balance.used_tokens + balance.held_tokens, balance.used_cost + balance.held_cost)
            for lines, *_ in postings
            for _, balance in lines.hard
        }
        growing = [posting[0] for posting in postings if posting[1] > 0 or posting[3] > 0]
        used = {id(b): (b.used_tokens, b.used_cost) for lines in growing for _, b in lines.balances}
        texts = []
        for lines, used_tokens, held_tokens, used_cost, held_cost in postings:
            self.note_change(lines)
            number = lines.posting_set.set_id
            if len(postings) > 1 and not lines.are_those_of(context_id, task_id):
                number = self._number_of_own(lines)
            texts.append(f"[{number},{used_tokens},{held_tokens},{used_cost},{held_cost}]")
            for _, balance in lines.balances:
                balance.held_tokens += held_tokens
                balance.held_cost += held_cost
                balance.used_tokens += used_tokens
                balance.used_cost += used_cost
        self._cross_levels(growing, used)  # only now: what one of the postings adds, another may take away again
        over = 0
        for lines, used_tokens, _, used_cost, _ in postings:
            if lines.hard and (used_tokens > 0 or used_cost > 0):
                over |= self._over_limits(lines, before)
        return f"[{','.join(texts)}]", over

    def _number_of_own(self, lines: Lines) -> int:
        """The set of these lines with their session and task spelt out: the entry's own ids are others."""
        content = encode(
            [(line.policy.policy_id, line.policy.version, balance.window_key) for line, balance in lines.balances]
        )
        number = number_of(content)
        self.posting_sets[number] = content.decode()
        return number

    def fits(self, growth: int) -> bool:
        """Whether no balance can leave 64 bits by growing so much; a cheap bound, exact checks follow when it fails."""
        if self._headroom < 0:
            largest = max((max(map(abs, balance.amounts)) for balance in self.balances.values()), default=0)
            self._headroom = max(MAX_AMOUNT - largest, 0)
        if growth > self._headroom:
            return False
        self._headroom -= growth
        return True

    def note_change(self, lines: Lines) -> None:
        """Remember that the balances of these lines must be saved."""
        if not lines.changed:
            lines.changed = True
            self.posting_sets[lines.posting_set.set_id] = lines.posting_set.content
            if lines.shared is not None:
                self.note_change(lines.shared)
            for _, balance in lines.own:
                balance.changed = True

    def _cross_levels(self, growing: Iterable[Lines], used: dict[int, tuple[int, int]]) -> None:
        for lines in growing:
            for line, balance in lines.balances:
                tokens_before, cost_before = used[id(balance)]
                if balance.used_tokens >= balance.next_tokens:
                    self._cross(line, balance, "tokens", tokens_before)
                if balance.used_cost >= balance.next_cost:
                    self._cross(line, balance, "cost", cost_before)

    def _cross(self, line: Line, balance: Balance, unit: str, before: int) -> None:
        policy = line.policy
        levels = policy.token_thresholds if unit == "tokens" else policy.cost_thresholds
        after = balance.used_tokens if unit == "tokens" else balance.used_cost
        for level in policies.crossed(levels, before, after):
            self.crossings.append(Crossing(policy, balance.window_key, unit, level, after))
        if unit == "tokens":
            balance.next_tokens = policies.next_level(levels, after)
        else:
            balance.next_cost = policies.next_level(levels, after)

    def _over_limits(self, lines: Lines, before: dict[int, tuple[int, int]]) -> int:
        """OVER_LIMIT when this posting took used + held past a hard limit, or further past it (rule 5)."""
        over = 0
        for line, balance in lines.hard:
            policy = line.policy
            tokens_before, cost_before = before[id(balance)]
            tokens = balance.used_tokens + balance.held_tokens
            cost = balance.used_cost + balance.held_cost
            for unit, amount, limit, used, was in (
                ("tokens", tokens, policy.hard_tokens, balance.used_tokens, tokens_before),
                ("cost", cost, policy.hard_cost, balance.used_cost, cost_before),
            ):
                if amount > limit and amount > was:
                    over = OVER_LIMIT
                    if used < limit:  # at or past it, the level 1.0 says so already
                        self.crossings.append(Crossing(policy, balance.window_key, unit, None, amount))
        return over

    # The journal

    def note(
        self,
        kind: str,
        subject: str,
        caller: Caller,
        *,
        of: Hold | Record | None = None,
        postings: str = "[]",
        rollups: str = "[]",
        flags: int = 0,
        **data: Any,
    ) -> None:
        """Write an entry about `subject`; its session and task are those of the hold or record that it is about.

        Where it was asked from stands with what it says (`from`); plain usage, which says nothing more, goes without.
        """
        if caller.address is not None:
            data["from"] = caller.address
        self.write(
            Entry(
                seq=0,
                at=self.now,
                kind=kind,
                caller=caller.name,
                subject=subject,
                context_id=None if of is None else of.context_id,
                task_id=None if of is None else of.task_id,
                postings=postings,
                rollups=rollups,
                flags=flags,
                data=encode(data).decode() if data else None,
            )
        )

    def write(self, entry: Entry) -> Entry:
        """Append to the batch's part of the journal."""
        entry.seq = self.next_seq
        self.entries.append(entry)
        return entry

    @property
    def next_seq(self) -> int:
        """The number that the next entry will have, unless another replica writes first."""
        return self.head_seq + 1 + len(self.entries)

    @property
    def next_entry(self) -> int:
        """The place in the batch that the next entry will take."""
        return len(self.entries)

    @property
    def as_of_seq(self) -> int:
        """The number of the last entry so far; on replicas a lower bound until the batch is numbered."""
        return self.head_seq + len(self.entries)

    def buckets(self, budget_id: str, at: int) -> tuple[int, int]:
        """The hour and the day, in the budget's zone, in which something booked at `at` is summed."""
        day, hour = periods.day_and_hour_buckets(self.configuration.zone_of(budget_id), at)
        return hour, day

    # Holds and records

    def find_context_hold(self, context_id: str, budget_id: str, component: str) -> Hold | None:
        """The newest active hold of a context, for the same budget and component (rule 4.2)."""
        holds = [
            hold
            for hold in self.holds_by_context.get(context_id, ())
            if hold.is_active
            and hold.expires_at > self.now  # what is due ends before anything is decided
            and hold.budget_id == budget_id
            and hold.component == component
        ]
        return max(holds, key=lambda hold: (hold.created_at, hold.allocation_id), default=None)

    def add_hold(self, hold: Hold) -> None:
        """A hold that this batch made."""
        self.holds[hold.allocation_id] = hold
        self.holds_by_context.setdefault(hold.context_id, []).append(hold)
        self.new_holds[hold.allocation_id] = hold

    def hold_changed(self, hold: Hold) -> None:
        """A hold whose row must be written again."""
        hold.updated_at = self.now
        if hold.allocation_id not in self.new_holds:
            self.changed_holds[hold.allocation_id] = hold

    def add_record(self, record: Record) -> None:
        """A record that this batch booked."""
        self.records[record.record_id] = record
        self.new_records.append(record)

    def record_changed(self, record: Record) -> None:
        """A record whose row must be written again."""
        self.changed_records[record.record_id] = record

    def hold_lines(self, hold: Hold) -> Lines:
        """Every balance that contains a hold."""
        posting_set = self.configuration.posting_set(hold.scope, hold.created_at, hold.created_at)
        return self.lines(posting_set, hold.context_id, hold.task_id)

    def record_lines(self, record: Record) -> Lines:
        """Every balance that contains a record."""
        posting_set = self.configuration.posting_set(record.scope, record.booked_at, record.recorded_at)
        return self.lines(posting_set, record.context_id, record.task_id)
