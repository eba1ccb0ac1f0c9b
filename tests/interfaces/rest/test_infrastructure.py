"""What launchers, probes, Prometheus and people ask."""

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from budget import app as wiring
from budget import settings

ALLOCATE = {"context_id": "c", "component": "apollo", "tokens_allocated": 10}


async def test_health_has_every_field_that_tekton_reads(client):
    health = (await client.get("/health")).json()
    assert health["status"] == "healthy"
    assert health["component"] == "budget"
    assert health["port"] == 8013
    assert {"registeredWithHermes", "registered_with_hermes", "registered"} <= set(health)
    assert isinstance(health["uptime"], float)
    assert health["timestamp"].endswith("Z")


async def test_ready_says_how_long_the_start_took(client):
    ready = (await client.get("/ready")).json()
    assert ready["ready"] is True
    assert ready["initializationTime"] == ready["initialization_time"] > 0
    assert ready["checks"]["database"] is True


async def test_before_the_start_and_after_the_end_it_is_not_ready(tmp_path):
    app = wiring.create_app(settings.load({"BUDGET_DB_PATH": str(tmp_path / "b.db"), "HOME": str(tmp_path)}))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://budget") as client:
        answer = await client.get("/ready")
        assert (answer.status_code, list(answer.json())) == (503, ["detail"])
        async with app.router.lifespan_context(app):
            assert (await client.get("/ready")).status_code == 200
        assert (await client.get("/ready")).status_code == 503
        assert (await client.get("/health")).json()["status"] == "unhealthy"
        assert (await client.post("/api/allocations", json=ALLOCATE)).status_code == 503


@pytest.mark.parametrize("path", ["/", "/api", "/api/v1", "/status", "/api/status", "/api/v1/health", "/api/health"])
async def test_probes_get_200(client, path):
    answer = await client.get(path)
    assert (answer.status_code, answer.json()["component"], answer.json()["version"]) == (200, "budget", "0.1.0")


async def test_the_docs_page_loads_nothing_from_elsewhere(client):
    for path in ("/docs", "/api/docs", "/api/v1/docs"):
        page = await client.get(path)
        assert page.headers["content-type"].startswith("text/html")
        assert "http://" not in page.text
        assert "https://" not in page.text
        assert "openapi.json" in page.text
        assert "'unsafe" not in page.headers["content-security-policy"]
        assert "<style" not in page.text
        for file in ("/docs.js", "/docs.css"):
            assert file in page.text
            sent = await client.get(file)
            assert (sent.status_code, sent.headers["x-content-type-options"]) == (200, "nosniff")


async def metrics(client):
    answer = await client.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain")
    return {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


async def test_metrics_count_requests_by_route_not_by_id(client):
    await client.get("/api/budgets/one")
    await client.get("/api/v1/budgets/two")
    await client.get("/made/up")
    await client.post("/api/allocations", json=ALLOCATE)
    found = await metrics(client)
    for method, route, status in (
        ("GET", "/api/budgets/{budget_id}", "404"),
        ("GET", "/api/v1/budgets/{budget_id}", "404"),
        ("GET", "(none)", "404"),
        ("POST", "/api/allocations", "201"),
    ):
        labels = (("method", method), ("route", route), ("status", status))
        assert found["budget_http_requests_total", *labels] == 1
        assert found["budget_http_request_duration_seconds_count", *labels] == 1


async def test_metrics_say_what_is_held_and_what_has_no_price(client):
    await client.post("/api/allocations", json=ALLOCATE)
    used = {
        "context_id": "d",
        "component": "x",
        "provider": "nobody",
        "model": "m",
        "input_tokens": 5,
        "output_tokens": 1,
    }
    await client.post("/api/usage/record", json=used, headers={"Idempotency-Key": "k"})
    await client.post("/api/usage/record", json=used, headers={"Idempotency-Key": "k"})
    found = await metrics(client)
    assert found["budget_held_tokens",] == 10
    assert found["budget_active_holds",] == 1
    assert found["budget_records",] == 1
    assert found["budget_unpriced_records",] == 1
    assert found["budget_provisional_records",] == 0
    assert found["budget_replays_total",] == 1
    assert found["budget_queue_depth",] == 0
    assert found["budget_commits_total",] >= 3
