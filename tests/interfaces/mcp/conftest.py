"""A service for all tests of a module, each with a budget of its own; and a way to send Tekton's messages."""

from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from tests.serving import serving

Send = Callable[..., dict[str, Any]]

PRICE = {"provider": "acme", "model": "m-1", "input_cost_per_token": 0.001, "output_cost_per_token": 0.002}


@pytest.fixture(scope="module")
def address(new_database, tmp_path_factory) -> Iterator[str]:
    """Where the service is; it has a price for acme's m-1."""
    with serving(new_database, tmp_path_factory.mktemp("mcp")) as running:
        httpx.post(f"{running.address}/api/prices", json={**PRICE, "effective_date": "2020-01-01"}).raise_for_status()
        yield running.address


@pytest.fixture(scope="module")
def http(address) -> Iterator[httpx.Client]:
    """A client of it."""
    with httpx.Client(base_url=address) as client:
        yield client


@pytest.fixture
def budget(http) -> str:
    """A budget of the test's own, with the default policies."""
    budget_id: str = http.post("/api/budgets", json={"name": "a test's"}).json()["budget_id"]
    return budget_id


@pytest.fixture
def used(http, budget) -> dict[str, str]:
    """An allocation of rhetor's in that budget with a record drawn on it, and a record by itself."""
    call = {"component": "rhetor", "provider": "acme", "model": "m-1", "budget_id": budget}
    ask = {**call, "context_id": "c-1", "tokens_allocated": 1000}
    allocation = http.post("/api/allocations", json=ask).json()["allocation_id"]
    usage = {**call, "input_tokens": 10, "output_tokens": 5}
    http.post("/api/usage/record", json={**usage, "allocation_id": allocation}).raise_for_status()
    record = http.post("/api/usage/record", json={**usage, "context_id": "c-2"}).json()["record_id"]
    return {"budget_id": budget, "allocation_id": allocation, "record_id": record}


@pytest.fixture
def send(http, budget) -> Send:
    """Send a message about that budget, give the whole envelope of its response."""

    def send(kind: str, payload: dict[str, Any] | None = None, path: str = "/api/mcp/message", **more: Any) -> Any:
        message = {"sender": "terma", "message_type": kind, "payload": {"budget_id": budget, **(payload or {})}, **more}
        answer = http.post(path, json=message)
        assert answer.status_code == 200
        return answer.json()

    return send
