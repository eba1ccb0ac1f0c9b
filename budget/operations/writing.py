"""The commands of the catalogue: each is submitted under its caller and key, and its answer made into what goes out."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, NamedTuple

import msgspec

from budget.domain import commands, vocabulary
from budget.domain.allocations import Grant
from budget.domain.budgets import Budget
from budget.domain.entries import ANONYMOUS, Caller
from budget.domain.models import Model
from budget.domain.policies import Policy
from budget.domain.pricing import Price
from budget.domain.recording import Settled
from budget.domain.records import Alert, Hold, Record
from budget.engine import queries
from budget.engine.ledger import Ledger
from budget.operations import batches, requests, views


class Answered(NamedTuple):
    """What goes out, and whether it repeats an earlier answer."""

    value: Any
    replayed: bool = False


Query = Callable[[Ledger, Any], Awaitable[Any]]
Run = Callable[[Ledger, Any, Caller, str | None], Awaitable[Answered]]


def submitting(view: Callable[[Any], Any]) -> Run:
    """Run a command, and show its answer by this view."""

    async def run(ledger: Ledger, command: Any, caller: Caller = ANONYMOUS, key: str | None = None) -> Answered:
        outcome = await ledger.submit(command, caller, key)
        return Answered(view(outcome.answer), outcome.replayed)

    return run


def querying(query: Query) -> Run:
    """Run a query; it needs neither caller nor key."""

    async def run(ledger: Ledger, asked: Any, _: Caller = ANONYMOUS, __: str | None = None) -> Answered:
        return Answered(await query(ledger, asked))

    return run


async def create_budget(
    ledger: Ledger, command: commands.CreateBudget | commands.UpdateBudget, caller: Caller, key: str | None
) -> Answered:
    """Of making and of changing a budget: its answer lists the policies."""
    outcome = await ledger.submit(command, caller, key)
    return Answered(await budget_shown(ledger, outcome.answer), outcome.replayed)


update_budget = create_budget


async def budget_shown(ledger: Ledger, budget: Budget) -> dict[str, Any]:
    """A budget with the ids of its policies."""
    configuration = await ledger.refresh()
    return views.budget_view(budget, queries.policy_ids(configuration, budget.budget_id))


class DeleteBudget(requests.Query, frozen=True, kw_only=True):
    """Which budget."""

    budget_id: requests.Id = ""
    request_id: commands.Key | None = None


async def delete_budget(ledger: Ledger, asked: DeleteBudget, caller: Caller, key: str | None) -> Answered:
    command = commands.UpdateBudget(budget_id=asked.budget_id, is_active=False)
    outcome = await ledger.submit(command, caller, key)
    return Answered(views.done(f"budget {outcome.answer.name!r} is deactivated"), outcome.replayed)


class DeletePolicy(requests.Query, frozen=True, kw_only=True):
    """Which policy."""

    policy_id: requests.Id = ""
    request_id: commands.Key | None = None


async def delete_policy(ledger: Ledger, asked: DeletePolicy, caller: Caller, key: str | None) -> Answered:
    command = commands.UpdatePolicy(policy_id=asked.policy_id, enabled=False)
    outcome = await ledger.submit(command, caller, key)
    return Answered(views.done(f"policy {asked.policy_id} is disabled"), outcome.replayed)


async def raise_alerts(ledger: Ledger, command: commands.RaiseAlerts, caller: Caller, _: str | None) -> Answered:
    """It needs no key: what has been raised is not raised again."""
    if command.budget_id is not None:
        await queries.get_budget(ledger, command.budget_id)
    period = None if command.period is None else vocabulary.period(command.period)
    outcome = await ledger.submit(msgspec.structs.replace(command, period=period), caller)
    return Answered([views.alert_view(alert) for alert in outcome.answer])


async def record_usage_batch(ledger: Ledger, asked: batches.Records, caller: Caller, key: str | None) -> Answered:
    return Answered(await batches.record(ledger, asked.records, caller, key))


_SHOWN: Mapping[type, Callable[[Any], dict[str, Any]]] = {
    Grant: views.grant_view,
    Hold: views.allocation_view,
    tuple: views.released_view,
    Record: views.usage_record_view,
    Settled: views.settled_view,
    Policy: views.policy_view,
    Price: views.price_view,
    Model: views.model_view,
    Alert: views.alert_view,
}


async def shown(ledger: Ledger, answer: Any) -> dict[str, Any]:
    """The answer to any command, as its operation shows it."""
    if isinstance(answer, Budget):
        return await budget_shown(ledger, answer)
    return _SHOWN[type(answer)](answer)
