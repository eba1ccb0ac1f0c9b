"""Reports as operations of the catalogue: usage by any two fields, over time, and against limits."""

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from budget.domain.periods import CLOCK_PERIODS
from budget.domain.reports import BUCKETS
from budget.engine import burn_down, forecasts, reports
from budget.engine.ledger import Ledger
from budget.engine.reports import Asked
from budget.operations import reading
from budget.operations.requests import ClockPeriod, Overlap, Query, Text, When, Word

By = Annotated[
    tuple[Text, ...],
    Meta(max_length=2, description="up to two of provider, model, component, task_type, tier, budget, user, tag:NAME"),
]
Zone = Annotated[str, Meta(max_length=60, description="an IANA time zone; by default the budget's")]
Bucket = Annotated[str, Meta(max_length=40, description="hour, day, week or month")]
Current = Annotated[str, Meta(max_length=40, description="hourly, daily, weekly or monthly: its current window")]
Unit = Annotated[str, Meta(max_length=40, description="cost or tokens")]


class Narrowed(Query, frozen=True, kw_only=True):
    """Which usage, by what."""

    by: By = ()
    time_zone: Zone | None = None
    budget_id: Text | None = None
    provider: Text | None = None
    model: Text | None = None
    component: Text | None = None
    task_type: Text | None = None
    tier: Word | None = None
    include_overlap: Overlap = False


class ReportQuery(Narrowed, frozen=True, kw_only=True):
    """Which usage; without a stretch of time that of the last 30 days, today included."""

    period: Current | None = None
    start: When | None = msgspec.field(name="from", default=None)
    end: When | None = msgspec.field(name="to", default=None)
    as_known_on: Annotated[When, Meta(description="as it was known then; a date is its end")] | None = None


class ReportSummary(ReportQuery, frozen=True, kw_only=True):
    """Which usage, by what, and in buckets of what length; without a stretch of time that of the last 30 days."""

    bucket: Bucket | None = None


class ReportTrend(ReportQuery, frozen=True, kw_only=True):
    """Which usage, by what, and in buckets of what length; without a stretch of time that of the last 30 days."""

    bucket: Bucket = "day"


class ReportTop(ReportQuery, frozen=True, kw_only=True):
    """Which usage, by what (by default models), and how many."""

    unit: Unit = "cost"
    limit: Annotated[int, Meta(ge=1, le=100)] = 10


class ReportForecast(Narrowed, frozen=True, kw_only=True):
    """What to forecast: which current window (daily, weekly or monthly), of what, by what."""

    period: ClockPeriod = "monthly"
    unit: Unit = "cost"


class ReportCoverage(ReportQuery, frozen=True, kw_only=True):
    """Which usage, by what: by default models."""


class ReportBurnDown(Query, frozen=True, kw_only=True):
    """Whose limits (by default the default budget's), of which period, in which unit."""

    period: ClockPeriod = "monthly"
    unit: Unit | None = None
    bucket: Bucket | None = None
    budget_id: Text | None = None


async def report_summary(ledger: Ledger, asked: ReportSummary) -> dict[str, Any]:
    """What was used, grouped by up to two fields, and in buckets of time if asked; what cost most comes first.

    Sums are exact, whatever the grouping. They come from rollups; for a time zone that is not the budget's, an
    undeclared tag or two labels at once from the records, of at most 92 days. What has no such field stands under null.
    """
    return await reports.summary(ledger, _asked(asked, asked.bucket))


async def report_trend(ledger: Ledger, asked: ReportTrend) -> dict[str, Any]:
    """The same as a series, oldest first; `buckets` lists every bucket, those without usage included."""
    return await reports.trend(ledger, _asked(asked, asked.bucket))


async def report_top(ledger: Ledger, asked: ReportTop) -> dict[str, Any]:
    """What cost most (or used most tokens), each with its share of all; `others` is what the rest comes to."""
    unit = reading.one_of(asked.unit, reading.UNITS, "unit") or "cost"
    return await reports.top(ledger, _asked(asked, None, ("provider", "model")), unit, asked.limit)


async def report_coverage(ledger: Ledger, asked: ReportCoverage) -> dict[str, Any]:
    """How far the figures can be trusted: what share is priced, estimated, or charged for calls that went silent."""
    return await reports.how_far(ledger, _asked(asked, None, ("provider", "model")))


async def report_forecast(ledger: Ledger, asked: ReportForecast) -> dict[str, Any]:
    """What the current window will have used at its end, of each group and in all; with its limits and theirs.

    It takes 7 whole days since the first usage (`insufficient_history` until then); from 28 days on weekdays count
    apart. Four times in five it ends between `projected_low` and `projected_high`, if days vary as they did.
    """
    unit = reading.one_of(asked.unit, reading.UNITS, "unit") or "cost"
    return await forecasts.forecasts(ledger, _narrowed(asked), asked.period.lower(), unit)


async def report_burn_down(ledger: Ledger, asked: ReportBurnDown) -> dict[str, Any]:
    """What was left of each limit after each bucket of its current window, beside an even pace.

    `remaining` is limit − used; what is held stands in `limits`, with a forecast for each.
    """
    return await burn_down.burn_down(
        ledger,
        reading.one_of(asked.period, CLOCK_PERIODS, "period") or "monthly",
        reading.one_of(asked.bucket, tuple(BUCKETS), "bucket"),
        budget_id=asked.budget_id,
        unit=reading.one_of(asked.unit, reading.UNITS, "unit"),
    )


def _asked(asked: ReportQuery, bucket: str | None, by: tuple[str, ...] = ()) -> Asked:
    return _narrowed(asked)._replace(
        by=asked.by or by,
        bucket=reading.one_of(bucket, tuple(BUCKETS), "bucket"),
        period=reading.one_of(asked.period, CLOCK_PERIODS, "period"),
        start=asked.start,
        end=asked.end,
        known_on=asked.as_known_on,
    )


def _narrowed(asked: Narrowed) -> Asked:
    filters = reading.narrowed(asked, "provider", "model", "component", "task_type", "tier")
    return Asked(
        by=asked.by,
        time_zone=asked.time_zone,
        budget_id=asked.budget_id,
        filters={field: value for field, value in filters.items() if value is not None},
        include_overlap=asked.include_overlap,
    )
