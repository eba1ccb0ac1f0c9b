"""Which sums answer a report to the unit: the coarsest whose buckets end where its own do, else the records themselves.

Buckets are those of each budget's zone, and of every zone it had since the report begins: rollups keep the buckets of
the zone in force when they were written (rule 11.1).
"""

import bisect
from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from budget.domain import periods
from budget.domain.configuration import Configuration
from budget.domain.errors import Invalid
from budget.domain.reports import FIELDS, TAG, Cut, Question
from budget.engine.buckets import DAY, counted_budgets, runs
from budget.storage import past_sums, record_sums, reports
from budget.storage.database import Connection
from budget.storage.record_sums import Tag
from budget.storage.reports import LABEL, START, Groups, Stretch, Sums, ZoneChange

MOST_RECORD_DAYS: Final = 92
MOST_HOURLY_DAYS: Final = 400
"""A series is put together from hours for so long, where its own days are not those of the budgets."""

ROLLUPS: Final = "rollups"
RECORDS: Final = "records"

_EARLY: Final = 5 * 60 * 1_000_000
"""Usage may be booked so long before its time comes (rule 3.1)."""


class Found(NamedTuple):
    """Sums by window (its place in the cut) and fields, what was added up, and the changes of zone."""

    groups: Groups
    source: str
    zone_changes: list[ZoneChange]


class _Owners(NamedTuple):
    """Budgets whose buckets are alike, None where they are all that there are; and the zones of these buckets."""

    budget_ids: tuple[str, ...] | None
    zones: frozenset[str]


def read(connection: Connection, configuration: Configuration, question: Question, cut: Cut) -> Found:
    """The sums of a report, exactly."""
    groups: Groups = {}
    source = ROLLUPS
    owners, changes = _owners(connection, configuration, question)
    for each in owners:
        grain = _grain(configuration, each.zones, cut)
        if question.known_at is not None and (grain == RECORDS or cut.labels):
            raise Invalid("as_known_on", "takes no user, no tag, and no time zone but the budget's")
        if grain == RECORDS:
            source = RECORDS
            found = _of_records(connection, each, question, cut)
        else:
            found = _of_rollups(connection, each, question, cut, grain)
        for key, sums in found.items():
            groups.setdefault(key, Sums()).add(sums)
    return Found(groups, source, changes)


def _owners(
    connection: Connection, configuration: Configuration, question: Question
) -> tuple[list[_Owners], list[ZoneChange]]:
    since = question.window.start - _EARLY
    asked, counted = counted_budgets(configuration, question)
    touched = [budget.budget_id for budget in counted if budget.updated_at > since]
    changes = reports.zone_changes(connection, touched, since)
    zones: dict[str, set[str]] = {budget.budget_id: {budget.time_zone} for budget in counted}
    for change in changes:
        zones[change.budget_id] |= {change.before, change.after}
    alike: dict[frozenset[str], list[str]] = {}
    for budget_id, its_zones in zones.items():
        alike.setdefault(frozenset(its_zones), []).append(budget_id)
    everything = len(alike) == 1 and len(counted) == asked
    return [_Owners(None if everything else tuple(ids), its_zones) for its_zones, ids in alike.items()], changes


def _grain(configuration: Configuration, zones: frozenset[str], cut: Cut) -> str:
    """`day`, `hour`, `day` with hours at its edges (`edged`), or records."""
    *inner, end = cut.bounds
    start = inner.pop(0)
    if cut.labels:
        kinds = {_label_kind(field) for field in cut.labels}
        kept = len(cut.labels) == 1 and kinds <= {"user_id", *configuration.rules.report_tags}
        return "day" if kept and _begin(zones, "daily", cut.bounds) else RECORDS
    if not _begin(zones, "hourly", cut.bounds):
        return RECORDS
    if not _begin(zones, "daily", inner):
        return "hour"
    if _begin(zones, "daily", (start, end)):
        return "day"
    return "edged" if len(zones) == 1 else "hour"


def _begin(zones: Iterable[str], period: str, bounds: Iterable[int]) -> bool:
    """Whether a window of the period begins at each of these instants, in each of these zones."""
    return all(periods.window_at(period, zone, bound).start == bound for bound in bounds for zone in zones)


def _label_kind(field: str) -> str:
    return FIELDS.get(field) or field.removeprefix(TAG)


# From rollups


def _of_rollups(connection: Connection, owners: _Owners, question: Question, cut: Cut, grain: str) -> Groups:
    window = question.window
    if grain == "edged":
        (zone,) = owners.zones
        stretches = [Stretch(*run, owners.budget_ids) for run in runs(zone, window)]
    else:
        if grain == "hour" and cut.is_series and window.end - window.start > MOST_HOURLY_DAYS * DAY:
            raise Invalid(
                "from", f"in a time zone that is not the budget's, a series has at most {MOST_HOURLY_DAYS} days"
            )
        stretches = [Stretch(grain, window.start, window.end, owners.budget_ids)]
    columns = [_column(field) for field in cut.by]
    series = [START] if cut.is_series else []
    if question.known_at is not None:
        found = past_sums.sums(connection, question.known_at, stretches, [*series, *columns], question.conditions)
    elif not cut.labels:
        found = reports.sums(connection, stretches, [*series, *columns], question.conditions)
    else:
        kind = _label_kind(cut.labels[0])
        found = _labelled(connection, stretches[0], [*series, *columns], question.conditions, kind)
    if not cut.is_series:
        return {(0, *key): sums for key, sums in found.items()}
    starts = [each.start for each in cut.windows]
    groups: Groups = {}
    for (at, *key), sums in found.items():
        groups.setdefault((bisect.bisect(starts, at) - 1, *key), Sums()).add(sums)
    return groups


def _labelled(
    connection: Connection, stretch: Stretch, by: list[str], conditions: Mapping[str, str | None], kind: str
) -> Groups:
    """By label, and under None what has no such label: all there is less what has one."""
    at = by.index(LABEL)
    groups = reports.sums(connection, [stretch._replace(grain="label", label_kind=kind)], by, conditions)
    rest = {
        (*key[:at], None, *key[at:]): sums
        for key, sums in reports.sums(connection, [stretch], [*by[:at], *by[at + 1 :]], conditions).items()
    }
    for key, sums in groups.items():
        rest[(*key[:at], None, *key[at + 1 :])].take(sums)
    nothing = Sums()
    return groups | {key: sums for key, sums in rest.items() if sums != nothing}


def _column(field: str) -> str:
    return LABEL if field == "user" or field.startswith(TAG) else FIELDS[field]


# From records


def _of_records(connection: Connection, owners: _Owners, question: Question, cut: Cut) -> Groups:
    window = question.window
    if window.end - window.start > (MOST_RECORD_DAYS + 1) * DAY:  # a day more, for clock changes and whole hours
        raise Invalid(
            "from",
            f"no sums are kept for this time zone, or for what it is grouped by: at most {MOST_RECORD_DAYS} days "
            "can be asked for",
        )
    by = [Tag(field.removeprefix(TAG)) if field.startswith(TAG) else FIELDS[field] for field in cut.by]
    return {
        (at, *key): sums
        for at, (start, end) in enumerate(cut.windows)
        for key, sums in record_sums.record_sums(
            connection, start, end, owners.budget_ids, by, question.conditions
        ).items()
    }
