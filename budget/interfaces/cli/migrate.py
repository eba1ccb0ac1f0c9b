"""`budget migrate`: what Rhetor or Apollo left on disk, taken over, rehearsed, or taken back.

On the database itself while the service stands still; through the service while it runs, or where one is named.
"""

import argparse
import asyncio
import gc
import json
import os
import sys
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from budget.domain.instants import zone_exists
from budget.interfaces.cli import exits, profiles, projected
from budget.interfaces.cli.parsers import Parser, add_service
from budget.settings import Settings

STATUS = {"complete": exits.DONE, "undone": exits.DONE, "partial": exits.PARTIAL, "failed": exits.UNREADABLE}

PATIENCE_SECONDS = 24 * 3600.0
EVERY = 10_000

Work = Callable[[Any], Awaitable[dict[str, Any]]]


def add_commands(parser: Parser) -> None:
    """The commands of `budget migrate`."""
    commands = parser.commands()
    for kind, what in (("rhetor", "databases (budget.db, rhetor.db)"), ("apollo", "folders (budget_data)")):
        command = commands.add(kind, help=f"take over {kind.capitalize()}'s {what}")
        command.add_argument("paths", nargs="*", metavar="PATH", help="default: the usual places")
        command.add_argument("--dry-run", action="store_true", help="write nothing, and say what would be")
        command.add_argument("--time-zone", metavar="TZ", help="of the old timestamps (default: this machine's)")
        command.add_argument("--as-warn", action="store_true", help="limits that were never enforced only warn")
        command.add_argument("--report", type=Path, metavar="FILE", help="write the report there, too, as JSON")
        _shared(command)
        command.set_defaults(run=_migrate, kind=kind)
    projected.add_verbs(commands)
    undo = commands.add("undo", help="take a migration back by correcting entries")
    undo.add_argument("migration_id", metavar="ID")
    _shared(undo)
    undo.set_defaults(run=_undo)


def _shared(command: Parser) -> None:
    add_service(command)
    command.add_argument("--json", action="store_true", help="one JSON document in the place of lines")


def _migrate(settings: Settings, given: argparse.Namespace) -> int:
    body = {
        "kind": given.kind,
        "paths": [str(Path(path).expanduser().absolute()) for path in given.paths],
        "dry_run": given.dry_run,
        "time_zone": given.time_zone or _zone_of_environment(),
        "as_warn": given.as_warn,
    }
    found = _done(settings, given, "/api/migrations", body, lambda ledger: _direct(ledger, body))
    if given.report is not None:
        given.report.write_text(json.dumps(found, indent=2) + "\n")
    print(json.dumps(found) if given.json else "\n".join(_lines(found)))
    return STATUS[found["state"]]


def _undo(settings: Settings, given: argparse.Namespace) -> int:
    from budget.engine import migrations  # noqa: PLC0415 -- slow to import

    path = f"/api/migrations/{given.migration_id}/undo"
    found = _done(settings, given, path, {}, lambda ledger: migrations.undo(ledger, given.migration_id))
    if given.json:
        print(json.dumps(found))
    else:
        undone = found["undone"]
        print(f"migration {found['migration_id']} is undone: {undone['usage']:,} records voided, "
              f"{undone['allocations']:,} allocations released")  # fmt: skip
        for policy in found["kept_policies"]:
            print(f"  policy {policy['policy_id']} stays: {policy['reason']}")
    return STATUS[found["state"]]


def _zone_of_environment() -> str | None:
    name = os.environ.get("TZ", "").removeprefix(":")
    return name if zone_exists(name) else None


async def _direct(ledger: Any, body: dict[str, Any]) -> dict[str, Any]:
    from budget.engine import migrations  # noqa: PLC0415 -- slow to import

    told = _Progress()
    request = migrations.request(ledger, body["kind"], body["paths"], body["time_zone"], as_warn=body["as_warn"])
    if body["dry_run"]:
        return await migrations.rehearse(ledger, request, told)
    report, _ = await migrations.take_over(ledger, request, tell=told)
    return report


class _Progress:
    """A line now and then, for somebody who waits."""

    def __init__(self) -> None:
        self._next = EVERY

    def __call__(self, path: str, records: int) -> None:
        if records >= self._next and sys.stderr.isatty():
            self._next = records + EVERY
            print(f"{path}: {records:,} records", file=sys.stderr, flush=True)


# Where it is done


def _done(settings: Settings, given: argparse.Namespace, path: str, body: dict[str, Any], work: Work) -> dict[str, Any]:
    from budget.engine.ledger import Locked  # noqa: PLC0415 -- slow to import

    service = profiles.resolved(vars(given), os.environ, settings.endpoint)
    if service["api_url"].source != "default":  # somebody named it: other commands ask it, too
        return _asked(service, path, body)
    if body.get("dry_run"):
        return asyncio.run(_reading(settings, work))
    try:
        return asyncio.run(_writing(settings, work))
    except Locked:
        print(f"budget: the service runs on this database: asking it at {settings.endpoint}", file=sys.stderr)
        return _asked(service, path, body)


async def _writing(settings: Settings, work: Work) -> dict[str, Any]:
    ledger = _open_ledger(settings)
    try:
        await ledger.start()
        gc.freeze()  # as the service does: else the collector takes a sixth of the time
        gc.set_threshold(20_000, 20, 20)
        return await work(ledger)
    finally:
        await ledger.stop()


async def _reading(settings: Settings, work: Work) -> dict[str, Any]:
    """On what is there, without a lock; where there is nothing yet, on a new ledger that nobody sees."""
    path = settings.database_path
    if path is None or path.is_file():
        ledger = _open_ledger(settings)
        try:
            return await work(ledger)
        finally:
            await ledger.stop()
    with TemporaryDirectory(prefix="budget-rehearsal-") as folder:
        return await _writing(settings.model_copy(update={"database_url": f"sqlite:///{folder}/budget.db"}), work)


def _open_ledger(settings: Settings) -> Any:
    from uvicorn.importer import import_from_string  # noqa: PLC0415 -- as `serve` does: interfaces do not know the wiring

    return import_from_string("budget.app:open_ledger")(settings)


def _asked(service: Mapping[str, profiles.Value], path: str, body: dict[str, Any]) -> dict[str, Any]:
    import httpx  # noqa: PLC0415 -- slow to import

    from budget.client import Unavailable, exchange  # noqa: PLC0415 -- likewise

    url, key = str(service["api_url"].value).rstrip("/"), service["api_key"].value
    timeout = httpx.Timeout(float(service["timeout_seconds"].value or 0), read=PATIENCE_SECONDS)
    headers = {} if key is None else {"X-API-Key": key}
    try:
        answer = httpx.post(f"{url}{path}", json=body, headers=headers, timeout=timeout, trust_env=False)
        found: dict[str, Any] = answer.json()
    except (httpx.HTTPError, ValueError) as error:
        message = f"no answer of Budget's from {url} ({type(error).__name__}); does it run? --api-url names another"
        raise Unavailable(message) from error
    if answer.is_error:
        raise exchange.error_of(answer)
    return found


# The report


def _lines(report: dict[str, Any]) -> list[str]:
    would = "would be " if report["dry_run"] else ""
    name = "rehearsal" if report["dry_run"] else f"migration {report['migration_id']}"
    lines = [f"{name} of {report['kind']}, times read in {report['time_zone']}: {report['state']}"]
    for source in report["sources"]:
        failure = f": {source['error']}" if source["error"] else ""
        lines.append(f"{source['path']}: {source['state']}{failure}")
        kinds = (kind for kind in ("usage", "policies", "allocations") if source[kind]["found"])
        lines += [f"  {kind}: {_counted(source[kind], would)}" for kind in kinds]
        if source["totals"]["records"]:
            lines.append(f"  {would}imported: {_sums(source['totals'])}")
            rows = source["by_month_provider"]
            lines += [f"    {row['month']} {row['provider'] or 'no provider'}: {_sums(row)}" for row in rows]
        lines += [f"  left out: {each['identity']}: {each['reason']}" for each in source["rejected"]]
        if source["rejected_unlisted"]:
            lines.append(f"  … and {source['rejected_unlisted']:,} more")
        lines += [f"  note: {note}" for note in source["notes"]]
        lines += [f"  DIFFERS from what was read: {difference}" for difference in source["differences"]]
    for policy in report["policies"]:
        lines += [f"  {_named(policy)}: {note}" for note in policy["notes"]]
    if report["prices"]["found"]:
        lines.append(f"  prices: {_counted(report['prices'], would)}")
    return lines


def _counted(tally: dict[str, Any], would: str) -> str:
    imported = tally["would_import" if would else "imported"]
    counts = f"{tally['found']:,} found, {imported:,} {would}imported, {tally['already_present']:,} already present"
    return f"{counts}, {tally['skipped']:,} skipped, {tally['invalid']:,} invalid"


def _sums(sums: dict[str, Any]) -> str:
    return f"{sums['records']:,} records, {sums['total_tokens']:,} tokens, ${sums['cost']}"


def _named(policy: dict[str, Any]) -> str:
    if "policy_id" in policy:
        return f"policy {policy['policy_id']} ({policy['becomes']})"
    return f"{policy['period']} limit of {policy['limit_amount']} for {policy['provider']} ({policy['becomes']})"
