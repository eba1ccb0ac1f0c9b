"""What a key that is bound to budgets or components may touch: the rest is answered as if it were not there.

The fields of a request say what it is about, so an operation that is new is confined like the others; one that has
none of these fields needs a key that is not bound, unless it asks for what everyone may know.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, TypeVar

import msgspec

from budget.domain.entries import Caller
from budget.domain.errors import Invalid, NotAllowed, NotFound
from budget.engine import queries
from budget.engine.ledger import Ledger

Asked = TypeVar("Asked", bound=msgspec.Struct)
Place = tuple[str | None, str | None]
"""The budget and the component of a thing; None where it belongs to all."""

OPEN: Final = frozenset(
    (
        "calculate_cost",
        "get_model",
        "get_price",
        "list_models",
        "list_price_history",
        "list_prices",
        "recommend_models",
    )
)
"""Prices and models are the same for everyone."""

NARROWED_BY_THEMSELVES: Final = frozenset(("get_context_allocation", "list_budgets"))
"""Their answers are narrowed, because their requests do not say whose they are."""

UNKNOWN: Final = "unknown"
"""What stands for a component that was not named."""

_OWNERS: Final = frozenset(("budget_id", "component"))

SCOPES_OF_LIMITS: Final = frozenset(("create_policy", "list_limits", "list_policies", "update_policy"))
"""Their `component` is what a limit applies to, not who speaks."""


async def _of_hold(ledger: Ledger, thing_id: str) -> Place:
    hold = await queries.get_allocation(ledger, thing_id)
    return hold.budget_id, hold.component


async def _of_record(ledger: Ledger, thing_id: str) -> Place:
    record = await queries.get_record(ledger, thing_id)
    return record.budget_id, record.component


async def _of_policy(ledger: Ledger, thing_id: str) -> Place:
    return (await queries.get_policy(ledger, thing_id)).budget_id, None


async def _of_alert(ledger: Ledger, thing_id: str) -> Place:
    return (await queries.get_alert(ledger, thing_id)).budget_id, None


async def _of_decision(ledger: Ledger, thing_id: str) -> Place:
    decision = await queries.get_decision(ledger, thing_id)
    return decision.budget_id, decision.component


_THINGS: Final[Mapping[str, tuple[str, Callable[[Ledger, str], Awaitable[Place]]]]] = {
    "allocation_id": ("allocation", _of_hold),
    "record_id": ("usage record", _of_record),
    "policy_id": ("policy", _of_policy),
    "alert_id": ("alert", _of_alert),
    "decision_id": ("decision", _of_decision),
}


async def confined(operation: str, *, reads: bool, ledger: Ledger, asked: Asked, caller: Caller) -> Asked:
    """The request as far as this key may ask it; `NotFound` where it names what the key may not see."""
    if not caller.is_bound or operation in OPEN or operation in NARROWED_BY_THEMSELVES:
        return asked
    fields = asked.__struct_fields__
    named = await _named_thing(ledger, asked, caller, reads=reads)
    if not named and not (_OWNERS.intersection(fields) and (not caller.budgets or "budget_id" in fields)):
        raise NotAllowed("this key is bound to budgets or components, and this concerns all of them")
    if getattr(asked, "scope", None) == "global":
        raise NotAllowed("this key is bound to budgets or components; a global limit needs one that is not")
    changes: dict[str, Any] = {}
    if "budget_id" in fields and caller.budgets:
        changes["budget_id"] = _budget_of(ledger, asked, caller, named=named)
    if "component" in fields and caller.components and operation not in SCOPES_OF_LIMITS:
        changes["component"] = _component_of(asked, caller, named=named)
    changes = {name: value for name, value in changes.items() if value != getattr(asked, name)}
    return msgspec.structs.replace(asked, **changes) if changes else asked


def sees(caller: Caller, budget_id: str | None, component: str | None = None) -> bool:
    """Whether a key may see what belongs there; what belongs to all budgets concerns each of them."""
    return (not caller.budgets or budget_id is None or budget_id in caller.budgets) and (
        not caller.components or component is None or component in caller.components
    )


async def _named_thing(ledger: Ledger, asked: msgspec.Struct, caller: Caller, *, reads: bool) -> bool:
    """Whether the request names something by its id; one that is not for this key is `NotFound`, as one unknown is."""
    named = False
    for field, (noun, place_of) in _THINGS.items():
        thing_id = getattr(asked, field, None)
        if not thing_id:
            continue
        named = True
        budget_id, component = await place_of(ledger, thing_id)
        if not sees(caller, budget_id, component):
            raise NotFound(f"there is no {noun} {thing_id!r}", field=field)
        if budget_id is None and not reads:
            raise NotAllowed("this key is bound to budgets or components; what is global needs one that is not")
    return named


def _budget_of(ledger: Ledger, asked: Any, caller: Caller, *, named: bool) -> str | None:
    given: str | None = asked.budget_id
    if given:
        if given not in caller.budgets:
            raise NotFound(f"there is no budget {given!r}", field="budget_id")
        return given
    if caller.budget_id is not None or named:
        return given if named else caller.budget_id
    of_component = ledger.configuration().budget_of(None, None, getattr(asked, "component", None) or "").budget_id
    if of_component not in caller.budgets:
        raise Invalid("budget_id", "must be one of the budgets that this key is bound to")
    return of_component


def _component_of(asked: Any, caller: Caller, *, named: bool) -> str | None:
    given: str | None = asked.component
    if given not in (None, UNKNOWN):
        if given not in caller.components:
            raise NotAllowed(f"this key may not speak for the component {given[:200]!r}")
        return given
    if named:
        return None
    if len(caller.components) > 1:
        raise Invalid("component", "must be one of the components that this key is bound to")
    return next(iter(caller.components))
