"""The first screen: everything on it is of one moment."""

from decimal import Decimal

from budget.domain import instants
from budget.engine import dashboard, reports
from budget.engine.reports import Asked
from tests.engine.conftest import DAY, START


async def test_the_screen_has_today_the_month_the_trend_limits_alerts_and_holds(book):
    await book.price(effective_date="2026-01-01")
    budget = await book.budget()
    policy = await book.policy("warn", cost_limit="0.001", budget_id=budget.budget_id)
    own = {"budget_id": budget.budget_id}
    await book.record(100, 0, **own)
    await book.record(200, 0, model="n", occurred_at=instants.iso(START - 3 * DAY), **own)
    await book.record(400, 0, occurred_at=instants.iso(START - 28 * DAY), **own)
    await book.record(7, 7)
    await book.hold(50, **own)
    found = await dashboard.screen(book.ledger, Asked(by=("model",), budget_id=budget.budget_id))
    assert [dashboard.figures(each)["count"] for each in (found.today, found.month, found.trend)] == [1, 2, 3]
    assert dashboard.figures(found.today)["cost"] == Decimal("0.001")
    assert [row["policy_id"] for row in found.limits] == [policy.policy_id]
    assert (found.alerts.total, found.holds.total, found.held.tokens) == (3, 1, 50)
    assert found.as_of_seq == (await book.entries())[-1].seq
    assert [(row["model"], row["total_tokens"]) for row in dashboard.top(found.trend)] == [("m", 500), ("n", 200)]
    assert len(reports.series(found.trend)["buckets"]) == 30


async def test_an_empty_ledger_has_a_screen(book):
    found = await dashboard.screen(book.ledger, Asked())
    assert dashboard.figures(found.trend)["count"] == 0
    assert (dashboard.top(found.trend), found.limits_total > 9) == ([], True)
