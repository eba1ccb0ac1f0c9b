"""`budget demo`: example data in an empty ledger, in a budget of its own, marked; `--remove` voids it again.

The journal keeps both, like everything else. It asks the service like any other client.
"""

import argparse
from collections.abc import Iterator
from typing import Any, Final

from budget.interfaces.cli import exits
from budget.interfaces.cli.failures import Failed
from budget.interfaces.cli.parsers import Parser
from budget.interfaces.cli.session import Session
from budget.settings import Settings

NAME: Final = "Example Budget"
MARK: Final = {"demo": True}
REASON: Final = "example data removed"

DAYS: Final = 35
"""Five weeks, so that forecasts know each weekday."""

CALLS: Final = (
    ("ergon", "openai", "gpt-4o", "coding", 9_000, 2_100),
    ("ergon", "openai", "gpt-4o-mini", "review", 14_000, 1_800),
    ("apollo", "anthropic", "claude-3-5-haiku-latest", "planning", 6_000, 1_200),
    ("rhetor", "openai", "gpt-4o", "chat", 3_500, 900),
    ("terma", "ollama", "llama3", "chat", 5_000, 1_500),
)
"""What is used again and again: component, provider, model, task type, input and output tokens."""

LIMITS: Final = (
    {"type": "hard_limit", "period": "daily", "cost_limit": 2},
    {"type": "soft_limit", "period": "weekly", "cost_limit": 1},
    {"type": "warn", "period": "monthly", "token_limit": 2_000_000},
)


def add_commands(parser: Parser) -> None:
    """One command, there and back."""
    parser.add_argument("--remove", action="store_true", help="take the example data back")
    parser.set_defaults(run=run)


def run(settings: Settings, given: argparse.Namespace) -> int:
    """Load it, or take it back."""
    with Session(settings, given) as session:
        session.out.remark(_remove(session) if given.remove else _load(session))
    return exits.DONE


def records(budget_id: str, now: int) -> Iterator[dict[str, Any]]:
    """Five weeks of calls up to now, less on weekends, the same whenever it is asked but for the dates."""
    from budget.domain import instants  # noqa: PLC0415 -- slow to import

    hour = 3_600 * instants.MICROSECONDS_PER_SECOND
    for day in range(DAYS):
        for number, (component, provider, model, task_type, tokens_in, tokens_out) in enumerate(CALLS):
            at = now - (24 * day + 3 * number + 1) * hour
            weekend = instants.local_time(at, instants.time_zone("UTC")).weekday() >= 5  # noqa: PLR2004 -- Saturday
            share = (3 if weekend else 10) + (7 * day + 3 * number) % 5
            yield {
                "budget_id": budget_id,
                "context_id": f"example-{day}-{number}",
                "component": component,
                "provider": provider,
                "model": model,
                "task_type": task_type,
                "input_tokens": tokens_in * share,
                "output_tokens": tokens_out * share,
                "occurred_at": instants.iso(at),
                "metadata": MARK,
            }


def _load(session: Session) -> str:
    from budget.engine.clock import Clock  # noqa: PLC0415 -- slow to import

    if session.ask("list_usage", limit=1)["items"] or session.ask("list_allocations", limit=1)["items"]:
        raise Failed("there is usage in this ledger already; example data is for an empty one")
    description = "made by budget demo; budget demo --remove takes it back"
    budget = session.ask("create_budget", name=NAME, description=description, default_policies=False, metadata=MARK)[
        "budget_id"
    ]
    for limit in LIMITS:
        session.ask("create_policy", budget_id=budget, **limit)
    made = list(records(budget, Clock().now()))
    session.ask("record_usage_batch", records=made)
    return (
        f"{NAME} has {len(made)} calls of {DAYS} days; look at {session.url}/, and remove them by budget demo --remove"
    )


def _remove(session: Session) -> str:
    marked = [each for each in session.each("list_budgets", is_active=True) if each["metadata"].get("demo") is True]
    if not marked:
        raise Failed("there is no example data")
    count = 0
    for budget in marked:
        of_budget = {"budget_id": budget["budget_id"]}
        for record in list(session.each("list_usage", **of_budget)):
            session.ask("void_usage", record_id=record["record_id"], reason=REASON)
            count += 1
        for policy in list(session.each("list_policies", **of_budget)):
            if policy["enabled"] and policy["budget_id"] == budget["budget_id"]:
                session.ask("delete_policy", policy_id=policy["policy_id"])
        session.ask("delete_budget", **of_budget)
    return f"{count} records are voided, and their budget is deactivated; the journal keeps what was"
