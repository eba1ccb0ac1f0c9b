"""What Tekton's programs ask of every component (wire contract 2)."""

import httpx
import pytest


async def test_discovery_lists_the_ways_in_and_what_budget_can_do(client):
    found = (await client.get("/api/v1/discovery")).json()
    assert {"component", "version", "description", "capabilities", "dependencies", "metadata"} <= set(found)
    assert found["component"] == "budget"
    listed = {(endpoint["method"], endpoint["path"]) for endpoint in found["endpoints"]}
    assert {("POST", "/api/v1/allocations"), ("POST", "/api/v1/usage/record"), ("GET", "/health")} <= listed
    assert "budget_management" in found["capabilities"]


@pytest.mark.parametrize("dest", ["budget", "penia", "Budget"])
async def test_a_workflow_that_looks_for_work_finds_none(client, dest):
    message = {"purpose": "check_work", "dest": dest, "payload": {"component": "budget", "action": "look_for_work"}}
    answer = await client.post("/workflow", json=message)
    assert answer.status_code == 200
    assert answer.json() | {"message": ""} == {
        "status": "success",
        "component": "budget",
        "purpose": "check_work",
        "work_available": False,
        "work_count": 0,
        "work_items": [],
        "message": "",
    }


@pytest.mark.parametrize(
    ("message", "status", "said"),
    [
        ({"purpose": "check_work", "dest": "apollo", "payload": {}}, 200, "error"),
        ({"purpose": "dance", "dest": "budget", "payload": {}}, 200, "not_implemented"),
        ({"purpose": {"budget": "dance"}, "dest": "budget", "payload": {}}, 200, "not_implemented"),
        ({"purpose": "check_work", "dest": "budget", "payload": {"action": "rest"}}, 200, "not_implemented"),
    ],
)
async def test_other_workflows_are_told_so(client, message, status, said):
    answer = await client.post("/workflow", json=message)
    assert (answer.status_code, answer.json()["status"], answer.json()["component"]) == (status, said, "budget")


@pytest.mark.parametrize(
    "message",
    [{"purpose": "p", "payload": {}}, {"dest": "budget", "payload": {}}, {"purpose": "p", "dest": "budget"}, []],
)
async def test_a_workflow_that_lacks_something_is_refused(client, message):
    answer = await client.post("/workflow", json=message)
    assert (answer.status_code, answer.json()["status"]) == (400, 400)


async def test_a_word_from_a_person_is_answered(client):
    answer = (await client.post("/api/message", json={"message": "help"})).json()
    assert answer["success"] is True
    assert "/usage" in answer["response"]
    unknown = (await client.post("/api/message", json={"message": "make me a sandwich"})).json()
    assert (unknown["success"], "no command" in unknown["response"]) == (False, True)


@pytest.mark.parametrize("path", ["/shutdown", "/api/shutdown", "/admin/shutdown"])
async def test_it_stops_by_request_from_this_machine_only(service, path):
    stopped = []
    service.state.stop = lambda: stopped.append(True)
    for address, status in (("127.0.0.1", 202), ("::1", 202), ("10.1.2.3", 403), ("testclient", 403)):
        transport = httpx.ASGITransport(service, client=(address, 1234))
        async with httpx.AsyncClient(transport=transport, base_url="http://budget") as client:
            answer = await client.post(path)
            told = await client.get("/shutdown/status")
        assert answer.status_code == status
        assert told.status_code == (200 if status == 202 else 403)
        if told.status_code == 200:
            assert told.json()["endpoints"] == ["/shutdown", "/api/shutdown"]


async def test_a_server_that_cannot_be_stopped_says_so(client):
    answer = await client.post("/shutdown")
    assert answer.status_code == 409
