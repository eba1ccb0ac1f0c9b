"""Many plain records at once: what recording them one by one would write, with the sums added once.

A record is plain when it says only whose it is and its two token counts, stands alone, and is priced in whole
nanocents a token. A run of them for one scope that reaches no level of any policy adds up: the balances and rollups
change by the sums, and entries and records are made in one sweep. Anything else goes through `recording`, which the
tests hold this against. A batch of 10,000 costs a third of what it would otherwise.
"""

from typing import Any

import msgspec

from budget.domain import commands, pricing
from budget.domain.configuration import PostingSet
from budget.domain.policies import Scope
from budget.domain.records import Record
from budget.domain.state import Caller, Entry, Lines, State

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


def book(state: State, scope: Scope, run: list[Plain], caller: Caller) -> list[Record] | None:
    """Record a run of one scope; None, with nothing changed, when it must be recorded one by one."""
    price = state.configuration.price(scope.provider, scope.model, state.now)
    rates = None if price is None else pricing.plain_rates(price)
    if price is None or rates is None:
        return None
    input_rate, output_rate, request_rate = rates
    costs = [(fields[0] * input_rate, fields[1] * output_rate) for fields in run]
    place = state.place(scope, state.now)
    sums: dict[str, list[int]] = {}
    for fields, (input_cost, output_cost) in zip(run, costs, strict=True):
        pair = sums.get(fields[_CONTEXT])
        if pair is None:
            pair = sums[fields[_CONTEXT]] = [0, 0]
        pair[0] += fields[0] + fields[1]
        pair[1] += input_cost + output_cost + request_rate
    if not _add(state, place.posting_set, sums):
        return None
    return _write(state, scope, run, costs, request_rate, price.price_id, caller)


def _add(state: State, posting_set: PostingSet, sums: dict[str, list[int]]) -> bool:
    """Add the sums to the balances, if that reaches no level."""
    shared = state.lines(posting_set, None, None)
    additions = [(shared, sum(pair[0] for pair in sums.values()), sum(pair[1] for pair in sums.values()))]
    if posting_set.keyed:
        for context_id, (tokens, cost) in sums.items():
            own = state.lines(posting_set, context_id, None)
            if own is not shared:
                additions.append((own, tokens, cost))
    if not all(_is_quiet(lines, tokens, cost) for lines, tokens, cost in additions):
        return False
    if not state.fits(additions[0][1] + additions[0][2]):
        return False
    for lines, tokens, cost in additions:
        state.note_change(lines)
        for _, balance in lines.own:
            balance.used_tokens += tokens
            balance.used_cost += cost
    return True


def _is_quiet(lines: Lines, tokens: int, cost: int) -> bool:
    return all(
        balance.used_tokens + tokens < balance.next_tokens
        and balance.used_cost + cost < balance.next_cost
        and balance.used_tokens + balance.held_tokens + tokens <= line.policy.hard_tokens
        and balance.used_cost + balance.held_cost + cost <= line.policy.hard_cost
        for line, balance in lines.own
    )


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
    new_id, seq = state.new_id, state.next_entry
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
    prefix = state.rollup_prefix(place, records[0], _sums(run, costs, request_rate), len(run))
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
