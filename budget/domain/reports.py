"""What a report is asked: by which fields, over which stretch of time, in buckets of what length (rule 11.1)."""

from typing import Final, NamedTuple

from budget.domain import periods
from budget.domain.errors import Invalid
from budget.domain.periods import Window

BUCKETS: Final = {"hour": "hourly", "day": "daily", "week": "weekly", "month": "monthly"}
"""How long a bucket is, and the period of the clock that it is one window of."""

FIELDS: Final = {
    "provider": "provider",
    "model": "model",
    "component": "component",
    "task_type": "task_type",
    "tier": "tier",
    "budget": "budget_id",
    "user": "user_id",
}
"""What a report can be grouped by, beside tags, and the column that has it."""

TAG: Final = "tag:"
MOST_FIELDS: Final = 2
MOST_BUCKETS: Final = 2_400
"""A little over 92 days of hours."""


class Question(NamedTuple):
    """What to sum: over which instants, of which budget (None: all), narrowed by which fields."""

    window: Window
    budget_id: str | None
    filters: dict[str, str]
    include_overlap: bool = False
    """Whether what Apollo recorded counts in totals over all budgets: Rhetor may have seen the same (rule 11.4)."""

    known_at: int | None = None
    """As it was known at this instant; None: as it is known now."""

    @property
    def conditions(self) -> dict[str, str | None]:
        """The filters, the budget included."""
        return {**self.filters, "budget_id": self.budget_id}


class Cut(NamedTuple):
    """How the sum is cut up: by fields (`tag:NAME` among them), and by the windows of a zone that touch one another."""

    by: tuple[str, ...]
    windows: tuple[Window, ...]

    @property
    def bounds(self) -> tuple[int, ...]:
        """Every instant at which a window begins or ends."""
        return (*(window.start for window in self.windows), self.windows[-1].end)

    @property
    def is_series(self) -> bool:
        """Whether the stretch is cut into more than one window."""
        return len(self.windows) > 1

    @property
    def labels(self) -> tuple[str, ...]:
        """The fields that sums keep apart from all others: users and tags."""
        return tuple(field for field in self.by if field == "user" or field.startswith(TAG))


def fields_of(by: tuple[str, ...]) -> tuple[str, ...]:
    """The fields to group by, each once; `Invalid` for what a report cannot be grouped by."""
    if len(by) > MOST_FIELDS:
        raise Invalid("by", f"takes at most {MOST_FIELDS} fields")
    if len(set(by)) < len(by):
        raise Invalid("by", f"names {by[0]!r} twice")
    for field in by:
        if field not in FIELDS and not (field.startswith(TAG) and len(field) > len(TAG)):
            raise Invalid("by", f"{field[:60]!r} is not one of {', '.join(FIELDS)}, {TAG}NAME")
    return by


def windows_of(bucket: str | None, zone: str, window: Window) -> tuple[Window, ...]:
    """The buckets that make up a window, the first and the last cut where it begins and ends.

    >>> [each.key for each in windows_of("day", "UTC", Window(43_200_000_000, 129_600_000_000))]
    ['43200-86400', '86400-129600']
    """
    if bucket is None:
        return (window,)
    period = BUCKETS[bucket]
    found: list[Window] = []
    at = periods.window_at(period, zone, window.start)
    while at.start < window.end:
        found.append(Window(max(at.start, window.start), min(at.end, window.end)))
        if len(found) > MOST_BUCKETS:
            raise Invalid("bucket", f"there are more than {MOST_BUCKETS:,}: ask for fewer, or for longer ones")
        at = periods.next_window(period, zone, at)
    return tuple(found)
