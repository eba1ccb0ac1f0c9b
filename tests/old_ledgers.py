"""Old ledgers for tests: what the old managers themselves wrote, and databases made row by row."""

import hashlib
import json
import shutil
import sqlite3
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from benchmarks.migrate import SETTINGS, USAGE
from budget.adapters.migration import places

LEGACY = Path(__file__).parent / "adapters" / "migration" / "legacy"
EXPECTED: dict[str, Any] = json.loads((LEGACY / "expected.json").read_text())
ZONE = "America/New_York"
READERS = places.readers(None)

_NAMES = "timestamp, provider, model, component, task_type, input_tokens, output_tokens, cost, metadata"


def copied(folder: Path, *names: str) -> list[str]:
    """Copies of the old managers' own files: `rhetor/budget.db`, `rhetor/rhetor.db`, `apollo`."""
    paths = []
    for name in names:
        source, target = LEGACY / name, folder / "old" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        (shutil.copytree if source.is_dir() else shutil.copy)(source, target)
        paths.append(str(target))
    return paths


def hashes(folder: Path) -> dict[str, str]:
    """What the files of a folder are, byte by byte."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def a_row(**fields: Any) -> tuple[Any, ...]:
    """A row of Rhetor's usage, without its id."""
    row = {
        "timestamp": "2025-06-10T12:00:00.000001",
        "provider": "openai",
        "model": "gpt-4o",
        "component": "ergon",
        "task_type": "chat",
        "input_tokens": 100,
        "output_tokens": 50,
        "cost": 0.0025,
        "metadata": "{}",
    }
    return tuple((row | fields).values())


def a_limit(**fields: Any) -> tuple[Any, ...]:
    """A row of Rhetor's budget_settings, without its id."""
    row = {
        "period": "daily",
        "provider": "openai",
        "limit_amount": 5.0,
        "enforcement": "enforce",
        "start_date": "2025-06-01T00:00:00",
        "active": 1,
    }
    return tuple((row | fields).values())


def rhetor(path: Path, rows: Iterable[tuple[Any, ...]] = (), limits: Iterable[tuple[Any, ...]] = ()) -> str:
    """A database as Rhetor makes it; rows are added to one that is there."""
    with sqlite3.connect(path) as connection:
        for table in (USAGE, SETTINGS):
            connection.execute(table.replace("CREATE TABLE", "CREATE TABLE IF NOT EXISTS"))
        connection.executemany(f"INSERT INTO usage ({_NAMES}) VALUES ({', '.join('?' * 9)})", rows)
        connection.executemany(
            "INSERT INTO budget_settings (period, provider, limit_amount, enforcement, start_date, active) "
            "VALUES (?, ?, ?, ?, ?, ?)",
            limits,
        )
    connection.close()
    return str(path)
