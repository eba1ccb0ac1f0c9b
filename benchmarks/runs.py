"""The benchmarks: each starts what it needs, measures in turns, checks that nothing was lost, and gives its figures."""

import dataclasses
import datetime as dt
import sqlite3
import statistics
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from benchmarks import load, reference
from benchmarks.service import Service

Figures = dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Scale:
    """How much work a benchmark does."""

    rounds: int
    requests: int
    """In each round, to Budget and to the measure."""
    connections: int
    batch: int
    """Records in one request."""
    batches: int
    few: int
    many: int
    """Records in the small ledger and in the big one."""
    reads: int
    listeners: int
    events: int
    """For each listener."""


SCALES = {
    "full": Scale(
        rounds=5,
        requests=15_000,
        connections=64,
        batch=10_000,
        batches=12,
        few=1_000,
        many=1_000_000,
        reads=101,
        listeners=1_000,
        events=200,
    ),
    "small": Scale(
        rounds=2,
        requests=300,
        connections=8,
        batch=200,
        batches=4,
        few=200,
        many=2_000,
        reads=5,
        listeners=20,
        events=5,
    ),
}

MODELS = ('"provider":"openai","model":"gpt-4o"', '"provider":"anthropic","model":"claude-3-5-haiku-20241022"')
RECORD = (
    '{"request_id":"bench-{n}","context_id":"context-{n}","component":"apollo","provider":"openai","model":"gpt-4o",'
    '"task_type":"chat","input_tokens":900,"output_tokens":250,"user_id":"ann"}'
)
SPREAD_RECORD = (
    '{"request_id":"fill-{n}","context_id":"context-{n}","component":"{component}",{model},'
    '"task_type":"chat","input_tokens":900,"output_tokens":250,"occurred_at":"{at}"}'
)
UPLOADED_RECORD = (
    '{"request_id":"bench-{n}","context_id":"session-{session}","component":"apollo","provider":"openai",'
    '"model":"gpt-4o","task_type":"chat","input_tokens":{input},"output_tokens":{output},"user_id":"ann"}'
)
"""A record of a batch, as a component uploads what its sessions did: each with its own key and counts."""
ALLOCATION = (
    '{"request_id":"hold-{n}","context_id":"context-{n}","component":"apollo","provider":"openai","model":"gpt-4o",'
    '"task_type":"chat","tokens_allocated":2}'
)
COMPONENTS = ("apollo", "rhetor", "ergon", "sophia", "terma")
HOURS = 719
"""A prime, so that each hour of the last thirty days sees every component and model."""


def record(scale: Scale) -> Figures:
    """Usage records a second, one a request, beside an endpoint that does nothing."""
    with running() as (service, port):
        figures = _compare(scale, service, port, "/api/usage/record", RECORD)
        check(service, "usage_records", figures["acknowledged"])
        return figures


def allocate(scale: Scale) -> Figures:
    """Allocations a second."""
    with running() as (service, port):
        figures = _compare(scale, service, port, "/api/allocations", ALLOCATION)
        check(service, "holds", figures["acknowledged"])
        return figures


def batch(scale: Scale) -> Figures:
    """Records a second through the batch endpoint; two requests of 10,000 are what the queue of 20,000 takes."""
    with running() as (service, _):
        counts = {"input": [str(count) for count in range(200, 2203)], "output": [str(count) for count in range(97)]}
        plan = {**_batch_plan(scale, service, UPLOADED_RECORD), "choices": counts}
        answered = load.drive({**plan, "requests": scale.batches, "connections": 2})
        expect(answered, "200", scale.batches)
        acknowledged = answered["accepted"]
        figures = {
            "records_per_second": round(acknowledged / answered["seconds"]),
            "acknowledged": acknowledged,
            "resident_megabytes": _resident(service),
        }
        check(service, "usage_records", acknowledged)
        return figures


def summary(scale: Scale) -> Figures:
    """Reading times on a small and on a big ledger."""
    return _grown(scale, growth=False)["summary"]


def growth(scale: Scale) -> Figures:
    """Memory at rest, record rate on an empty and on a big ledger, and how long a start takes with it."""
    return _grown(scale, summary=False)["growth"]


def grown(scale: Scale) -> dict[str, Figures]:
    """`summary` and `growth` on one ledger, which is filled once."""
    return _grown(scale)


READS = {
    "budgets_summary": "/api/budgets/summary?period=monthly",
    "usage_summary": "/api/usage/summary?period=monthly",
    "usage_records": "/api/usage/records",
}


def _grown(scale: Scale, *, summary: bool = True, growth: bool = True) -> dict[str, Figures]:
    reads: Figures = {}
    sizes: Figures = {}
    with running() as (service, port):
        recorded = 0
        if growth:
            sizes["start_seconds"] = round(service.start_seconds, 2)
            sizes["resident_megabytes"] = _resident(service)
            empty = _compare(scale, service, port, "/api/usage/record", RECORD)
            recorded += empty["acknowledged"]
            sizes |= {"empty_rate": empty["rate"], "empty_ratio": empty["ratio"]}
        recorded += fill(scale, service, 0, scale.few)
        few = _read_times(scale, service) if summary else {}
        recorded += fill(scale, service, scale.few, scale.many)
        if summary:
            many = _read_times(scale, service)
            for name in READS:
                reads[f"{name}_few_ms"] = round(few[name] * 1000, 3)
                reads[f"{name}_many_ms"] = round(many[name] * 1000, 3)
                reads[f"{name}_ratio"] = round(many[name] / few[name], 3)
        if growth:
            again = _compare(scale, service, port, "/api/usage/record", RECORD, first=10_000_000)
            recorded += again["acknowledged"]
            sizes |= {
                "many_rate": again["rate"],
                "many_ratio": again["ratio"],
                "many_to_empty": round(again["ratio"] / sizes["empty_ratio"], 3),
            }
            service.stop()
            service.start()
            sizes["second_start_seconds"] = round(service.start_seconds, 2)
            sizes["resident_megabytes_many"] = _resident(service)
        for figures in (reads, sizes):
            figures["acknowledged"] = recorded
        check(service, "usage_records", recorded)
    return {"summary": reads, "growth": sizes}


@contextmanager
def running() -> Iterator[tuple[Service, int]]:
    """A fresh Budget with its default policies, and the port of the measure."""
    with tempfile.TemporaryDirectory(prefix="budget-benchmark-") as folder:
        service = Service(Path(folder), environment={"BUDGET_SQLITE_SYNCHRONOUS": "FULL"})
        with service, reference.serving(Path(folder)) as port:
            with httpx.Client(base_url=service.url, trust_env=False) as client:
                policies = client.get("/api/policies", params={"limit": 100}).json()["items"]
                assert len(policies) == 19
                assert all(policy["enabled"] for policy in policies)
            yield service, port


def _compare(scale: Scale, service: Service, port: int, path: str, body: str, first: int = 0) -> Figures:
    """Budget and the measure in turns, the same load on each; the median of the rounds' ratios is the figure."""
    ours = {"port": service.port, "path": path, "body": body}
    theirs = {"port": port, "path": reference.PATH, "body": reference.BODY}
    shared = {"connections": scale.connections, "requests": scale.requests}
    rates, measures, ratios, cpu = [], [], [], []
    acknowledged = 0
    for turn in range(-1, scale.rounds):  # the first warms up
        start = first + (turn + 1) * scale.requests
        mine = load.drive({**ours, **shared, "first": start})
        other = load.drive({**theirs, **shared, "first": start})
        acknowledged += expect(mine, "201", scale.requests)
        expect(other, "201", scale.requests)
        if turn >= 0:
            rates.append(scale.requests / mine["seconds"])
            measures.append(scale.requests / other["seconds"])
            ratios.append(other["seconds"] / mine["seconds"])
            cpu.append(mine["cpu_seconds"] / mine["seconds"])
    return {
        "rate": round(statistics.median(rates)),
        "reference_rate": round(statistics.median(measures)),
        "ratio": round(statistics.median(ratios), 3),
        "ratios": [round(ratio, 3) for ratio in ratios],
        "load_cpu": round(statistics.median(cpu), 2),
        "acknowledged": acknowledged,
        "resident_megabytes": _resident(service),
    }


def fill(scale: Scale, service: Service, first: int, upto: int) -> int:
    """Records spread over the last thirty days, in batches; gives how many were acknowledged."""
    now = dt.datetime.now(dt.UTC)
    choices = {
        "component": COMPONENTS,
        "model": MODELS,
        "at": [(now - dt.timedelta(hours=hours)).isoformat() for hours in range(HOURS)],
    }
    acknowledged = 0
    size = min(scale.batch, scale.few)
    while first < upto:
        requests = min(20, (upto - first) // size)
        plan = {**_batch_plan(scale, service, SPREAD_RECORD), "batch": size, "choices": choices}
        answered = load.drive({**plan, "first": first // size, "requests": requests, "connections": min(2, requests)})
        expect(answered, "200", requests)
        acknowledged += answered["accepted"]
        first += requests * size
    return acknowledged


def _batch_plan(scale: Scale, service: Service, body: str) -> dict[str, Any]:
    return {"port": service.port, "path": "/api/usage/batch", "body": body, "batch": scale.batch, "first": 0}


def _read_times(scale: Scale, service: Service) -> dict[str, float]:
    return {name: statistics.median(load.get(service.url, path, scale.reads)) for name, path in READS.items()}


def expect(answered: dict[str, Any], status: str, requests: int) -> int:
    """All answers have this status; gives how many there are."""
    assert answered["statuses"] == {status: requests}, f"{answered['statuses']}: {answered['example']}"
    return requests


def check(service: Service, table: str, acknowledged: int) -> None:
    """What was acknowledged is in the ledger, once; and the ledger adds up."""
    service.stop()
    with sqlite3.connect(f"file:{service.database}?mode=ro", uri=True) as connection:
        (stored,) = connection.execute(f"SELECT count(*) FROM {table}").fetchone()
    connection.close()
    assert stored == acknowledged, f"{stored:,} rows in {table}, {acknowledged:,} acknowledged"
    found = service.verify()
    assert found["differences"] == 0, found


def _resident(service: Service) -> int | None:
    megabytes = service.resident_megabytes()
    return None if megabytes is None else round(megabytes)
