"""Take an older ledger over, rehearse that, or take it back: bounded parts, each through the one writer.

A source is read in a thread while the part before is being committed. Usage comes first, then allocations, then limits:
a limit then begins with what its current window holds, and raises no alert for windows long gone.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, TypeVar

import msgspec

from budget.domain import instants, periods
from budget.domain.entries import ANONYMOUS, Caller
from budget.domain.errors import Conflict, Invalid, NotFound
from budget.domain.imported_policies import CONFLICTS
from budget.domain.importing import IMPORTED, PRESENT
from budget.domain.migration_reports import ALLOCATIONS, POLICIES, USAGE, Account, SourceAccount
from budget.domain.migrations import (
    KINDS,
    BeginMigration,
    BeginUndo,
    Contents,
    FinishMigration,
    FoundPolicy,
    Migration,
    Reader,
    Rejected,
    Request,
    Source,
    SourceFailed,
    SourceMissing,
    UndoImports,
)
from budget.engine import migration_checks
from budget.engine.ledger import Ledger
from budget.engine.migration_booking import Booking, Rehearsal, Target
from budget.storage import migrations

Tell = Callable[[str, int], None]
"""Told of a source and how many of its records are done."""

Limits = list[tuple[SourceAccount, FoundPolicy]]
Item = TypeVar("Item")


async def take_over(
    ledger: Ledger,
    asked: Request,
    caller: Caller = ANONYMOUS,
    key: str | None = None,
    tell: Tell = lambda _, __: None,
) -> tuple[dict[str, Any], bool]:
    """Run a migration to its end, going on where the same request was interrupted.

    Gives its report, and whether that repeats an earlier answer to this key.
    """
    reader = reader_of(ledger, asked.kind)
    begun = await ledger.submit(
        BeginMigration(kind=asked.kind, request=text_of(asked), time_zone=asked.time_zone), caller, key
    )
    migration: Migration = begun.answer
    if migration.state == "running":
        try:
            return await _run(ledger, reader, asked, migration, caller, tell), begun.replayed
        except Conflict:  # another run of the same migration has come to its end first, and this one may stop
            migration = await get(ledger, migration.migration_id)
            if migration.finished_at is None:
                raise
    return shown(migration)["report"], True


async def _run(
    ledger: Ledger, reader: Reader, asked: Request, migration: Migration, caller: Caller, tell: Tell
) -> dict[str, Any]:
    account = Account()
    await _walk(reader, asked, Booking(ledger, migration, caller), account, ledger.now(), tell)
    budget_zone = (await ledger.refresh()).zone_of(migration.budget_id)
    await migration_checks.compare(ledger.database, migration, account, asked.time_zone, budget_zone)
    ids = {"migration_id": migration.migration_id, "budget_id": migration.budget_id}
    report = account.shown(dry_run=False, **ids, **_said(asked))
    text = msgspec.json.encode(report).decode()
    await ledger.submit(FinishMigration(migration_id=migration.migration_id, state=account.state, report=text), caller)
    return report


async def rehearse(ledger: Ledger, asked: Request, tell: Tell = lambda _, __: None) -> dict[str, Any]:
    """The report that a migration would give; the ledger is only read, and need not have been started."""
    reader, account = reader_of(ledger, asked.kind), Account()
    rehearsal = Rehearsal(ledger, text_of(asked))
    await ledger.refresh()
    try:
        await _walk(reader, asked, rehearsal, account, ledger.now(), tell)
    finally:
        rehearsal.close()
    return account.shown(dry_run=True, migration_id=None, budget_id=None, **_said(asked))


async def undo(ledger: Ledger, migration_id: str, caller: Caller = ANONYMOUS) -> dict[str, Any]:
    """Take a migration back: limits off, allocations released, records voided; then it can be run anew."""
    kept = (await ledger.submit(BeginUndo(migration_id=migration_id), caller)).answer
    migration = await get(ledger, migration_id)
    undone = {"usage": 0, "allocations": 0}
    after: int | None = migration.first_seq
    while after is not None:
        after, counts = (await ledger.submit(UndoImports(migration_id=migration_id, after=after), caller)).answer
        undone = {kind: count + counts.get(kind, 0) for kind, count in undone.items()}
    return {"migration_id": migration_id, "state": "undone", "undone": undone, "kept_policies": kept}


def request(ledger: Ledger, kind: str, paths: Sequence[str], time_zone: str | None, *, as_warn: bool) -> Request:
    """What is asked, the time zone of this machine where none is given; `Invalid` names what is wrong."""
    zone = time_zone or reader_of(ledger, kind).zone()
    if not periods.zone_exists(zone):
        raise Invalid("time_zone", f"{zone[:60]!r} is not a time zone such as Europe/Berlin")
    return Request(kind=kind, paths=tuple(paths), time_zone=zone, as_warn=as_warn)


def reader_of(ledger: Ledger, kind: str) -> Reader:
    """How this kind of ledger is read."""
    reader: Reader | None = ledger.readers.get(kind)
    if reader is None:
        raise Invalid("kind", f"{kind[:60]!r} is not one of {', '.join(KINDS)}")
    return reader


def text_of(asked: Request) -> str:
    """A request as it is remembered, so that the same one is known again."""
    return msgspec.json.encode(asked).decode()


async def get(ledger: Ledger, migration_id: str) -> Migration:
    """One migration; `NotFound` otherwise."""
    found = await ledger.database.read(migrations.find, migration_id)
    if found is None:
        raise NotFound(f"there is no migration {migration_id!r}", field="migration_id")
    return found


async def listed(ledger: Ledger, page: int, limit: int) -> tuple[list[Migration], int]:
    """Migrations, newest first, and how many there are."""
    return await ledger.database.read(migrations.page, (page - 1) * limit, limit)


def shown(migration: Migration) -> dict[str, Any]:
    """A migration as others see it; its report is there once it has come to its end."""
    finished = migration.finished_at
    return {
        "migration_id": migration.migration_id,
        "state": migration.state,
        "budget_id": migration.budget_id,
        "started_at": instants.iso(migration.started_at),
        "finished_at": None if finished is None else instants.iso(finished),
        **msgspec.json.decode(migration.request),
        "report": msgspec.json.decode(migration.report) or None,
    }


def _said(asked: Request) -> dict[str, Any]:
    return {name: value for name, value in msgspec.structs.asdict(asked).items() if name != "paths"}


# Reading


async def _walk(reader: Reader, asked: Request, target: Target, account: Account, now: int, tell: Tell) -> None:
    limits: Limits = []
    for source in reader.sources(asked.paths):
        told = account.source(source.path)
        try:
            await _read(source, told, target, asked, now, limits, tell)
        except SourceFailed as error:
            is_absent = isinstance(error, SourceMissing) and not source.named
            told.fail(error.message, "absent" if is_absent else "failed")
    await _take_limits(limits, target, account, as_warn=asked.as_warn)
    await _take_prices(reader, target, account, asked.kind, now)


async def _read(
    source: Source, told: SourceAccount, target: Target, asked: Request, now: int, limits: Limits, tell: Tell
) -> None:
    contents: Contents = await asyncio.to_thread(source.open, asked.time_zone, now)
    try:
        found = await asyncio.to_thread(lambda: list(contents.policies()))
        await _each(contents.usage(), lambda part: _take_usage(*part, target, told, tell))
        await _each(contents.holds(), lambda part: _take_holds(*part, target, told))
        if not contents.is_whole:
            told.state = "partial"
    finally:
        told.notes.extend(contents.notes)
        contents.close()
    for each in found:
        if isinstance(each, Rejected):
            told.reject(POLICIES, each)
        else:
            limits.append((told, each))


async def _each(parts: Iterable[Item], take: Callable[[Item], Awaitable[None]]) -> None:
    """Take part after part, while the next one is being read."""
    iterator = iter(parts)
    reading = asyncio.ensure_future(asyncio.to_thread(next, iterator, None))
    try:
        while (part := await reading) is not None:
            reading = asyncio.ensure_future(asyncio.to_thread(next, iterator, None))
            await take(part)
    finally:
        await asyncio.wait([reading])  # what is being read from is closed afterwards
        if not reading.cancelled():
            reading.exception()


async def _take_usage(file: str, items: list[Any], target: Target, told: SourceAccount, tell: Tell) -> None:
    good = _sorted_out(items, USAGE, told)
    if good:
        for given, outcome in zip(good, await target.usage(told.part(file), good), strict=True):
            told.count_usage(given, outcome)
    tell(told.path, told.tallies[USAGE].found)


async def _take_holds(file: str, items: list[Any], target: Target, told: SourceAccount) -> None:
    good = _sorted_out(items, ALLOCATIONS, told)
    if good:
        for given, outcome in zip(good, await target.holds(told.part(file), good), strict=True):
            told.count(ALLOCATIONS, outcome, given.allocation_id)


def _sorted_out(items: list[Any], kind: str, told: SourceAccount) -> list[Any]:
    good = []
    for item in items:
        if isinstance(item, Rejected):
            told.reject(kind, item)
        else:
            good.append(item)
    return good


async def _take_limits(limits: Limits, target: Target, account: Account, *, as_warn: bool) -> None:
    """Of several sources' limits of one scope the one of the latest date stands; the others are history."""
    standing: dict[str, tuple[SourceAccount, FoundPolicy]] = {}
    for told, found in limits:
        before = standing.get(found.policy.key)
        if before is None or found.policy.start_date >= before[1].policy.start_date:
            standing[found.policy.key] = (told, found)
    for told, found in limits:
        if standing[found.policy.key][1] is not found:
            stays = standing[found.policy.key][0].path
            told.reject(POLICIES, Rejected(found.policy.key, f"history: the one in {stays} stands", skipped=True))
    chosen = [(told, _softened(found) if as_warn else found) for told, found in standing.values()]
    if chosen:
        outcomes = await target.policies([found for _, found in chosen])
        for (told, found), outcome in zip(chosen, outcomes, strict=True):
            if outcome in CONFLICTS:
                told.reject(POLICIES, Rejected(found.policy.key, outcome, skipped=True))
            else:
                told.count(POLICIES, outcome, found.policy.key)
            account.tell_policy(told, found, outcome)


def _softened(found: FoundPolicy) -> FoundPolicy:
    """A limit that was stored and never enforced, as a warning."""
    policy = found.policy
    has_limit = policy.cost_limit is not None or policy.token_limit is not None
    if policy.type != "hard_limit" or found.enforced or not has_limit:
        return found
    return msgspec.structs.replace(found, policy=msgspec.structs.replace(policy, type="warn"))


async def _take_prices(reader: Reader, target: Target, account: Account, kind: str, now: int) -> None:
    """Old prices become history for those models of which the ledger knows no price at all (contract 4.4)."""
    prices = list(reader.prices(now))
    if not prices:
        return
    for price, outcome in zip(prices, await target.prices(kind, prices), strict=True):
        if outcome in (IMPORTED, PRESENT):
            account.prices.count(outcome)
        else:
            account.prices.reject(Rejected(price.price_id, outcome, skipped=True))
