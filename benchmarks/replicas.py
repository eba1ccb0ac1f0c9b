"""One and two replicas on a durable PostgreSQL, recording and allocating on one hot budget, beside the measure."""

import statistics
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from benchmarks import load, postgres_server, reference, runs
from benchmarks.runs import Figures, Scale
from benchmarks.service import Service
from budget.storage import statements
from budget.storage.database import Database


def postgres(scale: Scale) -> Figures:
    """Commands a second of one replica, of two together, and their ratio to an endpoint that does nothing."""
    figures: Figures = {}
    with tempfile.TemporaryDirectory(prefix="budget-benchmark-") as folder, postgres_server.running() as server:
        for count, name in ((1, "one"), (2, "two")):
            with _replicas(Path(folder), postgres_server.new_database(server, name), count) as (services, port):
                for path, body, table in (
                    ("/api/usage/record", runs.RECORD, "usage_records"),
                    ("/api/allocations", runs.ALLOCATION, "holds"),
                ):
                    found = _compare(scale, services, port, path, body)
                    stored = _count(services[0].database_url, table)
                    assert stored == found["acknowledged"], f"{stored:,} in {table}, not {found['acknowledged']:,}"
                    verb = "record" if table == "usage_records" else "allocate"
                    figures |= {f"{name}_{verb}_{figure}": value for figure, value in found.items()}
                assert services[0].verify()["differences"] == 0
    return figures


@contextmanager
def _replicas(folder: Path, url: str, count: int) -> Iterator[tuple[list[Service], int]]:
    with ExitStack() as stack:
        services = [stack.enter_context(Service(folder, database_url=url)) for _ in range(count)]
        yield services, stack.enter_context(reference.serving(folder))


def _compare(scale: Scale, services: list[Service], port: int, path: str, body: str) -> Figures:
    ours: dict[str, Any] = {"ports": [service.port for service in services], "path": path, "body": body}
    theirs = {"port": port, "path": reference.PATH, "body": reference.BODY}
    shared = {"connections": scale.connections, "requests": scale.requests}
    rates, ratios = [], []
    acknowledged = 0
    for turn in range(-1, scale.rounds):  # the first warms up
        mine = load.drive({**ours, **shared, "first": (turn + 1) * scale.requests})
        other = load.drive({**theirs, **shared, "first": 0})
        acknowledged += runs.expect(mine, "201", scale.requests)
        if turn >= 0:
            rates.append(scale.requests / mine["seconds"])
            ratios.append(other["seconds"] / mine["seconds"])
    return {
        "rate": round(statistics.median(rates)),
        "ratio": round(statistics.median(ratios), 3),
        "acknowledged": acknowledged,
    }


def _count(url: str, table: str) -> int:
    database = Database(url)
    try:
        counted: int = database.read_now(statements.value, f"SELECT COUNT(*) FROM {table}")
    finally:
        database.close()
    return counted
