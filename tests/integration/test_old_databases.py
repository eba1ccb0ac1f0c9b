"""For random old databases: what is migrated adds up to the source, by provider, model, component and month."""

import asyncio
import json
import shutil
import sqlite3
import tempfile
from collections import defaultdict
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from budget.domain import instants
from budget.domain.configuration import Rules
from budget.engine import migrations
from budget.engine.ledger import Ledger
from budget.storage import statements, verification
from budget.storage.database import Database
from tests import old_ledgers

ZONES = ("America/New_York", "Europe/Berlin", "Australia/Lord_Howe", "UTC")

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=12)
names = st.none() | st.sampled_from(["openai", "OpenAI", "", "unknown", "all", " x ", "ÿ"]) | texts
times = st.datetimes(datetime(1971, 1, 2), datetime(2500, 1, 1))
rows = st.tuples(
    times.map(lambda at: at.isoformat()) | st.sampled_from(["2025-11-02T01:30:00", "2025-03-09T02:30:00.000001"]),
    names,
    names,
    names,
    names,
    st.none() | st.integers(-1000, 10**9),
    st.none() | st.integers(-1000, 10**9),
    st.none() | st.sampled_from([0.0, 0.0053100000000000005, -0.25]) | st.floats(-1e3, 1e3, allow_nan=False),
    st.none() | st.sampled_from(["{}", "[]", '{"context_id": "c"}', '{"x": NaN}']) | texts,
)


@settings(max_examples=25, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(found=st.lists(rows, max_size=30), zone=st.sampled_from(ZONES))
def test_what_is_migrated_adds_up_to_the_source(migrated_sqlite, found, zone):
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(_check(migrated_sqlite, Path(folder), found, zone))


async def _check(migrated_sqlite, folder, found, zone):
    shutil.copy(migrated_sqlite, folder / "budget.db")
    path = old_ledgers.rhetor(folder / "rhetor.db", found + found[:2])
    database = Database(f"sqlite:///{folder / 'budget.db'}", synchronous="OFF")
    ledger = Ledger(database, rules=Rules(), readers=old_ledgers.READERS, sweeps=False)
    await ledger.start()
    report, _ = await migrations.take_over(ledger, migrations.request(ledger, "rhetor", [path], zone, as_warn=False))
    booked = await database.read(statements.run, _BOOKED)
    verified = await database.read(verification.verify)
    await ledger.stop()
    assert report["state"] == "complete", report
    assert _sums(_of_ledger(row, zone) for row in booked) == _sums(_of_source(path))
    assert verified.differences == 0, verified.examples


_BOOKED = (
    "SELECT provider, model, component, metadata, occurred_at, input_tokens, output_tokens, cost, original_cost "
    "FROM usage_records"
)


def _of_ledger(row, zone):
    provider, model, component, metadata, at, given_tokens, made, cost, original = row
    origin = json.loads(metadata)["imported"]
    assert abs(Decimal(original or 0) - Decimal(cost) / 10**11) <= Decimal("5E-12")
    month = f"{instants.local_time(at, instants.time_zone(zone)):%Y-%m}"
    assert origin["timestamp"][:7] == month
    named = None if "component" in origin.get("null", ()) else component
    return (provider, model, named, month), (1, given_tokens or 0, made or 0, Decimal(original or 0))


def _of_source(path):
    connection = sqlite3.connect(path)
    for stamp, provider, model, component, given_tokens, made, cost in connection.execute(
        "SELECT timestamp, provider, model, component, input_tokens, output_tokens, cost FROM usage"
    ):
        yield (provider, model, component, stamp[:7]), (1, given_tokens or 0, made or 0, Decimal(repr(cost or 0.0)))
    connection.close()


def _sums(pairs):
    sums: dict[Any, list[Any]] = defaultdict(lambda: [0, 0, 0, Decimal(0)])
    for key, amounts in pairs:
        sums[key] = [a + b for a, b in zip(sums[key], amounts, strict=True)]
    return dict(sums)
