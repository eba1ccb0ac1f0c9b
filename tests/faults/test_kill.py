"""`kill -9` under load: what was acknowledged is there once, and what was not is, after its repeat (P3, P4).

One process on SQLite, and replicas on PostgreSQL that are killed one after another.
"""

import os
import random
from asyncio import gather
from collections import deque

from budget.client import AsyncBudgetClient, Retries, Unavailable
from budget.storage import statements
from budget.storage.database import Database

FULL = os.environ.get("BUDGET_TEST_FULL") == "1"
ROUNDS = 5 if FULL else 2
JOBS = 1_250 if FULL else 500
"""In each round, of four requests."""
WORKERS = 48
SEED = 20261124


class Job:
    """A hold, a record on it, its settlement, and a record that stands alone; each request has its own key."""

    def __init__(self, number, chance):
        self.name = f"job-{number}"
        self.steps = deque(["allocate", "record", "settle", "alone"])
        self.drawn, self.settled, self.alone = (chance.randrange(1, 200) for _ in range(3))
        self.allocation_id = None
        self.record_ids = {}

    @property
    def tokens(self):
        return self.drawn + self.settled + self.alone

    async def send_next(self, client):
        """Send the step that is due; it stays due until it is acknowledged."""
        step = self.steps[0]
        key = f"{self.name}-{step}"
        shared = {"provider": "openai", "model": "gpt-4o", "request_id": key}
        named = {**shared, "component": "apollo", "context_id": self.name}
        match step:
            case "allocate":
                answer = await client.allocate(**named, tokens_allocated=500)
                self.allocation_id = answer["allocation_id"]
            case "record":
                answer = await client.record(**named, allocation_id=self.allocation_id, **_used(self.drawn))
            case "settle":
                answer = await client.settle(self.allocation_id, **shared, **_used(self.settled))
            case _:
                named["context_id"] = f"{self.name}-alone"
                answer = await client.record(**named, **_used(self.alone))
        if step != "allocate":
            self.record_ids[key] = answer["record_id"]
        self.steps.popleft()


def _used(tokens):
    return {"input_tokens": tokens, "output_tokens": 0}


class Load:
    """Workers that share the jobs until every service is killed, and give back the jobs that were interrupted."""

    def __init__(self, services, jobs, kill_after):
        self.services = services
        self.jobs = jobs
        self.left = dict(zip(services, kill_after, strict=True))

    async def run(self):
        await gather(*(self.use(service) for service in self.services))

    async def use(self, service):
        async with AsyncBudgetClient(service.url, retries=Retries(tries=1), timeout_seconds=30) as client:
            await gather(*(self.work(service, client) for _ in range(WORKERS // len(self.services))))

    async def work(self, service, client):
        while self.jobs:
            job = self.jobs.popleft()
            try:
                while job.steps:
                    await job.send_next(client)
                    self.acknowledged(service)
            except Unavailable:
                self.jobs.appendleft(job)
                return

    def acknowledged(self, service):
        self.left[service] -= 1
        if self.left[service] == 0:
            service.kill()


def rows(service, sql):
    database = Database(service.database_url)
    try:
        return [tuple(row) for row in database.read_now(statements.run, sql)]
    finally:
        database.close()


async def test_P3_P4_no_kill_loses_or_doubles_what_was_acknowledged(replicas):
    chance = random.Random(SEED)
    done: list[Job] = []
    pending: deque[Job] = deque()
    for number in range(ROUNDS):
        fresh = [Job(number * JOBS + at, chance) for at in range(JOBS)]
        done += fresh
        pending.extend(fresh)
        for service in replicas:
            service.start()
        kills = [chance.randrange(JOBS // 2, JOBS * 3) // len(replicas) for _ in replicas]
        await Load(replicas, pending, kills).run()
        assert pending, "all were killed before the load was over"
    for service in replicas:
        service.start()
    await Load(replicas, pending, [-1] * len(replicas)).run()
    for service in replicas:
        service.stop()
    assert not pending

    stored = rows(replicas[0], "SELECT request_id, record_id, total_tokens FROM usage_records")
    holds = rows(replicas[0], "SELECT context_id, allocation_id, state, held_tokens FROM holds")
    keys = rows(
        replicas[0],
        "SELECT count(*), count(DISTINCT idempotency_key) FROM entries WHERE idempotency_key IS NOT NULL",
    )
    used = rows(replicas[0], "SELECT max(used_tokens), max(held_tokens) FROM balances WHERE window_key NOT LIKE 'c:%'")
    acknowledged = {key: record_id for job in done for key, record_id in job.record_ids.items()}
    assert len(stored) == len(acknowledged) == 3 * len(done)
    assert {key: record_id for key, record_id, _ in stored} == acknowledged
    assert sum(tokens for *_, tokens in stored) == sum(job.tokens for job in done)
    assert sorted(holds) == sorted((job.name, job.allocation_id, "settled", 0) for job in done)
    assert keys == [(4 * len(done), 4 * len(done))]
    assert used == [(sum(job.tokens for job in done), 0)]
    assert replicas[0].verify()["differences"] == 0
