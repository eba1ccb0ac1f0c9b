"""Usage and its corrections, judged: booked where it belongs, counted once, priced exactly (rules 3, 4, 8, 9)."""

from typing import Any

from budget.domain import commands
from budget.domain.entries import Caller
from budget.domain.errors import BudgetError, Conflict, Invalid
from budget.simulator.clock import MINUTE
from budget.simulator.counts import Counts, corrected, counts_of, nanocents
from budget.simulator.granting import instant
from budget.simulator.model import Model
from budget.simulator.promises import agree, hold_to
from budget.simulator.things import Hold, Record


def use(model: Model, command: commands.RecordUsage, answer: Any, error: BudgetError | None, caller: Caller) -> None:
    """Judge a usage, alone or on its hold, and book it."""
    hold = _hold_of(model, command)
    settles = isinstance(command, commands.Settle)
    if settles and hold is not None and hold.state == "settled" and hold.closed_by != "draw":
        hold_to("P9", "a settled hold is not settled again", isinstance(error, Conflict), error)
        return
    if not counts_of(command).possible or _is_ahead(model, command):
        hold_to("P7", "usage that contradicts itself or lies ahead is refused", isinstance(error, Invalid), error)
        return
    agree("P9", "the answer to a usage", None, error)
    stored = answer.record if settles else answer
    record = _record_of(model, command, hold, stored.record_id, stored.occurred_at, caller)
    if hold is not None and hold.state == "provisional":
        _settle_charge(model, hold, record)
        return
    model.enter(record)
    model.records.append(record)
    if hold is None or not (hold.active or settles):
        with model.posting(record):
            record.status = "current"
        return
    if settles:
        agree("P9", "the tokens that settling frees", max(hold.tokens - record.tokens, 0), answer.tokens_released)
    with model.posting(hold, record):
        record.status = "current"
        hold.records += 1
        if settles:
            hold.end("settled", "settle")
        elif record.tokens >= hold.tokens:
            hold.end("settled", "draw")
        else:
            hold.tokens -= record.tokens
            hold.cost -= min(max(record.cost, 0), hold.cost)


def _hold_of(model: Model, command: commands.RecordUsage) -> Hold | None:
    """The hold that a usage names, else the newest active one of its session, budget and component."""
    if command.allocation_id is not None:
        return model.holds[command.allocation_id]
    named = (command.context_id, command.budget_id, command.component)
    mine = [
        hold
        for hold in model.holds.values()
        if hold.active and (hold.context_id, hold.budget_id, hold.component) == named
    ]
    return max(mine, key=lambda hold: (hold.booked_at, hold.id), default=None)


def _is_ahead(model: Model, command: commands.RecordUsage) -> bool:
    stated = instant(command.occurred_at)
    return stated is not None and stated > model.now + 5 * MINUTE


def _record_of(
    model: Model,
    command: commands.RecordUsage,
    hold: Hold | None,
    record_id: str,
    occurred_at: int,
    caller: Caller,
) -> Record:
    """A usage by its own fields; what it does not say is its hold's."""

    def said(name: str) -> Any:
        return getattr(command, name) or getattr(hold, name, None)

    stated = instant(command.occurred_at)
    right = model.is_now(occurred_at) if stated is None else stated == occurred_at
    hold_to("P11", "when a usage happened", right, occurred_at)
    provider, name = said("provider"), said("model")
    same = hold is not None and (said("component"), provider, name) == (hold.component, hold.provider, hold.model)
    price = model.price(provider, name, occurred_at)
    counts, reported = counts_of(command), command.cost is not None
    unpriced = price is None and not reported
    return Record(
        label=model.label(),
        budget_id=said("budget_id"),
        tier=hold.tier if hold is not None and same else model.tier(provider, name),
        provider=provider,
        model=name,
        component=said("component"),
        task_type=said("task_type") or "default",
        user_id=said("user_id"),
        key_id=caller.key_id or getattr(hold, "key_id", None),
        context_id=said("context_id"),
        task_id=said("task_id"),
        booked_at=occurred_at if hold is None else hold.booked_at,
        price=price,
        id=record_id,
        hold=hold,
        counts=counts,
        cost=nanocents(command.cost) if reported else counts.cost(price or model.worst),
        occurred_at=occurred_at,
        reported=reported,
        unpriced=unpriced,
        estimated=unpriced and model.worst is not None,
        late=hold is not None and _is_late(command, hold),
    )


def _is_late(command: commands.RecordUsage, hold: Hold) -> bool:
    """A hold that was drawn up still takes one settle in time."""
    drawn = hold.state == "settled" and not isinstance(command, commands.Settle)
    return hold.state in {"expired", "released"} or drawn


def _settle_charge(model: Model, hold: Hold, record: Record) -> None:
    """The call has spoken after all: its charge gives way to what it used, under the same id (rule 4.3)."""
    charge = model.charge_of(hold)
    if charge.id is not None:
        agree("P9", "the record that a provisional charge gives way to", charge.id, record.id)
    model.enter(record)
    model.records[model.records.index(charge)] = record
    with model.posting(charge, record):
        charge.status, record.status = "replaced", "current"
        hold.end("settled", "settle")
        hold.records += 1


# Corrections (rule 9)


def void(model: Model, command: commands.Void, _: Any, error: BudgetError | None, __: Caller) -> None:
    """Judge that a record was taken back."""
    record = model.record(command.record_id)
    if record.status != "current" or record.provisional:
        hold_to("P8", "only what counts can be taken back", isinstance(error, Conflict), error)
        return
    agree("P8", "the answer to a void", None, error)
    with model.posting(record):
        record.status = "void"


def correct(model: Model, command: commands.Correct, answer: Any, error: BudgetError | None, _: Caller) -> None:
    """Judge a correction, and book the new record in the place of the old one."""
    old = model.record(command.record_id)
    if old.status != "current" or old.provisional:
        hold_to("P8", "only what counts can be corrected", isinstance(error, Conflict), error)
        return
    counts = corrected(command, old.counts)
    if not counts.possible or _is_ahead(model, command):
        hold_to("P7", "a correction that contradicts itself is refused", isinstance(error, Invalid), error)
        return
    agree("P8", "the answer to a correction", None, error)
    new = _corrected(model, command, old, counts, answer.record_id)
    model.enter(new)
    model.records.append(new)
    with model.posting(old, new):
        old.status, new.status = "superseded", "current"


_KEPT = ("provider", "model", "component", "task_type", "user_id", "context_id", "task_id")


def _corrected(model: Model, command: commands.Correct, old: Record, counts: Counts, record_id: str) -> Record:
    """What is not given stays; so does the price, unless the model or the time changed or there was none."""
    named = {name: getattr(command, name) or getattr(old, name) for name in _KEPT}
    provider, name = named["provider"], named["model"]
    moved = instant(command.occurred_at)
    occurred_at = old.occurred_at if moved is None else moved
    same_model = (provider, name) == (old.provider, old.model)
    price = old.price
    if price is None or not same_model or occurred_at != old.occurred_at:
        price = model.price(provider, name, occurred_at)
    reported = command.cost is not None or (old.reported and command.usage is None)
    cost = old.cost if command.cost is None else nanocents(command.cost)
    unpriced = price is None and not reported
    return Record(
        **named,
        label=model.label(),
        budget_id=old.budget_id,
        key_id=old.key_id,
        tier=old.tier if same_model and named["component"] == old.component else model.tier(provider, name),
        booked_at=old.booked_at if moved is None else moved,
        price=price,
        id=record_id,
        hold=old.hold,
        counts=counts,
        cost=cost if reported else counts.cost(price or model.worst),
        occurred_at=occurred_at,
        reported=reported,
        unpriced=unpriced,
        estimated=unpriced and model.worst is not None,
        late=old.late,
    )
