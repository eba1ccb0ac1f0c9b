"""What the ledger has stored, held against the model: every hold, record, balance and alert."""

from decimal import Decimal
from typing import Any

import msgspec

from budget.domain.records import ESTIMATED, LATE, OVER_LIMIT, PROVISIONAL, UNPRICED
from budget.engine import limits
from budget.simulator.counts import NANOCENTS
from budget.simulator.model import Model
from budget.simulator.promises import Broken, agree, hold_to
from budget.simulator.things import NOTHING, Level, Place, Record, used_and_held
from budget.simulator.world import World
from budget.storage.inspection import Row, Snapshot


def compare(model: Model, stored: Snapshot) -> None:
    """Raise `Broken` where a row is not what it should be."""
    _holds(model, stored.holds)
    _records(model, stored.records)
    _balances(model, stored.balances)
    _alerts(model, stored.alerts)


def _holds(model: Model, rows: list[Row]) -> None:
    agree("P4", "the holds that exist", sorted(model.holds), [row[0] for row in rows])
    for allocation_id, state, tokens, cost, expires_at, records, charge in rows:
        hold = model.holds[allocation_id]
        name = f"hold {hold.label}"
        agree("P9", f"the state of {name}", hold.state, state)
        agree("P9", f"the tokens held by {name}", hold.tokens, tokens)
        agree("P5", f"the money held by {name}", hold.cost, cost)
        agree("P9", f"when {name} ends", hold.expires_at, expires_at)
        agree("P4", f"the records drawn on {name}", hold.records, records)
        if hold.state == "provisional":
            model.charge_of(hold).id = charge


def _records(model: Model, rows: list[Row]) -> None:
    agree("P4", "the records that exist", [record.id for record in model.records], [row[0] for row in rows])
    for record, (*row, parts) in zip(model.records, rows, strict=True):
        split: dict[str, list[int]] = msgspec.json.decode(parts)
        counted = {part: count for part, (count, _) in split.items() if count and part != "requests"}
        costs = sum(money for _, money in split.values())
        found = (*row, counted, costs)
        if found != _row_of(record):
            _tell_what_differs(record, found)


def _row_of(record: Record) -> Row:
    r = record
    scope = (r.tier, r.provider, r.model, r.component, r.task_type, r.user_id, r.key_id, r.context_id, r.task_id)
    booked = (r.id, r.status, r.tokens, r.cost, r.occurred_at, r.booked_at, r.flags)
    return (*booked, *scope, r.hold and r.hold.id, r.counts.parts, r.cost)


_FLAGS = (("P6", UNPRICED), ("P2", OVER_LIMIT), ("P9", PROVISIONAL), ("P6", ESTIMATED), ("P9", LATE))


def _tell_what_differs(record: Record, found: Row) -> None:
    name, row = f"of record {record.label}", _row_of(record)
    for promise, flag in _FLAGS:
        agree(promise, f"flag {flag} {name}", bool(row[6] & flag), bool(found[6] & flag))
    for promise, what, index in (
        ("P8", "the status", 1),
        ("P7", "the tokens", 2),
        ("P7", "the parts", -2),
        ("P5", "the cost", 3),
        ("P5", "the sum of the costs of the parts", -1),
        ("P8", "when it happened, the usage", 4),
        ("P11", "when it is booked, the usage", 5),
    ):
        agree(promise, f"{what} {name}", row[index], found[index])
    agree("P8", f"the fields {name}", row, found)


def _balances(model: Model, rows: list[Row]) -> None:
    stored = {Place(row[0], row[1]): row[2:] for row in rows if row[0] in model.policies}
    model.told_keyed({place for place in stored if model.policies[place.policy_id].keyed})
    for place in sorted(stored.keys() | model.contents.keys()):
        policy = model.policies[place.policy_id]
        if policy.keyed and place not in stored:
            continue
        expected, found = model.balance(place), tuple(map(int, stored.get(place, NOTHING)))
        if expected != found:
            promise = "P1" if policy.cuts(place.window) else "P11"
            raise Broken(promise, f"the balance of policy {policy.label} in window {place.window}", expected, found)


def _alerts(model: Model, rows: list[Row]) -> None:
    raised = [
        Level(policy_id, unit, Decimal(limit), window, None if threshold == "over_limit" else Decimal(threshold))
        for policy_id, unit, limit, window, threshold in rows
        if policy_id in model.policies
    ]
    agree("P12", "alerts raised more than once", [], [level for level in set(raised) if raised.count(level) > 1])
    agree("P12", "alerts that are missing", set(), model.alerts - set(raised))
    agree("P12", "alerts raised without a reason", set(), set(raised) - model.possible_alerts)


async def compare_sums(model: Model, world: World) -> None:
    """The rollups, and the ledger rebuilt from its journal."""
    current = [record for record in model.records if record.status == "current"]
    unpriced = sum(record.unpriced for record in current)
    tokens, cost = sum(record.tokens for record in current), sum(record.cost for record in current)
    agree("P1", "the sums of the rollups", [len(current), unpriced, tokens, cost], await world.rollup_sums())
    found = await world.verify()
    agree("P1", "differences from the ledger rebuilt from its journal", [], found.examples)


async def compare_limits(model: Model, world: World) -> None:
    """The page of limits."""
    page = await limits.list_limits(world.ledger, {}, 1, 1000, context_id="c1", task_id="t1")
    for row in page.items:
        if row["policy_id"] in model.policies:
            _limit(model, row)


def _limit(model: Model, row: dict[str, Any]) -> None:
    """The page of limits counts as if what is due had ended (rule 4.3)."""
    policy = model.policies[row["policy_id"]]
    key = {"per_session": "c:c1", "per_task": "t:t1"}.get(policy.stored.period)
    place = Place(policy.id, key or policy.window_at(model.now))
    agree("P11", f"the window shown for policy {policy.label}", place.window, row["window"])
    shown = tuple(int(amount * NANOCENTS) if row["unit"] == "cost" else amount for amount in (row["used"], row["held"]))
    agree(
        "P1", f"used and held shown for policy {policy.label}", used_and_held(row["unit"], model.balance(place)), shown
    )


def no_clock_alerts_beyond(stored: Snapshot, jumps: int) -> None:
    """A clock that jumped is told of once by each process (rule 3.3)."""
    told = sum(unit == "clock" for _, unit, *_ in stored.alerts)
    hold_to("P12", f"clocks jumped {jumps} times, and that is told of at most as often", told <= jumps, told)
