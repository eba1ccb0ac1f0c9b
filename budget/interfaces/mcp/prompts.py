"""Ready-made questions for a language model, each with the figures that it needs, as the ledger has them now."""

from collections.abc import Awaitable, Callable
from typing import Any, Final, NamedTuple

from budget.domain.entries import Caller
from budget.domain.errors import Invalid
from budget.engine.ledger import Ledger
from budget.operations import bodies
from budget.operations.access import Asking


class Argument(NamedTuple):
    """One thing to fill in; all are text."""

    name: str
    description: str
    required: bool = False


class Prompt(NamedTuple):
    """One question."""

    name: str
    title: str
    description: str
    arguments: tuple[Argument, ...]
    text: Callable[..., Awaitable[str]]


async def _explain_refusal(ask: Asking, decision_id: str) -> str:
    decision = await ask("explain_decision", decision_id=decision_id)
    return (
        "A hard limit refused a call. Explain to its owner in plain words which limit it was, the arithmetic, when it "
        "fits again, and which of the offers would help. Use only these figures.\n\n" + _figures(decision)
    )


async def _review_spending(ask: Asking, period: str = "monthly", budget_id: str | None = None) -> str:
    summary = await ask("get_usage_summary", period=period, budget_id=budget_id)
    limits = await ask("list_limits", budget_id=budget_id, period=period)
    return (
        "Review this spending: what costs most, what is unusual, which limits are close, and how much of it is priced "
        "(`coverage`). Use only these figures, and say so where they are not enough.\n\n"
        + _figures({"usage": summary, "limits": limits["items"]})
    )


async def _choose_model(ask: Asking, task: str, provider: str | None = None, model: str | None = None) -> str:
    found = await ask("recommend_models", provider=provider, model=model)
    current = f" It runs on {provider}/{model} now." if provider and model else ""
    return (
        f"Choose a model for this task: {task}.{current} The figures compare prices only: weigh for yourself whether a "
        "cheaper model is good enough, and prefer those listed as equivalent.\n\n" + _figures(found)
    )


async def _plan_limits(ask: Asking, budget_id: str | None = None) -> str:
    limits = await ask("list_limits", budget_id=budget_id)
    row = await ask("list_summaries", period="monthly", budget_id=budget_id)
    return (
        "Propose limits for the coming month: which to raise, lower, add or make hard, each with its reason from these "
        "figures. The tools `create_policy` and `update_policy` would carry it out; ask before you use them.\n\n"
        + _figures({"limits": limits["items"], "this_month": row})
    )


_BUDGET: Final = Argument("budget_id", "whose limits; without it all")

PROMPTS: Final[tuple[Prompt, ...]] = (
    Prompt(
        "explain_refusal",
        "Explain a refusal",
        "Why a call was refused, and what would help.",
        (Argument("decision_id", "the id that the refusal named", required=True),),
        _explain_refusal,
    ),
    Prompt(
        "review_spending",
        "Review spending",
        "What costs most, what is unusual, which limits are close.",
        (Argument("period", "hourly, daily, weekly or monthly"), _BUDGET),
        _review_spending,
    ),
    Prompt(
        "choose_model",
        "Choose a model",
        "A model for a task, by price and equivalence.",
        (
            Argument("task", "what it is to do", required=True),
            Argument("provider", "of the current model"),
            Argument("model", "the current model"),
        ),
        _choose_model,
    ),
    Prompt("plan_limits", "Plan limits", "Limits for the coming month.", (_BUDGET,), _plan_limits),
)


async def filled_in(ledger: Ledger, prompt: Prompt, given: dict[str, str], caller: Caller) -> str:
    """The text of a prompt; `Invalid` for an argument that it does not have, or that is missing."""
    known = {argument.name for argument in prompt.arguments}
    for name in given:
        if name not in known:
            raise Invalid(name[:200], f"is not an argument of this prompt; it takes: {', '.join(sorted(known))}")
    for argument in prompt.arguments:
        if argument.required and not given.get(argument.name):
            raise Invalid(argument.name, "is required")
    return await prompt.text(Asking(ledger, caller), **{name: text for name, text in given.items() if text})


def _figures(value: Any) -> str:
    return bodies.encode(value).decode()
