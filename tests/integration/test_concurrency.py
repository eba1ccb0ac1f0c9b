"""Two hundred clients against one hard limit: it is filled to less than one request, and never passed (P2).

On one service on SQLite, and on replicas that share a PostgreSQL.
"""

import asyncio
import json
import random
from contextlib import AsyncExitStack, asynccontextmanager
from decimal import Decimal
from typing import Any

import httpx
import pytest

from budget.client import AsyncBudgetClient, Refused
from budget.storage import statements
from budget.storage.database import Database

CLIENTS = 200
EACH = 5
"""Requests of each client."""
TOKENS = 37
ASKED = CLIENTS * EACH * TOKENS
LIMIT = ASKED // 10


@pytest.fixture
def services(replicas):
    for service in replicas:
        service.start()
    return replicas


@asynccontextmanager
async def clients_of(services):
    """Each with a connection of its own to one of the replicas, and a count of what was answered."""
    statuses: dict[int, int] = {}

    async def count(response):
        statuses[response.status_code] = statuses.get(response.status_code, 0) + 1

    async with AsyncExitStack() as stack:
        clients = []
        for number in range(CLIENTS):
            service = services[number % len(services)]
            transport = httpx.AsyncHTTPTransport(verify=False, limits=httpx.Limits(max_connections=1))
            client = AsyncBudgetClient(service.url, transport=transport, timeout_seconds=60)
            client._http.event_hooks = {"response": [count]}
            clients.append(await stack.enter_async_context(client))
        yield clients, statuses


async def ask(client, number, turn):
    """One request: the allocation, or the refusal, whose arithmetic must be right."""
    try:
        return await client.allocate(
            context_id=f"client-{number}",
            component="apollo",
            provider="openai",
            model="gpt-4o",
            tokens_allocated=TOKENS,
            request_id=f"{number}-{turn}",
        )
    except Refused as refused:
        check_arithmetic(refused.limits)
        return None


def check_arithmetic(limits):
    """A refusal names limits that the request would really have passed."""
    assert limits
    for limit in limits:
        assert limit["used"] + limit["held"] + limit["asked"] > limit["limit"], "it would have fitted"


async def limit_row(client, policy):
    rows = (await client.limits(component="apollo", type="hard_limit"))["items"]
    (row,) = [row for row in rows if row["policy_id"] == policy["policy_id"]]
    return row


def highest(services, policy_id, column):
    """The most that was ever used and held under a policy, added up from the journal entry by entry."""
    database = Database(services[0].database_url)
    sets = {
        set_id
        for set_id, content in database.read_now(statements.run, "SELECT set_id, content FROM posting_sets")
        if any(policy == policy_id for policy, *_ in json.loads(content))
    }
    entries = database.read_now(statements.run, "SELECT postings FROM entries ORDER BY seq")
    database.close()
    total = most = 0
    for (postings,) in entries:
        total += sum(deltas[column] + deltas[column + 1] for set_id, *deltas in json.loads(postings) if set_id in sets)
        most = max(most, total)
    return most


def stop(services):
    for service in services:
        service.stop()


async def test_P2_a_hard_token_limit_is_filled_and_never_passed(services):
    async with clients_of(services) as (clients, statuses):
        policy = await clients[0].create_policy(
            type="hard_limit", period="monthly", component="apollo", token_limit=LIMIT
        )

        async def work(number, client):
            return [await ask(client, number, turn) for turn in range(EACH)]

        answers = await asyncio.gather(*(work(number, client) for number, client in enumerate(clients)))
        granted = [answer for some in answers for answer in some if answer]
        row = await limit_row(clients[0], policy)
    assert len(granted) == LIMIT // TOKENS
    assert row["held"] == len(granted) * TOKENS
    assert 0 <= row["free"] < TOKENS
    assert max(statuses) < 500
    stop(services)
    assert highest(services, policy["policy_id"], 0) == row["held"]
    assert services[0].verify()["differences"] == 0


async def test_P2_a_hard_cost_limit_is_filled_and_never_passed(services):
    async with clients_of(services) as (clients, statuses):
        price = (await clients[0].check(context_id="c", component="apollo", **_model(), tokens_allocated=TOKENS))[
            "estimated_cost"
        ]
        limit = price * CLIENTS * EACH / 10 + price / 2
        policy = await clients[0].create_policy(
            type="hard_limit", period="monthly", component="apollo", cost_limit=limit
        )

        async def work(number, client):
            return [await ask(client, number, turn) for turn in range(EACH)]

        answers = await asyncio.gather(*(work(number, client) for number, client in enumerate(clients)))
        granted = [answer for some in answers for answer in some if answer]
        row = await limit_row(clients[0], policy)
    assert isinstance(price, Decimal)
    assert len(granted) == CLIENTS * EACH // 10
    assert row["held"] == price * len(granted)
    assert 0 <= row["free"] < price
    assert max(statuses) < 500
    stop(services)
    assert highest(services, policy["policy_id"], 2) == int(row["held"] * 10**11)


async def test_P2_releases_and_settlements_in_between_change_nothing_about_it(services):
    async with clients_of(services) as (clients, statuses):
        policy = await clients[0].create_policy(
            type="hard_limit", period="monthly", component="apollo", token_limit=LIMIT
        )
        kept, used = [], 0

        async def work(number, client):
            nonlocal used
            chance = random.Random(number)
            for turn in range(2 * EACH):
                allocation = await ask(client, number, turn)
                if allocation is None:
                    continue
                what = chance.random()
                if what < 0.4:
                    await client.release(allocation["allocation_id"])
                elif what < 0.7:
                    spent = chance.randrange(TOKENS + 1)
                    await client.settle(allocation["allocation_id"], input_tokens=spent, output_tokens=0)
                    used += spent
                else:
                    kept.append(allocation)

        await asyncio.gather(*(work(number, client) for number, client in enumerate(clients)))
        last = 0
        while await ask(clients[0], 0, f"last-{last}"):
            last += 1
        row = await limit_row(clients[0], policy)
    assert row["used"] == used
    assert row["held"] == (len(kept) + last) * TOKENS
    assert 0 <= row["free"] < TOKENS
    assert max(statuses) < 500
    stop(services)
    assert highest(services, policy["policy_id"], 0) <= LIMIT
    assert services[0].verify()["differences"] == 0


def _model() -> Any:
    return {"provider": "openai", "model": "gpt-4o"}
