"""Many plain records at once: what recording them one by one would write, with the sums added once.

A record is plain when it says only whose it is and its two token counts, stands alone, and is priced in whole
nanocents a token. A run of them for one scope that reaches no level of any policy adds up: the balances and rollups
change by the sums, and entries and records are made in one sweep. Anything else goes through `recording`, which the
tests hold this against. A batch of 10,000 costs a third of what it would otherwise.
"""

import itertools
from typing import Any

import msgspec

from budget.domain import commands, pricing
from budget.domain.balances import MAX_AMOUNT, Lines
from budget.domain.entries import Caller, Entry
from budget.domain.policies import Scope
from budget.domain.records import Record
from budget.domain.state import State

WORTH_IT = 16
"""Runs shorter than this are recorded one by one."""

Plain = tuple[Any, ...]
"""A plain command's fields: input, output, key, session, then what decides its scope."""

_INPUT, _OUTPUT, _KEY, _CONTEXT, _NAMED = 0, 1, 2, 3, 4
_fields = msgspec.structs.fields(commands.RecordUsage)
_REST = next(at for at, field in enumerate(_fields) if field.name == "allocation_id")
_DEFAULTS = tuple(
    field.default if field.default is not msgspec.NODEFAULT else field.default_factory() for field in _fields[_REST:]
)


def plain(command: commands.Command) -> Plain | None:
    """The fields of a plain record; None for every other command."""
    if type(command) is not commands.RecordUsage:
        return None
    fields = msgspec.structs.astuple(command)
    if fields[_REST:] != _DEFAULTS or fields[_INPUT] is None or fields[_OUTPUT] is None or fields[_CONTEXT] is None:
        return None
    return fields[:_REST]


def scope_of(record: Plain) -> Plain:
    """What decides the scope of a plain record: all but counts, key and session."""
    return record[_NAMED:]


def place_of(record: Plain) -> Plain:
    """What decides where a plain record is posted: its session, and the fields of its scope."""
    return record[_CONTEXT:]


def session_of(record: Plain) -> str:
    """The session of a plain record."""
    context_id: str = record[_CONTEXT]
    return context_id


def book(state: State, scope: Scope, run: list[Plain], start: int, caller: Caller) -> list[Record] | None:
    """Record what goes at once of a run, from `start` to before the record that reaches a level (maybe nothing).

    None, when nothing of it can ever go at once.
    """
    price = state.configuration.price(scope.provider, scope.model, state.now)
    rates = None if price is None else pricing.plain_rates(price)
    if price is None or rates is None:
        return None
    posting_set = state.place(scope, state.now).posting_set
    shared = state.lines(posting_set, None, None)
    whole = _Sum(shared)
    sessions: dict[str, _Sum] = {}
    costs: list[tuple[int, int]] = []
    for fields in itertools.islice(run, start, None):
        given, made = fields[_INPUT] * rates[0], fields[_OUTPUT] * rates[1]
        tokens, cost = fields[_INPUT] + fields[_OUTPUT], given + made + rates[2]
        if whole.tokens + tokens > whole.token_room or whole.cost + cost > whole.cost_room:
            break
        if posting_set.keyed:
            own = sessions.get(fields[_CONTEXT])
            if own is None:
                own = sessions[fields[_CONTEXT]] = _Sum(state.lines(posting_set, fields[_CONTEXT], None))
            if own.tokens + tokens > own.token_room or own.cost + cost > own.cost_room:
                break
            own.tokens += tokens
            own.cost += cost
        whole.tokens += tokens
        whole.cost += cost
        costs.append((given, made))
    if not costs or not state.fits(whole.tokens + whole.cost):
        return []
    whole.add_to(state)
    for own in sessions.values():
        if own.lines is not shared:
            own.add_to(state)
    return _write(state, scope, run[start : start + len(costs)], costs, rates[2], price.price_id, caller)


class _Sum:
    """What a run adds to some balances, and how much it may add before something must be said of it."""

    __slots__ = ("cost", "cost_room", "lines", "token_room", "tokens")

    def __init__(self, lines: Lines) -> None:
        self.lines = lines
        self.tokens = self.cost = 0
        self.token_room = self.cost_room = MAX_AMOUNT
        for line, balance in lines.own:
            used, cost, policy = balance.used_tokens, balance.used_cost, line.policy
            left = policy.hard_tokens - used - balance.held_tokens
            self.token_room = min(self.token_room, balance.next_tokens - used - 1, left)
            left = policy.hard_cost - cost - balance.held_cost
            self.cost_room = min(self.cost_room, balance.next_cost - cost - 1, left)

    def add_to(self, state: State) -> None:
        """Change the balances."""
        state.note_change(self.lines)
        for _, balance in self.lines.own:
            balance.used_tokens += self.tokens
            balance.used_cost += self.cost


def _write(
    state: State,
    scope: Scope,
    run: list[Plain],
    costs: list[tuple[int, int]],
    request_rate: int,
    price_id: str,
    caller: Caller,
) -> list[Record]:
    place, now, name = state.place(scope, state.now), state.now, caller.name
    hour, day, set_id = place.hour_start, place.day_start, place.posting_set.set_id
    budget_id, tier, provider, model, component, task_type, user_id, key_id = scope
    new_id, seq = state.new_id, state.next_seq
    records = []
    for at, ((given, made, key, context_id, *_), (input_cost, output_cost)) in enumerate(
        zip(run, costs, strict=True), seq
    ):
        parts = _parts_text(given, made, input_cost, output_cost, request_rate)
        records.append(
            Record(
                at, new_id(), None, budget_id, context_id, None, component, provider, model, tier, task_type, user_id,
                key_id, given, made, given + made, input_cost + output_cost + request_rate, parts, price_id, 0, now,
                now, now, hour, day, key,
            )
        )  # fmt: skip
    prefix = state.rollups.add_many(place, records[0], _sums(run, costs, request_rate), len(run))
    state.entries += [
        Entry(
            seq=record.seq,
            at=now,
            kind="used",
            caller=name,
            subject=record.record_id,
            context_id=record.context_id,
            postings=f"[[{set_id},{record.total_tokens},0,{record.cost},0]]",
            rollups=f"[{prefix}[1,0,0,0,0,0,0],{record.parts}]]",
        )
        for record in records
    ]
    state.new_records += records
    return records


def _parts_text(given: int, made: int, input_cost: int, output_cost: int, request_cost: int) -> str:
    if given and made:
        return f'{{"input":[{given},{input_cost}],"output":[{made},{output_cost}],"requests":[1,{request_cost}]}}'
    parts = f'"input":[{given},{input_cost}],' if given else ""
    if made:
        parts += f'"output":[{made},{output_cost}],'
    return f'{{{parts}"requests":[1,{request_cost}]}}'


def _sums(run: list[Plain], costs: list[tuple[int, int]], request_rate: int) -> dict[str, list[int]]:
    sums = {
        "input": [sum(fields[_INPUT] for fields in run), sum(cost for cost, _ in costs)],
        "output": [sum(fields[_OUTPUT] for fields in run), sum(cost for _, cost in costs)],
        "requests": [len(run), request_rate * len(run)],
    }
    return {part: pair for part, pair in sums.items() if pair[0]}
