"""A database of Rhetor's with a million rows taken over by `budget migrate`: rows a second, and the memory it takes."""

import datetime as dt
import json
import os
import random
import sqlite3
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.runs import Figures, Scale
from benchmarks.service import launch
from budget.engine.verification import verify

MODELS = (
    ("anthropic", "claude-3-opus-20240229", 0.000015, 0.000075),
    ("openai", "gpt-4o", 0.00001, 0.00003),
    ("ollama", "llama3", 0.0, 0.0),
    ("groq", "llama-3.1-70b-versatile", 0.0, 0.0),
)
COMPONENTS = ("athena", "ergon", "rhetor", "telos", "unknown")
TASKS = ("chat", "code", "default")
ROWS_A_DAY = 10_000
START = dt.datetime(2025, 4, 25)  # noqa: DTZ001 -- as Rhetor wrote it
USAGE = (
    "CREATE TABLE usage (id INTEGER PRIMARY KEY AUTOINCREMENT, timestamp TEXT, provider TEXT, model TEXT, "
    "component TEXT, task_type TEXT, input_tokens INTEGER, output_tokens INTEGER, cost REAL, metadata TEXT)"
)
SETTINGS = (
    "CREATE TABLE budget_settings (id INTEGER PRIMARY KEY AUTOINCREMENT, period TEXT, provider TEXT, "
    "limit_amount REAL, enforcement TEXT, start_date TEXT, active INTEGER)"
)
"""Rhetor's tables."""


def migrate(scale: Scale) -> Figures:
    """With a tenth of the rows, then with all: what a row takes, and whether memory grows with them."""
    tenth = _run(scale.many // 10)
    whole = _run(scale.many)
    return {
        "rows_per_second": whole["rows_per_second"],
        "rows_per_cpu_second": whole["rows_per_cpu_second"],
        "resident_megabytes": whole["resident_megabytes"],
        "resident_megabytes_tenth": tenth["resident_megabytes"],
        "acknowledged": whole["imported"],
    }


def _run(rows: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="budget-benchmark-") as name:
        folder = Path(name)
        _make(folder / "rhetor.db", rows)
        command = [sys.executable, "-m", "budget.interfaces.cli.main", "migrate", "rhetor", str(folder / "rhetor.db")]
        command += ["--time-zone", "America/New_York", "--json", "--report", str(folder / "report.json")]
        environment = {"BUDGET_DB_PATH": str(folder / "budget.db"), "HOME": name}
        started = time.perf_counter()
        process = launch(command, environment, folder / "log")
        _, status, used = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        assert process.returncode == 0, (folder / "log").read_text()
        report = json.loads((folder / "report.json").read_text())
        imported = report["sources"][0]["usage"]["imported"]
        assert imported == rows
        found = verify(f"sqlite:///{folder / 'budget.db'}")
        assert found["differences"] == 0, found
    return {
        "rows_per_second": round(rows / seconds),
        "rows_per_cpu_second": round(rows / (used.ru_utime + used.ru_stime)),
        "resident_megabytes": round(used.ru_maxrss / 1024),
        "imported": imported,
    }


def _make(path: Path, rows: int) -> None:
    connection = sqlite3.connect(path)
    for table in (USAGE, SETTINGS):
        connection.execute(table)
    names = "timestamp, provider, model, component, task_type, input_tokens, output_tokens, cost, metadata"
    connection.executemany(f"INSERT INTO usage ({names}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", _rows(rows))
    connection.commit()
    connection.close()


def _rows(count: int) -> Iterator[tuple[Any, ...]]:
    chance, at = random.Random(1), START
    for _ in range(count):
        at += dt.timedelta(seconds=chance.random() * 2 * 86_400 / ROWS_A_DAY)
        provider, model, given, made = chance.choice(MODELS)
        tokens = chance.randrange(3000), chance.randrange(900)
        metadata = f'{{"context_id": "ctx-{chance.randrange(5000)}", "streaming": true, "system_prompt_length": 0}}'
        cost = tokens[0] * given + tokens[1] * made
        names = provider, model, chance.choice(COMPONENTS), chance.choice(TASKS)
        yield at.isoformat(), *names, *tokens, cost, metadata
