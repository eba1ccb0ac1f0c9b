"""What Tekton's commands do: each asks what Tekton's own asked, and prints it in the same columns and digits."""

import argparse
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any, Final

from budget.client import exchange
from budget.domain import instants
from budget.interfaces.cli import documents, figures, output
from budget.interfaces.cli.session import Session

BUDGET: Final = "Default Budget"
_MICROSECONDS_A_DAY: Final = 86_400_000_000

Row = dict[str, Any]


def show_status(session: Session, given: argparse.Namespace) -> None:
    """The current window of a period."""
    rows = session.ask("list_summaries", period=given.period, **_told(given, "tier", "provider", "component"))
    _table(session, rows, rows, _STATUS)


def show_usage(session: Session, given: argparse.Namespace) -> None:
    """Usage of the last days, by bucket of the period."""
    since = instants.iso(exchange.now() - given.days * _MICROSECONDS_A_DAY)
    told = _told(given, "provider", "model", "component")
    rows = session.ask("list_analytics", period=given.period, start_date=since, **told)
    _table(session, rows, rows, _USAGE)


def set_limit(session: Session, given: argparse.Namespace) -> None:
    """A cost limit of a budget, by default of the one that is called so; made where there is none."""
    budget_id = given.budget_id or _default_budget(session)
    policy = session.ask(
        "create_policy", budget_id=budget_id, period=given.period, cost_limit=given.limit, type=given.policy_type,
        warning_threshold=given.warning_threshold, action_threshold=given.action_threshold,
        **_told(given, "provider", "tier", "component"),
    )  # fmt: skip
    session.ask("add_policies", budget_id=budget_id, policies=[policy["policy_id"]])
    _said(
        session, policy, f"the {policy['period']} limit is {figures.dollars(policy['cost_limit'])} ({policy['type']})"
    )


def create_allocation(session: Session, given: argparse.Namespace) -> None:
    """A hold."""
    told = _told(given, "context_id", "component", "provider", "model", "tier", "task_type", "priority")
    made = session.ask("allocate", tokens_allocated=given.tokens, **told)
    lines = (
        f"Allocation ID: {made['allocation_id']}",
        f"Tokens: {made['tokens_allocated']:,}",
        f"Estimated cost: ${made['estimated_cost']:.4f}",
    )
    _said(session, made, "\n".join(lines))


def list_allocations(session: Session, given: argparse.Namespace) -> None:
    """Holds."""
    active = {"is_active": True} if given.active else {}
    answer = session.ask("list_allocations", limit=100, **active, **_told(given, "context_id", "component"))
    _table(session, answer["items"], answer, _ALLOCATIONS)


def release_allocation(session: Session, given: argparse.Namespace) -> None:
    """Given back."""
    answer = session.ask("release_allocation", allocation_id=given.allocation_id)
    _said(session, answer, f"released {answer['tokens_released']:,} tokens")


def list_prices(session: Session, given: argparse.Namespace) -> None:
    """Prices by the thousand tokens."""
    rows = session.ask("list_prices", **_told(given, "provider", "model"))
    _table(session, rows, rows, _PRICES)


def update_prices(session: Session, _: argparse.Namespace) -> None:
    """What the service says to it."""
    _said(session, {}, "prices come with Budget, and are new with each version of it; nothing was to be done")


def recommend(session: Session, given: argparse.Namespace) -> None:
    """The best match, others, and tips."""
    names = ("task_type", "prefer_provider", "context_size", "output_size", "max_cost")
    answer = session.ask("recommend_models", **_told(given, *names))
    best = answer["best_match"]
    if session.out.shape != "table":
        session.out.json(answer)
        return
    found = "nothing" if best is None else f"{best['provider']}/{best['model']}, ${best['estimated_cost']:.4f}"
    session.out.text(f"Best match: {found}\n")
    _table(session, answer["alternatives"], answer, _ALTERNATIVES)
    session.out.text("".join(f"Tip: {tip}\n" for tip in answer["optimization_tips"]))


def list_alerts(session: Session, given: argparse.Namespace) -> None:
    """Alerts, those that nobody has acknowledged, or the others."""
    told = _told(given, "budget_id", "severity")
    answer = session.ask("list_alerts", limit=100, acknowledged=given.acknowledged, **told)
    _table(session, answer["items"], answer, _ALERTS)


def acknowledge_alert(session: Session, given: argparse.Namespace) -> None:
    """Seen."""
    answer = session.ask("acknowledge_alert", alert_id=given.alert_id)
    _said(session, answer, f"alert {given.alert_id} is acknowledged")


def calculate(session: Session, given: argparse.Namespace) -> None:
    """What a call costs."""
    told = _told(given, "provider", "model", "input_tokens", "output_tokens")
    answer = session.ask("calculate_cost", **told)
    costs = [f"{name.capitalize()} cost: ${answer[f'{name}_cost']:.4f}" for name in ("input", "output", "total")]
    _said(session, answer, "\n".join(costs))


def _default_budget(session: Session) -> str:
    found = session.ask("list_budgets", name=BUDGET, limit=1)["items"]
    made = found[0] if found else session.ask("create_budget", name=BUDGET)
    return str(made["budget_id"])


def _told(given: argparse.Namespace, *names: str) -> Row:
    return {name: value for name in names if (value := getattr(given, name)) is not None}


# How it looks


def _text(name: str) -> Callable[[Row], str]:
    return lambda row: "-" if row.get(name) is None else figures.visible(documents.plain(row[name]))


def _count(name: str) -> Callable[[Row], str]:
    return lambda row: "-" if row.get(name) is None else f"{row[name]:,}"


def _money(name: str, digits: int, times: int = 1) -> Callable[[Row], str]:
    return lambda row: "-" if row.get(name) is None else f"${Decimal(row[name]) * times:.{digits}f}"


def _mark(name: str) -> Callable[[Row], str]:
    return lambda row: "✓" if row.get(name) else "✗"


def _short(name: str) -> Callable[[Row], str]:
    return lambda row: f"{str(row[name])[:8]}..."


def _share(row: Row) -> str:
    return f"{Decimal(str(row['cost_usage_percentage'])) * 100:.1f}%"


Column = tuple[str, Callable[[Row], str]]

_STATUS: Final[Sequence[Column]] = (
    ("Period", _text("period")), ("Provider", _text("provider")), ("Tier", _text("tier")),
    ("Component", _text("component")), ("Tokens Used", _count("total_tokens_used")),
    ("Token Limit", _count("token_limit")), ("Cost", _money("total_cost", 2)), ("Cost Limit", _money("cost_limit", 2)),
    ("Usage %", _share),
)  # fmt: skip
_USAGE: Final[Sequence[Column]] = (
    ("Date", _text("date")), ("Provider", _text("provider")), ("Model", _text("model")),
    ("Component", _text("component")), ("Requests", _count("request_count")), ("Input Tokens", _count("input_tokens")),
    ("Output Tokens", _count("output_tokens")), ("Total Cost", _money("total_cost", 4)),
)  # fmt: skip
_ALLOCATIONS: Final[Sequence[Column]] = (
    ("ID", _short("allocation_id")), ("Context", _text("context_id")), ("Component", _text("component")),
    ("Provider", _text("provider")), ("Model", _text("model")), ("Tokens Alloc", _count("tokens_allocated")),
    ("Tokens Used", _count("tokens_used")), ("Remaining", _count("remaining_tokens")),
    ("Est. Cost", _money("estimated_cost", 4)), ("Active", _mark("is_active")),
)  # fmt: skip
_PRICES: Final[Sequence[Column]] = (
    ("Provider", _text("provider")), ("Model", _text("model")),
    ("Input $ / 1K", _money("input_cost_per_token", 4, 1000)),
    ("Output $ / 1K", _money("output_cost_per_token", 4, 1000)), ("Type", _text("price_type")),
    ("Source", _text("source")), ("Verified", _mark("verified")),
)  # fmt: skip
_ALERTS: Final[Sequence[Column]] = (
    ("ID", _short("alert_id")), ("Severity", _text("severity")), ("Type", _text("type")), ("Message", _text("message")),
    ("Timestamp", _text("timestamp")), ("Acknowledged", _mark("acknowledged")),
)  # fmt: skip
_ALTERNATIVES: Final[Sequence[Column]] = (
    ("Provider", _text("provider")), ("Model", _text("model")), ("Est. Cost", _money("estimated_cost", 4)),
)  # fmt: skip


def _table(session: Session, rows: Sequence[Row], whole: Any, columns: Sequence[Column]) -> None:
    if session.out.shape != "table":
        session.out.json(whole)
        return
    cells = [[write(row) for _, write in columns] for row in rows]
    output.draw(output.table(cells, [title for title, _ in columns]))


def _said(session: Session, answer: Row, text: str) -> None:
    if session.out.shape == "table":
        session.out.text(f"{text}\n")
    else:
        session.out.json(answer)
