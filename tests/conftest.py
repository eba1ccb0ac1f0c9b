"""Databases of each kind, services on them in this process, and replicas in processes of their own."""

import asyncio
import os
import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from benchmarks.service import Service
from budget import app as wiring
from budget import settings
from tests import databases

REPLICAS = 4 if os.environ.get("BUDGET_TEST_FULL") == "1" else 2


WHOLE = frozenset(("e2e", "faults", "integration", "performance"))
"""Folders of tests across components: the lines that they run are counted in the components' own."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Lines are counted once: what runs on both databases is counted on SQLite, storage on both."""
    for item in items:
        folder = item.path.relative_to(item.config.rootpath / "tests").parts[0] if "tests" in item.path.parts else ""
        if folder in WHOLE or (folder != "storage" and "[postgresql" in item.nodeid):
            item.add_marker(pytest.mark.load)


def _application(folder: Path, database_url: str | None = None) -> FastAPI:
    url = database_url or f"sqlite:///{folder / 'budget.db'}"
    made = settings.load({"BUDGET_DATABASE_URL": url, "HOME": str(folder), "BUDGET_HERMES": "off"})
    return wiring.create_app(made)


async def _start_once(app: FastAPI) -> None:
    async with app.router.lifespan_context(app):
        pass


@pytest.fixture(scope="session")
def postgres() -> Iterator[databases.PostgresServer]:
    """A real PostgreSQL server."""
    with databases.server() as server:
        yield server


@pytest.fixture(scope="session")
def migrated_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated, empty SQLite file."""
    path = tmp_path_factory.mktemp("migrated") / "budget.db"
    databases.migrated(f"sqlite:///{path}")
    return path


@pytest.fixture(scope="session")
def migrated_postgres(postgres: databases.PostgresServer) -> str:
    """The URL of a migrated, empty PostgreSQL database."""
    return databases.migrated(postgres.new_database())


@pytest.fixture(params=databases.KINDS)
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A migrated, empty database of each kind."""
    if request.param == "sqlite":
        shutil.copy(request.getfixturevalue("migrated_sqlite"), tmp_path / "budget.db")
        yield f"sqlite:///{tmp_path / 'budget.db'}"
        return
    server: databases.PostgresServer = request.getfixturevalue("postgres")
    url = server.new_database(request.getfixturevalue("migrated_postgres"))
    yield url
    server.drop(url)


@pytest.fixture(params=["one on SQLite", "two on PostgreSQL"])
def replicas(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[list[Service]]:
    """Services in processes of their own that share one new database; not started yet."""
    if request.param == "one on SQLite":
        yield from _stopped_after([Service(tmp_path)])
        return
    server: databases.PostgresServer = request.getfixturevalue("postgres")
    url = server.new_database()
    yield from _stopped_after([Service(tmp_path, database_url=url) for _ in range(REPLICAS)])
    server.drop(url)


def _stopped_after(services: list[Service]) -> Iterator[list[Service]]:
    yield services
    for service in services:
        service.stop()


@pytest.fixture(scope="session")
def new_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a database as a first start leaves it: migrated, default budget made, prices loaded."""
    folder = tmp_path_factory.mktemp("new")
    asyncio.run(_start_once(_application(folder)))
    return folder


@pytest.fixture(scope="session")
def new_postgres(postgres: databases.PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The URL of the same on PostgreSQL."""
    url = postgres.new_database()
    asyncio.run(_start_once(_application(tmp_path_factory.mktemp("new"), url)))
    return url


@pytest.fixture(params=databases.KINDS)
def started_once(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A database of each kind as a first start leaves it."""
    if request.param == "sqlite":
        shutil.copytree(request.getfixturevalue("new_database"), tmp_path, dirs_exist_ok=True)
        yield f"sqlite:///{tmp_path / 'budget.db'}"
        return
    server: databases.PostgresServer = request.getfixturevalue("postgres")
    url = server.new_database(request.getfixturevalue("new_postgres"))
    yield url
    server.drop(url)


@pytest.fixture
async def service(tmp_path: Path, started_once: str) -> AsyncIterator[FastAPI]:
    """The application, started, as it is after its first start."""
    app = _application(tmp_path, started_once)
    async with app.router.lifespan_context(app):
        yield app


@pytest.fixture
async def client(service: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a fresh service."""
    transport = httpx.ASGITransport(app=service, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://budget") as made:
        yield made


@pytest.fixture
async def used(client: httpx.AsyncClient) -> dict[str, Any]:
    """A priced model, one allocation with usage drawn on it, a record by itself, and an alert: their ids."""
    price = {
        "provider": "acme",
        "model": "m-1",
        "input_cost_per_token": 0.001,
        "output_cost_per_token": 0.002,
        "effective_date": "2020-01-01",
    }
    assert (await client.post("/api/prices", json=price)).is_success
    policy = {"type": "warn", "period": "daily", "component": "rhetor", "cost_limit": 0.01}
    made_policy = await client.post("/api/policies", json=policy)
    allocation = await client.post(
        "/api/allocations",
        json={
            "context_id": "c-1",
            "component": "rhetor",
            "provider": "acme",
            "model": "m-1",
            "tokens_allocated": 1000,
        },
    )
    record = {"component": "rhetor", "provider": "acme", "model": "m-1", "input_tokens": 10, "output_tokens": 5}
    drawn = await client.post("/api/usage/record", json={**record, "allocation_id": allocation.json()["allocation_id"]})
    alone = await client.post("/api/usage/record", json={**record, "context_id": "c-2"})
    for answer in (made_policy, allocation, drawn, alone):
        assert answer.status_code == 201, answer.text
    budget = (await client.get("/api/v1/budgets")).json()["items"][0]
    alert = (await client.get("/api/v1/alerts")).json()["items"][0]
    return {
        "budget_id": budget["budget_id"],
        "policy_id": made_policy.json()["policy_id"],
        "allocation_id": allocation.json()["allocation_id"],
        "record_id": alone.json()["record_id"],
        "alert_id": alert["alert_id"],
        "context_id": "c-1",
        "provider": "acme",
        "model": "m-1",
    }
