"""Sockets and streams with keys on: nothing before a good key, only what is its own after, and the end with it."""

import json

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from tests.guarded import guarding

FRAME = {"topic": "events", "payload": {}}
USAGE = {
    "component": "rhetor",
    "provider": "acme",
    "model": "m-1",
    "context_id": "c",
    "input_tokens": 3,
    "output_tokens": 2,
}


@pytest.fixture(scope="module")
def guarded(new_database, tmp_path_factory):
    with guarding(new_database, tmp_path_factory.mktemp("guarded")) as guarded:
        yield guarded


@pytest.fixture(scope="module")
def budgets(guarded):
    made = [
        guarded.admin.post("/api/budgets", json={"name": name, "default_policies": False})
        for name in ("mine", "theirs")
    ]
    return [budget.json()["budget_id"] for budget in made]


def _socket(guarded, path="/ws/events", **headers):
    return connect(guarded.running.address.replace("http", "ws") + path, additional_headers=headers, open_timeout=20)


def _ask(socket, kind, **payload):
    socket.send(json.dumps({**FRAME, "type": kind, "payload": payload}))
    return json.loads(socket.recv(timeout=20))


@pytest.mark.parametrize("path", ["/ws", "/ws/events?after=0", "/ws/budget/alerts", "/ws/alerts"])
def test_without_a_key_a_socket_gets_its_greeting_and_errors_and_nothing_else(guarded, path):
    with _socket(guarded, path) as socket:
        greeting = json.loads(socket.recv(timeout=20))
        assert (list(greeting["payload"]), greeting["as_of_seq"]) == (["message"], 0)
        for kind in ("subscription", "unsubscription", "heartbeat", "nonsense", "alert"):
            assert _ask(socket, kind, topic="events", snapshot=True)["type"] == "error"
        guarded.admin.post("/api/usage/record", json=USAGE).raise_for_status()
        assert _ask(socket, "authentication", api_key="bgt_wrong")["payload"] == {"success": False}
        assert _ask(socket, "authentication", api_key=guarded.secret)["payload"] == {"success": True}


def test_tries_without_a_key_are_counted(guarded):
    with _socket(guarded) as socket:
        for _ in range(10):
            socket.recv(timeout=20)
            socket.send(json.dumps({**FRAME, "type": "authentication", "payload": {"api_key": "no"}}))
        socket.recv(timeout=20)
        with pytest.raises(ConnectionClosed, match="4401"):
            socket.recv(timeout=20)


def test_a_key_may_come_with_the_handshake(guarded):
    for headers in ({"X-API-Key": guarded.secret}, {"Authorization": f"Bearer {guarded.secret}"}):
        with _socket(guarded, **headers) as socket:
            assert json.loads(socket.recv(timeout=20))["as_of_seq"] > 0
    with _socket(guarded, **{"X-API-Key": "bgt_wrong"}) as socket, pytest.raises(ConnectionClosed, match="4401"):
        socket.recv(timeout=20)


def test_a_key_without_read_hears_nothing(guarded):
    with _socket(guarded, **{"X-API-Key": guarded.key("record")["key"]}) as socket:
        socket.recv(timeout=20)
        assert "scope 'read'" in _ask(socket, "subscription", topic="events")["payload"]["error"]


def test_a_bound_key_hears_of_its_own_budget_alone(guarded, budgets):
    mine, theirs = budgets
    key = guarded.key("read", budgets=[mine])
    with _socket(guarded, **{"X-API-Key": key["key"]}) as socket:
        socket.recv(timeout=20)
        assert _ask(socket, "subscription", topic="events")["payload"]["success"]
        guarded.key("read")  # who else has a key is not its affair
        for budget in (theirs, mine):
            guarded.admin.post("/api/usage/record", json={**USAGE, "budget_id": budget}).raise_for_status()
        heard = json.loads(socket.recv(timeout=20))
    assert (heard["event"], heard["budget_id"]) == ("usage.recorded", mine)
    asked = guarded.client(key["key"]).get("/api/events", params={"limit": 1000}).json()["items"]
    assert {event["budget_id"] for event in asked} <= {mine, None}
    assert "key.changed" not in {event["type"] for event in asked}


def test_a_socket_ends_with_its_key(guarded):
    key = guarded.key("read")
    with _socket(guarded, **{"X-API-Key": key["key"]}) as socket:
        socket.recv(timeout=20)
        guarded.admin.delete(f"/api/keys/{key['key_id']}").raise_for_status()
        guarded.admin.post("/api/usage/record", json=USAGE).raise_for_status()
        with pytest.raises(ConnectionClosed, match="4401"):
            socket.recv(timeout=20)


def test_a_stream_ends_with_its_key(guarded):
    key = guarded.key("read")
    with guarded.client(key["key"]).stream("GET", "/events") as stream:
        lines = stream.iter_lines()
        assert next(lines).startswith("retry")
        guarded.admin.delete(f"/api/keys/{key['key_id']}").raise_for_status()
        guarded.admin.post("/api/usage/record", json=USAGE).raise_for_status()
        assert "usage.recorded" not in "".join(lines)


def test_the_answer_to_a_message_is_for_its_sender_alone(guarded):
    message = {"sender": "x", "message_type": "budget.list_budgets", "message_id": "m-1", "async": True, "payload": {}}
    sender = guarded.with_key("read")
    with _socket(guarded, **{"X-API-Key": guarded.key("read", name="other")["key"]}) as socket:
        socket.recv(timeout=20)
        assert _ask(socket, "subscription", topic="events")["payload"]["success"]
        sender.post("/mcp", json=message).raise_for_status()
        while sender.get("/api/mcp/results/m-1").status_code == 202:
            pass
        guarded.admin.post("/api/usage/record", json=USAGE).raise_for_status()
        assert json.loads(socket.recv(timeout=20))["event"] == "usage.recorded"
    assert guarded.admin.get("/api/mcp/results/m-1").status_code == 404
