"""Replicas are restarted under load; whoever listens, wherever, hears every event once and in order (P13)."""

import asyncio
import contextlib
import itertools
import os

from benchmarks.service import Service
from budget.client import AsyncBudgetClient, Retries, subscribe
from budget.storage import statements
from budget.storage.database import Database

RESTARTS = 20 if os.environ.get("BUDGET_TEST_FULL") == "1" else 6
WORKERS = 8
IMPATIENT = Retries(tries=200)


async def _nap(seconds: float) -> None:
    await asyncio.sleep(min(seconds, 0.05))


async def _work(client: AsyncBudgetClient, name: str, done: asyncio.Event) -> int:
    """Record one after another until told to stop; gives how many were acknowledged."""
    for number in itertools.count():
        if done.is_set():
            return number
        await client.record(
            context_id=name,
            component="apollo",
            provider="openai",
            model="gpt-4o",
            input_tokens=3,
            output_tokens=1,
            request_id=f"{name}-{number}",
        )
    raise AssertionError


async def _listen(service: Service, heard: list[int], last: asyncio.Future[int]) -> None:
    async for event in subscribe(service.url, after=0, retries=IMPATIENT, sleep=_nap):
        heard.append(event["seq"])
        if last.done() and event["seq"] >= last.result():
            return


async def test_P13_replicas_that_restart_under_load_lose_no_event_for_anyone(replicas):
    for service in replicas:
        await asyncio.to_thread(service.start)
    done = asyncio.Event()
    last: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    heard: list[list[int]] = [[] for _ in replicas]
    async with asyncio.TaskGroup() as tasks, contextlib.AsyncExitStack() as stack:
        for service, own in zip(replicas, heard, strict=True):
            tasks.create_task(_listen(service, own, last))
        clients = [
            await stack.enter_async_context(AsyncBudgetClient(service.url, retries=IMPATIENT, sleep=_nap))
            for service in replicas
        ]
        working = [
            tasks.create_task(_work(clients[number % len(clients)], f"worker-{number}", done))
            for number in range(WORKERS)
        ]
        for number in range(RESTARTS):
            service = replicas[number % len(replicas)]
            await asyncio.to_thread(service.stop)
            await asyncio.to_thread(service.start)
        done.set()
        acknowledged = sum([await work for work in working])
        database = Database(replicas[0].database_url)
        last.set_result(database.read_now(statements.value, "SELECT seq FROM journal_head"))
        stored = database.read_now(statements.value, "SELECT COUNT(*) FROM usage_records")
        database.close()
        await clients[0].record(  # so that those who have heard everything hear once more, and see that it is over
            context_id="end", component="apollo", provider="openai", model="gpt-4o", input_tokens=1, output_tokens=1
        )
    assert stored == acknowledged
    for own in heard:
        assert own[: last.result()] == list(range(1, last.result() + 1))
