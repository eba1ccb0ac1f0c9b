"""The queries whose answer depends on who asks: on the limits of their key, or on what it is bound to."""

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from budget.domain import commands, text_estimates
from budget.domain.entries import ANONYMOUS, Caller
from budget.domain.errors import NotFound
from budget.domain.events import KEY_CHANGED, Filter
from budget.engine import events, queries, recommendations
from budget.engine.ledger import Ledger
from budget.operations import confinement, event_reading, requests, verdicts, views
from budget.operations.event_views import event_view
from budget.operations.reading import Answer, page_of
from budget.operations.writing import Answered, Run


def querying_as(query: Callable[[Ledger, Any, Caller], Awaitable[Any]]) -> Run:
    """Run a query for a caller; it needs no key."""

    async def run(ledger: Ledger, asked: Any, caller: Caller = ANONYMOUS, _: str | None = None) -> Answered:
        return Answered(await query(ledger, asked, caller))

    return run


async def list_budgets(ledger: Ledger, asked: requests.ListBudgets, caller: Caller) -> Answer:
    """Budgets, the default one first."""
    found, configuration = await queries.list_budgets(
        ledger,
        asked.page,
        asked.limit,
        is_active=asked.is_active,
        owner=asked.owner,
        name=asked.name,
        only=caller.budgets,
    )
    return page_of(
        found, asked, lambda budget: views.budget_view(budget, queries.policy_ids(configuration, budget.budget_id))
    )


async def get_context_allocation(ledger: Ledger, asked: requests.GetContextAllocation, caller: Caller) -> Answer:
    """The newest active allocation of a context."""
    hold = await queries.get_context_allocation(ledger, asked.context_id)
    if not confinement.sees(caller, hold.budget_id, hold.component):
        raise NotFound(f"there is no active allocation for context {asked.context_id!r}", field="context_id")
    return views.allocation_view(hold)


async def check_allocation(ledger: Ledger, asked: commands.Allocate, caller: Caller) -> Answer:
    """Say what an allocation would be told now, with the whole arithmetic.

    Nothing is held, nothing is promised.
    """
    return verdicts.verdict_view(await ledger.check(asked, caller), asked)


async def route_request(ledger: Ledger, asked: requests.RouteRequest, caller: Caller) -> Answer:
    """The model to use for a call: the one asked for while the limits allow it, else a cheaper one that they allow.

    It never refuses; `allowed` says whether an allocation for the model that it names would be granted now.
    """
    tokens = text_estimates.tokens_of(asked.input_text or "") if asked.input_tokens is None else asked.input_tokens
    call = recommendations.Call(
        provider=asked.provider,
        model=asked.model,
        component=asked.component,
        task_type=asked.task_type,
        budget_id=asked.budget_id,
        context_id=asked.context_id,
        input_tokens=tokens,
        output_tokens=text_estimates.output_of(tokens) if asked.output_tokens is None else asked.output_tokens,
    )
    return await recommendations.route(ledger, call, caller)


async def list_events(ledger: Ledger, asked: event_reading.ListEvents, caller: Caller) -> Answer:
    """What happened after a number, in order; every event has one, without gaps.

    Go on with `next_after` until it is `as_of_seq`; where a filter lets little pass, a page may be short or empty.
    Events are kept for 30 days by default: an older `after` is 410, with `oldest_seq` and where to get a snapshot.
    """
    found = await events.list_events(ledger.bus, narrowed(asked.filter, caller), asked.after, asked.limit)
    return {
        "items": [event_view(event) for event in found.events],
        "next_after": found.next_after,
        "as_of_seq": found.as_of_seq,
    }


def narrowed(wanted: Filter, caller: Caller) -> Filter:
    """What a caller may hear of what is wanted."""
    return msgspec.structs.replace(
        wanted,
        budgets=caller.budgets or None,
        components=caller.components or None,
        hidden=frozenset() if caller.is_admin and not caller.is_bound else frozenset((KEY_CHANGED,)),
        listener=caller.key_id,
    )
