"""The application in this process, and a client whose answers may be lost."""

import asyncio
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from budget.app import create_app
from budget.client import (
    AsyncBudgetClient,
)
from budget.settings import Settings

CALL: Any = {"component": "apollo", "tokens": 1000, "provider": "openai", "model": "gpt-4o"}
USAGE: Any = {"component": "apollo", "provider": "openai", "model": "gpt-4o", "input_tokens": 900, "output_tokens": 250}
HOLD: Any = {
    "component": "apollo",
    "context_id": "chat",
    "provider": "openai",
    "model": "gpt-4o",
    "tokens_allocated": 1000,
}


class Lossy(httpx.AsyncBaseTransport):
    """Lets the service answer, then loses some of the answers; counts what was sent."""

    def __init__(self, inner, lose=lambda number, request: False):
        self.inner = inner
        self.lose = lose
        self.sent = []
        self.answered = []

    async def handle_async_request(self, request):
        self.sent.append(request)
        response = await self.inner.handle_async_request(request)
        self.answered.append(request)
        if self.lose(len(self.sent), request):
            await response.aclose()
            raise httpx.ReadTimeout("the answer was lost", request=request)
        return response


class Sleeps:
    """Stands in for sleeping: notes each wait and returns at once, or holds it until told."""

    def __init__(self):
        self.waits = []

    async def __call__(self, seconds):
        self.waits.append(seconds)
        await asyncio.sleep(0)


@pytest.fixture
async def app(tmp_path):
    application = create_app(Settings(database_url=f"sqlite:///{tmp_path}/budget.db"))
    async with application.router.lifespan_context(application):
        yield application


@asynccontextmanager
async def client_of(app, **options):
    transport = options.pop("transport", None) or httpx.ASGITransport(app)
    options.setdefault("sleep", Sleeps())
    async with AsyncBudgetClient("http://budget", transport=transport, **options) as made:
        yield made


@pytest.fixture
async def client(app):
    async with client_of(app) as made:
        yield made


async def held_tokens(client):
    limits = await client.limits(period="monthly", tier="remote_heavyweight", unit="tokens")
    return limits["items"][0]["held"]


async def recorded(client):
    return (await client.list_records())["total"]


async def until(condition):
    """Let the others run until this is so."""
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110 -- what is waited for says nothing when it happens
            await asyncio.sleep(0)
