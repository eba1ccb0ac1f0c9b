"""Every command and its outcome, told to the model: it says what the outcome should have been, and does the same."""

from collections.abc import Callable
from fractions import Fraction
from typing import Any

from budget.domain import commands
from budget.domain.entries import Caller
from budget.domain.errors import BudgetError, Conflict, Invalid
from budget.simulator import booking, granting
from budget.simulator.counts import NANOCENTS, Price
from budget.simulator.granting import instant, is_lifetime
from budget.simulator.model import Model
from budget.simulator.promises import agree, hold_to


def told(model: Model, command: commands.Command, answer: Any, error: BudgetError | None, caller: Caller) -> None:
    """Judge the outcome of a command, and do what it did."""
    _JUDGES[type(command)](model, command, answer, error, caller)


# The life of a hold (rule 4)


def _start(model: Model, command: commands.Start, _: Any, error: BudgetError | None, __: Caller) -> None:
    hold = model.holds[command.allocation_id]
    if not hold.active:
        hold_to("P9", "a hold that has ended does not start", isinstance(error, Conflict), error)
        return
    agree("P9", "the answer to a start", None, error)
    hold.state = "started"


def _extend(model: Model, command: commands.Extend, answer: Any, error: BudgetError | None, _: Caller) -> None:
    hold, expires_at = model.holds[command.allocation_id], instant(command.expiration_time)
    if not hold.active:
        hold_to("P9", "a hold that has ended is not renewed", isinstance(error, Conflict), error)
    elif expires_at is None or not is_lifetime(model, expires_at):
        hold_to("P9", "a hold ends within the next 24 hours", isinstance(error, Invalid), error)
    else:
        agree("P9", "the answer to an extension", None, error)
        agree("P9", "when an extended hold ends", expires_at, answer.expires_at)
        hold.expires_at = expires_at


def _release(model: Model, command: commands.Release, answer: Any, error: BudgetError | None, _: Caller) -> None:
    hold = model.holds[command.allocation_id]
    if not hold.active or (hold.state == "started" and not command.confirm_unused):
        hold_to("P9", "only what is held and unused is released", isinstance(error, Conflict), error)
        return
    agree("P9", "the answer to a release", None, error)
    agree("P9", "the tokens that a release frees", hold.tokens, answer[1])
    with model.posting(hold):
        hold.end("released")


# What changes the rules


def _create_budget(
    model: Model, command: commands.CreateBudget, answer: Any, error: BudgetError | None, _: Caller
) -> None:
    agree("P11", "the answer to a new budget", None, error)
    agree("P11", "the zone of a budget", command.time_zone, answer.time_zone)
    model.budgets[answer.budget_id] = answer.time_zone


def _update_budget(
    model: Model, command: commands.UpdateBudget, answer: Any, error: BudgetError | None, _: Caller
) -> None:
    agree("P11", "the answer to a change of zone", None, error)
    agree("P11", "the zone of a budget", command.time_zone, answer.time_zone)
    if model.budgets[answer.budget_id] != answer.time_zone:
        model.budgets[answer.budget_id] = answer.time_zone
        model.told_zone(answer.budget_id, answer.time_zone, answer.updated_at)


_LIMITS = ("type", "token_limit", "cost_limit", "enabled", "warning_threshold", "action_threshold", "thresholds")


def _policy(
    model: Model,
    command: commands.CreatePolicy | commands.UpdatePolicy,
    answer: Any,
    error: BudgetError | None,
    _: Caller,
) -> None:
    if error is not None:
        taken = isinstance(command, commands.UpdatePolicy) and isinstance(error, Conflict)
        hold_to("P2", "a policy is changed unless another has its identity", taken, error)
        return
    for name in _LIMITS:
        given = getattr(command, name)
        if given is not None:
            agree("P2", f"{name} of a policy", given, getattr(answer, name))
    model.told_policy(answer, model.zone(answer.budget_id), model.label())


def _set_price(model: Model, command: commands.SetPrice, answer: Any, error: BudgetError | None, _: Caller) -> None:
    agree("P8", "the answer to a price", None, error)
    rates = {
        part: Fraction(dollars) * NANOCENTS
        for part in ("input", "output", "cache_read", "cache_write", "reasoning")
        if (dollars := getattr(command, f"{part}_cost_per_token")) is not None
    }
    request = Fraction(command.fixed_cost_per_request or 0) * NANOCENTS
    price = Price(answer.effective_at, 0, instant(command.end_date), rates, request)
    model.told_price(command.provider, command.model, price, instant(command.effective_date))


def _set_model(model: Model, command: commands.SetModel, _: Any, error: BudgetError | None, __: Caller) -> None:
    agree("P8", "the answer to a model's tier", None, error)
    key = (command.provider, command.model)
    model.tiers[key] = command.tier or ""
    model.stand_ins[key] = command.equivalents or ()


def _sweep(_: Model, __: commands.Sweep, ___: Any, error: BudgetError | None, ____: Caller) -> None:
    agree("P9", "the answer to a sweep", None, error)


_JUDGES: dict[type[commands.Command], Callable[[Model, Any, Any, BudgetError | None, Caller], None]] = {
    commands.Allocate: granting.allocate,
    commands.Increase: granting.increase,
    commands.RecordUsage: booking.use,
    commands.Settle: booking.use,
    commands.Correct: booking.correct,
    commands.Void: booking.void,
    commands.Start: _start,
    commands.Extend: _extend,
    commands.Release: _release,
    commands.CreateBudget: _create_budget,
    commands.UpdateBudget: _update_budget,
    commands.CreatePolicy: _policy,
    commands.UpdatePolicy: _policy,
    commands.SetPrice: _set_price,
    commands.SetModel: _set_model,
    commands.Sweep: _sweep,
}
