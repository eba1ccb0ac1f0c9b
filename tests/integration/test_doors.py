"""Every way in, taken from the running application: without a good key, or with the wrong one, nothing is told."""

import re
from typing import Any, NamedTuple

import httpx
import pytest
from starlette.routing import Route

from budget.domain.entries import SCOPES
from budget.interfaces.mcp import messages, tools
from budget.interfaces.rest.projected import reads_query
from budget.interfaces.rest.routes import ROUTES
from budget.operations.catalogue import BY_NAME, CATALOGUE, Operation
from budget.operations.gate import OPEN_PATHS
from tests.guarded import guarding
from tests.walking import HOT_ROUTES, Walk, fits, furnished

UUID = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
MODEL_CONTEXT = {"accept": "application/json, text/event-stream", "mcp-protocol-version": "2025-11-25"}

# What any good key may ask, whatever its scopes: nothing of the ledger is in it.
FOR_ANY_KEY = re.compile(
    r"/|/dashboard/x|/docs\.(?:js|css)|/health|/ready|/status|/docs|/openapi\.json|/workflow|/api(/v1)?|/api(/v1)?/(health|status|docs|openapi\.json|discovery)"
    r"|/(api/|api/v1/|mcp/)?mcp/(health|capabilities|tools|v2/tools|v2/tools/list|results/\w+)"
)
# Where the scope depends on what the body asks for: messages and tools are walked by themselves.
BY_BODY = re.compile(r"/(api/|api/v1/|mcp/)?mcp(/message|/process|/tools/invoke|/v2/tools/call)?|.*/tools/\w+/execute")


class Way(NamedTuple):
    method: str
    path: str


@pytest.fixture(scope="module")
def guarded(new_database, tmp_path_factory):
    with guarding(new_database, tmp_path_factory.mktemp("guarded")) as guarded:
        yield guarded


@pytest.fixture(scope="module")
def walk(guarded, tmp_path_factory):
    return furnished(guarded.admin, guarded.running, tmp_path_factory.mktemp("walk"))


@pytest.fixture(scope="module")
def mine(guarded):
    """A key with every right over one budget, which is empty, and one that may do everything there."""
    made = guarded.admin.post("/api/budgets", json={"name": "mine", "default_policies": False}).json()
    return guarded.with_key("read", "record", "allocate", "admin", budgets=[made["budget_id"]])


def _routes(found: Any, prefix: str = "") -> list[Way]:
    ways = []
    for route in found:
        if isinstance(route, Route):
            path = re.sub(r"{(\w+)(:\w+)?}", "x", prefix + route.path)
            ways += [Way(method, path) for method in sorted(route.methods or ()) if method != "HEAD"]
        elif inner := getattr(route, "original_router", None):
            ways += _routes(inner.routes, prefix + route.include_context.prefix)
    return ways


def _ways(guarded) -> list[Way]:
    ways = _routes(guarded.running.app.routes)
    assert len(ways) > 200
    return [*ways, Way("GET", "/nothing/here"), Way("POST", "/api/nothing")]


def _said(answer: httpx.Response) -> tuple[int, dict[str, Any]]:
    said = answer.json()
    return answer.status_code, {**said, "instance": None}


def test_without_a_good_key_every_way_says_the_same_whether_it_exists_or_not(guarded):
    withdrawn, over = guarded.key("admin"), guarded.key("admin", expires_at=guarded.after(60))
    guarded.admin.delete(f"/api/keys/{withdrawn['key_id']}").raise_for_status()
    guarded.clock.time += 60_000_000
    near = guarded.secret[:-1] + ("A" if guarded.secret[-1] != "A" else "B")
    clients = [guarded.client(secret) for secret in (withdrawn["key"], over["key"], near, "", "\xff", "bgt_")]
    answers = set()
    for method, path in _ways(guarded):
        for client in (guarded.nobody, *clients):
            if client is guarded.nobody and path in OPEN_PATHS:
                continue
            if client is not guarded.nobody and path.startswith("/api/v1/"):
                continue  # the same as below /api
            answer = client.request(method, path)
            assert answer.headers["www-authenticate"].startswith("Bearer"), path
            answers.add(str(_said(answer)))
    assert len(answers) == 1
    assert answers.pop().startswith("(401, ")


def test_without_a_key_health_and_readiness_say_up_or_not_and_no_more(guarded):
    said = {path: guarded.nobody.get(path).json() for path in sorted(OPEN_PATHS)}
    assert said.pop("/ready") == {"ready": True}
    assert set(map(str, said.values())) == {str({"status": "healthy"})}
    assert len(guarded.admin.get("/health").json()) > 5


def test_a_browser_asks_its_person_for_the_key_and_then_shows_the_page(guarded):
    page = {"Accept": "text/html"}
    asked = guarded.nobody.get("/", headers=page)
    assert (asked.status_code, asked.headers["www-authenticate"][:5]) == (401, "Basic")
    for path in ("/", "/docs", "/dashboard/main.js"):
        assert guarded.nobody.get(path, headers=page, auth=("", guarded.secret)).status_code == 200
        assert guarded.nobody.get(path, headers=page, auth=("", "bgt_wrong")).status_code == 401


def test_a_key_without_the_scope_is_refused_on_every_way(guarded):
    without = {scope: guarded.with_key(*(other for other in SCOPES[:3] if other != scope)) for scope in SCOPES}
    open_to = [way for way in _ways(guarded) if not FOR_ANY_KEY.fullmatch(way.path) and not BY_BODY.fullmatch(way.path)]
    for method, path in open_to:
        refused = [scope for scope, client in without.items() if _status(client, method, path) == 403]
        assert refused or _status(guarded.admin, method, path) == 404, (method, path)


def _status(client: httpx.Client, method: str, path: str) -> int:
    with client.stream(method, path) as answer:  # some have no end
        return answer.status_code


@pytest.mark.parametrize("operation", CATALOGUE, ids=lambda operation: operation.name)
def test_an_operation_needs_its_scope_as_message_and_tool_too(guarded, operation):
    others = [scope for scope in SCOPES[:3] if scope != operation.scope]
    client = guarded.with_key(*others)
    message = {"sender": "x", "message_type": f"budget.{operation.name}", "payload": {}}
    call = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": operation.name, "arguments": {}}}
    plain = client.post("/mcp", json=call, headers=MODEL_CONTEXT).json()["result"]["structuredContent"]
    said = [client.post("/mcp", json=message).json()["payload"]["problem"], plain]
    said.append(client.post(f"/api/tools/{operation.name}/execute", json={}).json()["problem"])
    assert [problem["status"] for problem in said] == [403] * 3
    assert all(repr(operation.scope) in problem["detail"] for problem in said)


def test_every_message_and_tool_that_is_no_operation_needs_a_scope(guarded):
    client = guarded.with_key("admin", "read")
    nothing = guarded.with_key("record")
    for name in set(tools.TOOLS) - set(BY_NAME) - {"RecordUsage"}:
        assert nothing.post(f"/api/tools/{name}/execute", json={}).json()["problem"]["status"] == 403, name
    allocating = guarded.with_key("allocate")
    assert allocating.post("/api/tools/RecordUsage/execute", json={}).json()["problem"]["status"] == 403
    assert client.post("/api/tools/health_check/execute", json={}).json()["success"]
    names = {f"budget.{name}" for name in BY_NAME}
    assert set(messages.HANDLERS) - names == set(messages.TEKTON) - names


@pytest.mark.parametrize("operation", CATALOGUE, ids=lambda operation: operation.name)
def test_what_belongs_to_another_budget_is_as_if_it_were_not_there(guarded, walk, mine, operation):
    asked = walk.asked(operation)
    strange = {name: _unknown(value, walk) for name, value in asked.items()}
    answer, unknown = _sent(mine, operation, asked), _sent(mine, operation, strange)
    known = [walk_id for name, walk_id in walk.ids.items() if walk_id not in str(asked) and name != "price"]
    assert not any(walk_id in answer.text for walk_id in known), answer.text
    assert answer.status_code == unknown.status_code
    if asked != strange and answer.is_error:
        blank = [re.sub(UUID, "", said.text) for said in (answer, unknown)]
        assert blank[0] == blank[1]
        assert answer.status_code in (403, 404, 422), answer.text


def _sent(client: httpx.Client, operation: Operation, asked: dict[str, Any]) -> httpx.Response:
    route = next(each for each in (*ROUTES, *HOT_ROUTES) if fits(each, operation, asked))
    path = route.path.replace(":path", "").format(**asked)
    rest = {name: value for name, value in asked.items() if "{" + name not in route.path}
    sent: dict[str, Any] = {"params": rest} if reads_query(route) else {"json": rest}
    return client.request(route.method, f"/api/v1{path}", **sent)


def _unknown(value: Any, walk: Walk) -> Any:
    """Another id in the place of each that is known."""
    if isinstance(value, list):
        return [_unknown(item, walk) for item in value]
    if value in walk.ids.values() and re.fullmatch(UUID, str(value)):
        return value[:-4] + "0000"
    return value
