"""A call of an old manager's successor beside the engine's own operation, on the same ledger, in turns."""

import asyncio
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.runs import Figures, Scale
from benchmarks.service import Service
from budget import app, settings
from budget.adapters.apollo import TokenBudgetManager
from budget.adapters.rhetor import BudgetManager
from budget.client import BudgetClient
from budget.client.in_process import InProcess
from budget.domain import commands
from budget.engine.verification import verify

MODEL = {"provider": "openai", "model": "gpt-4o"}
CHECK = {"context_id": "bench", "component": "rhetor", "tokens_allocated": 130, "input_tokens": 4, **MODEL}
RECORD = {"context_id": "bench", "component": "telos", "input_tokens": 900, "output_tokens": 250, **MODEL}


def adapters(scale: Scale) -> Figures:
    """Milliseconds a call: the engine itself, Rhetor's manager in process and over HTTP, and Apollo's."""
    with tempfile.TemporaryDirectory() as folder:
        read = settings.load({"BUDGET_DB_PATH": f"{folder}/budget.db", "HOME": folder})
        ledger = app.open_ledger(read)
        backend = InProcess(ledger)
        figures = _measured(scale, _direct(backend, ledger) | _calls(backend, "in_process"))
        backend.close()
        assert verify(read.database_url)["differences"] == 0
    with tempfile.TemporaryDirectory() as folder, Service(Path(folder)) as service:
        client = BudgetClient(service.url)
        figures |= _measured(scale, _calls(client, "http"))
        client.close()
    for call in ("record", "check"):
        figures[f"{call}_ratio"] = round(figures[f"{call}_in_process_ms"] / figures[f"{call}_engine_ms"], 2)
    return figures


def _direct(backend: InProcess, ledger: Any) -> dict[str, Callable[[], Any]]:
    """The commands themselves, waited for from the same thread."""

    def wait(work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, backend.loop).result()

    return {
        "record_engine": lambda: wait(ledger.submit(commands.RecordUsage(**RECORD))),
        "check_engine": lambda: wait(ledger.check(commands.Allocate(**CHECK))),
    }


def _calls(backend: InProcess | BudgetClient, way: str) -> dict[str, Callable[[], Any]]:
    rhetor = BudgetManager(backend=backend, default_limits={})
    apollo = TokenBudgetManager(backend=backend)
    for period in ("daily", "weekly", "monthly"):
        rhetor.set_budget_limit(period, 1_000_000, enforcement="enforce")
    record = ("openai", "gpt-4o", "telos", "chat", 900, 250, 0.01)
    return {
        f"record_{way}": lambda: rhetor.record_usage(*record),
        f"check_{way}": lambda: rhetor.check_budget("openai", "gpt-4o", "What is left?"),
        f"allocate_{way}": lambda: apollo.allocate_tokens("bench", 1000),
        f"draw_{way}": lambda: apollo.record_usage("bench", 1),
    }


def _measured(scale: Scale, calls: dict[str, Callable[[], Any]]) -> Figures:
    taken: dict[str, list[float]] = {name: [] for name in calls}
    for turn in range(scale.reads + 1):  # the first warms up
        for name, call in calls.items():
            started = time.perf_counter()
            call()
            if turn:
                taken[name].append(time.perf_counter() - started)
    return {f"{name}_ms": round(1000 * statistics.median(each), 3) for name, each in taken.items()}
