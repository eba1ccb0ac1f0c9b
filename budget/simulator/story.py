"""What a run did, in words; worked out only when somebody wants to read it."""

from collections.abc import Iterable
from decimal import Decimal
from typing import Any, NamedTuple

import msgspec

from budget.domain import instants
from budget.engine.ledger import Outcome
from budget.simulator.model import Model
from budget.simulator.world import Item


class Happening(NamedTuple):
    """Something that a step did: a note, or commands with what became of them."""

    step: int
    at: int
    note: str
    items: tuple[Item, ...] = ()
    outcomes: tuple[Outcome, ...] = ()


def tell(happenings: Iterable[Happening], model: Model) -> list[str]:
    """A line for each thing that happened, with names in the place of ids."""
    names = _names(model)
    lines = []
    for step, at, note, items, outcomes in happenings:
        head = f"step {step:>3}  {instants.iso(at)}  "
        if note:
            lines.append(f"{head}{note}")
        for item, outcome in zip(items, outcomes, strict=True):
            lines.append(f"{head}{_command(item, names)} -> {_outcome(outcome)}")
    return lines


def _names(model: Model) -> dict[str, str]:
    names = {budget_id: f"b{number}" for number, budget_id in enumerate(model.budgets)}
    names |= {hold.id: f"hold {hold.label}" for hold in model.holds.values()}
    names |= {record.id: f"record {record.label}" for record in model.records if record.id is not None}
    return names | {policy.id: f"policy {policy.label}" for policy in model.policies.values()}


def _command(item: Item, names: dict[str, str]) -> str:
    fields: dict[str, Any] = msgspec.to_builtins(item.command, builtin_types=(Decimal,))
    said = [f"{name}={names.get(str(value), value)}" for name, value in fields.items()]
    said += [f"key={item.key}"] * (item.key is not None) + [f"by={item.caller.name}"] * (item.caller.key_id is not None)
    return " ".join([item.command.operation, *said])


def _outcome(outcome: Outcome) -> str:
    if outcome.error is not None:
        return f"{type(outcome.error).__name__}: {outcome.error.message}"
    return "answered again" if outcome.replayed else "done"
