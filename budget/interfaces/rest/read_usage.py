"""The reading routes of usage: records, summaries, analytics."""

from typing import Annotated

import msgspec
from fastapi import APIRouter, Query, Request
from msgspec import Meta
from starlette.responses import Response

from budget.domain import commands, vocabulary
from budget.engine import queries, summaries
from budget.interfaces.rest import read_examples, views, wire
from budget.interfaces.rest import read_parameters as given
from budget.interfaces.rest.read_parameters import (
    Id,
    Limit,
    Page,
    PeriodWord,
    Text,
    When,
    Word,
    a_page,
    documented,
    ledger_of,
    listed,
)
from budget.interfaces.rest.wire import reply

router = APIRouter(tags=["usage"])


class UsageSummaryRequest(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Which usage to sum up."""

    period: commands.Word
    budget_id: commands.Name | None = None
    tier: commands.Word | None = None
    provider: commands.Name | None = None
    component: commands.Name | None = None
    model: commands.Name | None = None
    task_type: commands.Name | None = None
    start_time: commands.Instant | None = None
    end_time: commands.Instant | None = None
    days: Annotated[int, Meta(ge=1, le=366)] | None = None


@router.get(
    "/usage/records",
    **documented("List usage records", a_page(read_examples.RECORD) | {"top_usage": [read_examples.TOP]}, 404),
)
async def list_records(  # noqa: PLR0913 -- the query's fields
    request: Request,
    *,
    page: Page = 1,
    limit: Limit = 20,
    budget_id: Text = None,
    context_id: Text = None,
    allocation_id: Text = None,
    component: Text = None,
    provider: Text = None,
    model: Text = None,
    task_type: Text = None,
    start_date: When = None,
    end_date: When = None,
    include_superseded: Annotated[bool, Query()] = False,
) -> Response:
    """Usage records, newest first; `end_date` as a date includes that day.

    `total` is exact where sums are kept for the filters, else counted to 10,000 (`total_exact` says which). The first
    page has `top_usage`: the models that cost most in 30 days.
    """
    filters = {
        "budget_id": budget_id,
        "context_id": context_id,
        "allocation_id": allocation_id,
        "component": component,
        "provider": given.lower(provider),
        "model": model,
        "task_type": task_type,
    }
    ledger = ledger_of(request)
    found = await queries.list_records(
        ledger, filters, page, limit, start=start_date, end=end_date, include_superseded=include_superseded
    )
    answer = listed(found, page, limit, views.usage_record_view)
    if page == 1:
        answer["top_usage"] = await summaries.top_usage(ledger, filters)
    return reply(answer)


@router.get("/usage/records/{record_id}", **documented("Get a usage record", read_examples.RECORD, 404))
async def get_record(request: Request, record_id: Id) -> Response:
    """One usage record; one that was corrected names what replaced it."""
    return reply(views.usage_record_view(await queries.get_record(ledger_of(request), record_id)))


@router.post(
    "/usage/summary",
    **documented("Sum up usage", read_examples.USAGE_SUMMARY, 404, body=UsageSummaryRequest),
)
async def usage_summary(request: Request) -> Response:
    """Totals, groups and a daily series of the current window, of the last `days`, or of `start_time` to `end_time`.

    Without a budget it covers all of them. Unknown fields are ignored.
    """
    asked = await wire.decode(request, UsageSummaryRequest, lenient=True)
    filters = {
        "tier": given.tier(asked.tier),
        "provider": given.lower(asked.provider),
        "component": asked.component,
        "model": asked.model,
        "task_type": asked.task_type,
    }
    return reply(
        await summaries.usage_summary(
            ledger_of(request),
            vocabulary.period(asked.period),
            budget_id=asked.budget_id,
            filters=filters,
            start=asked.start_time,
            end=asked.end_time,
            days=asked.days,
        )
    )


@router.get("/usage/summary", **documented("Sum up a period", [read_examples.SUMMARY_ROW], 404))
async def summary_rows(
    request: Request,
    *,
    period: PeriodWord = "daily",
    budget_id: Text = None,
    tier: Word = None,
    provider: Text = None,
    component: Text = None,
) -> Response:
    """One row for the current window of the budget (by default the default one); usage is a ratio."""
    filters = {"tier": given.tier(tier), "provider": given.lower(provider), "component": component}
    rows = await summaries.summary_rows(
        ledger_of(request), vocabulary.period(period), budget_id=budget_id, filters=filters
    )
    return reply(rows)


@router.get("/usage/analytics", **documented("Break usage down", [read_examples.ANALYTICS], 404))
async def usage_analytics(
    request: Request,
    *,
    period: PeriodWord = "daily",
    budget_id: Text = None,
    provider: Text = None,
    model: Text = None,
    component: Text = None,
    start_date: When = None,
    end_date: When = None,
) -> Response:
    """One row for each hour, day, week or month, provider, model and component; by default of the last 7 days."""
    filters = {"provider": given.lower(provider), "model": model, "component": component}
    rows = await summaries.usage_analytics(
        ledger_of(request),
        vocabulary.period(period),
        budget_id=budget_id,
        filters=filters,
        start=start_date,
        end=end_date,
    )
    return reply(rows)
