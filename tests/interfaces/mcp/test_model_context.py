"""The Model Context Protocol, spoken by its official SDK's own client over a real socket, in both specifications."""

import asyncio
import contextlib
import json
import subprocess
import sys

import httpx
import pytest
from mcp import Client, MCPError
from mcp.client.subscriptions import ListenNotSupportedError, ResourcesListChanged, ResourceUpdated
from mcp_types import TextContent

from budget.interfaces.mcp import prompts, resources
from budget.interfaces.mcp.plain_calls import BEFORE, CURRENT
from budget.operations.catalogue import BY_NAME, CATALOGUE
from tests.serving import serving
from tests.walking import walking

MODES = {CURRENT: "auto", BEFORE: "legacy"}
"""How the client is told which specification to speak."""

SOON = 1.0
"""Seconds in which a change of a balance is heard."""


@pytest.fixture(scope="module")
def walk(new_database, tmp_path_factory):
    with walking(new_database, tmp_path_factory.mktemp("model-context")) as walk:
        yield walk


@pytest.fixture(params=list(MODES))
def connect(request, address):
    """A connection by each specification. It is opened and closed by the test, whose task it needs."""

    @contextlib.asynccontextmanager
    async def connect():
        async with Client(f"{address}/mcp", mode=MODES[request.param]) as client:
            assert client.protocol_version == request.param
            yield client

    return connect


@pytest.fixture
def connect_now(address):
    """A connection by the current specification."""
    return lambda: Client(f"{address}/mcp")


async def test_it_says_what_it_is_and_can(connect):
    async with connect() as model:
        assert (model.server_info.name, model.server_info.title) == ("budget", "Budget")
        assert "request_id" in model.instructions
        capabilities = model.server_capabilities
        assert capabilities.tools
        assert capabilities.prompts
        assert capabilities.resources.subscribe is (model.protocol_version == CURRENT)


async def test_a_client_that_asks_first_gets_the_current_specification(address):
    for path in ("/mcp", "/api/mcp", "/api/v1/mcp"):
        async with Client(address + path) as client:
            assert client.protocol_version == CURRENT


async def test_every_operation_is_a_tool_with_typed_input_output_and_hints(connect):
    async with connect() as model:
        tools = {tool.name: tool for tool in (await model.list_tools()).tools}
        assert list(tools) == [operation.name for operation in CATALOGUE]
        for name, tool in tools.items():
            assert tool.description == BY_NAME[name].description
            assert tool.input_schema["type"] == tool.output_schema["type"] == "object"
        reading, adding = tools["list_limits"].annotations, tools["record_usage"].annotations
        changing, removing = tools["update_policy"].annotations, tools["void_usage"].annotations
        assert (reading.read_only_hint, reading.idempotent_hint) == (True, True)
        assert (adding.read_only_hint, adding.destructive_hint, adding.idempotent_hint) == (False, False, False)
        assert (changing.destructive_hint, changing.idempotent_hint) == (False, True)
        assert removing.destructive_hint is True


@pytest.mark.parametrize("mode", MODES.values())
async def test_every_tool_is_called_and_its_output_fits_its_schema(walk, mode):
    async with Client(f"{walk.address}/mcp", mode=mode) as client:
        await client.list_tools()  # from now on the client holds each result against the tool's schema
        for operation in CATALOGUE:
            result = await client.call_tool(operation.name, walk.asked(operation))
            assert result.is_error is False, (operation.name, result.content)
            (content,) = result.content
            assert isinstance(content, TextContent)
            assert json.loads(content.text) == result.structured_content


async def test_a_tools_error_is_a_problem_document(connect):
    async with connect() as model:
        wrong = await model.call_tool("get_policy", {"policy_id": "none"})
        assert wrong.is_error is True
        problem = wrong.structured_content
        assert (problem["status"], problem["code"], problem["errors"][0]["field"]) == (
            404,
            "resource_not_found",
            "policy_id",
        )
        missing = (await model.call_tool("get_policy", {})).structured_content
        assert missing["errors"] == [{"field": "policy_id", "message": "is required"}]
        unknown = (await model.call_tool("list_budgets", {"colour": "red"})).structured_content
        assert unknown["errors"][0]["field"] == "colour"


async def test_a_refusal_has_its_arithmetic_and_its_offer_is_granted(http, connect, budget):
    async with connect() as model:
        limit = {"type": "hard_limit", "period": "daily", "token_limit": 50, "budget_id": budget}
        http.post("/api/policies", json=limit)
        ask = {"budget_id": budget, "context_id": "c", "component": "docs", "tokens_allocated": 90}
        refused = await model.call_tool("allocate", ask)
        assert refused.is_error is True
        assert refused.structured_content["limits"][0]["asked"] == 90
        offer = refused.structured_content["offers"][0]["request"]
        assert (await model.call_tool("allocate", offer)).structured_content["tokens_allocated"] == 50


async def test_a_request_id_makes_a_call_happen_once(connect, budget):
    async with connect() as model:
        usage = {"component": "a", "provider": "acme", "model": "m-1", "input_tokens": 1, "output_tokens": 1}
        call = {**usage, "context_id": "c", "budget_id": budget, "request_id": f"once-{budget}"}
        ids = {(await model.call_tool("record_usage", call)).structured_content["record_id"] for _ in range(3)}
        assert len(ids) == 1


async def test_an_unknown_tool_is_an_error_of_the_protocol(connect):
    async with connect() as model:
        with pytest.raises(MCPError, match="Unknown tool"):
            await model.call_tool("make_coffee", {})


# Resources


async def test_resources_are_listed_and_read(connect, used):
    async with connect() as model:
        listed = {each.uri for each in (await model.list_resources()).resources}
        assert {resources.BUDGETS, resources.POLICIES, resources.PRICES, resources.USAGE} <= listed
        uri = resources.budget_uri(used["budget_id"])
        assert uri in listed
        (content,) = (await model.read_resource(uri)).contents
        found = json.loads(content.text)
        assert (content.mime_type, found["budget"]["budget_id"]) == ("application/json", used["budget_id"])
        daily = [row for row in found["limits"] if (row["period"], row["unit"], row["tier"]) == ("daily", "cost", None)]
        assert (daily[0]["used"], daily[0]["held"]) == (0.04, 1.98)


async def test_every_template_leads_to_something(http, connect, used):
    async with connect() as model:
        policy_id = http.get(f"/api/budgets/{used['budget_id']}/policies").json()["items"][0]["policy_id"]
        ids = {**used, "policy_id": policy_id, "provider": "acme", "model": "m-1", "event_type": "budget.updated"}
        templates = [each.uri_template for each in (await model.list_resource_templates()).resource_templates]
        assert templates == [template.uri for template in resources.TEMPLATES if not template.is_fixed]
        for uri in [*templates, *(template.uri for template in resources.TEMPLATES if template.is_fixed)]:
            (content,) = (await model.read_resource(uri.format(**ids))).contents
            assert json.loads(content.text)


@pytest.mark.parametrize(
    "uri",
    ["budget://nothing", "budget://budgets/none", "budget://budgets/a/b/c", "budget://events/x", "file:///etc/passwd"],
)
async def test_what_is_not_there_is_an_error_with_a_problem(connect, uri):
    async with connect() as model:
        with pytest.raises(MCPError) as caught:
            await model.read_resource(uri)
        assert (caught.value.data["uri"], caught.value.data["problem"]["status"]) == (uri, 404)


async def test_a_list_of_many_budgets_comes_in_pages(connect, monkeypatch, http, budget):
    async with connect() as model:
        monkeypatch.setattr(resources, "MOST_LISTED", 2)
        http.post("/api/budgets", json={"name": "one more", "default_policies": False})
        found, cursor = [], None
        while True:
            page = await model.list_resources(cursor=cursor)
            found += [each.uri for each in page.resources]
            cursor = page.next_cursor
            if cursor is None:
                break
        total = http.get("/api/v1/budgets").json()["total"]
        assert len(found) == len(set(found)) == total + sum(template.is_fixed for template in resources.TEMPLATES)
        with pytest.raises(MCPError, match="cursor"):
            await model.list_resources(cursor="-1")


# Changes


def record(http: httpx.Client, budget: str) -> None:
    usage = {"component": "a", "provider": "acme", "model": "m-1", "input_tokens": 1, "output_tokens": 1}
    http.post("/api/usage/record", json={**usage, "context_id": "c", "budget_id": budget}).raise_for_status()


async def test_a_change_of_a_balance_is_heard_within_a_second(http, connect_now, budget):
    async with connect_now() as current:
        uri = resources.budget_uri(budget)
        async with current.listen(resource_subscriptions=[uri]) as heard:
            for _ in range(3):
                await asyncio.to_thread(record, http, budget)
                assert await asyncio.wait_for(anext(heard), SOON) == ResourceUpdated(uri=uri)


async def test_nothing_is_heard_of_what_was_not_asked_for(http, connect_now, budget):
    async with connect_now() as current:
        usage = resources.budget_uri(budget) + "/usage"
        async with current.listen(resource_subscriptions=[usage], resources_list_changed=True) as heard:
            limit = {"type": "warn", "period": "daily", "token_limit": 50, "budget_id": budget}
            await asyncio.to_thread(http.post, "/api/policies", json=limit)
            await asyncio.to_thread(http.post, "/api/budgets", json={"name": "new", "default_policies": False})
            assert await anext(heard) == ResourcesListChanged()
            await asyncio.to_thread(record, http, budget)
            assert await anext(heard) == ResourceUpdated(uri=usage)


async def test_tekton_s_events_are_notifications_too_with_their_messages_to_read(http, connect_now, budget):
    async with connect_now() as current:
        uri = resources.events_uri("budget.limit_exceeded")
        limit = {"type": "warn", "period": "monthly", "token_limit": 1, "budget_id": budget}
        policy = (await asyncio.to_thread(http.post, "/api/policies", json=limit)).json()
        async with current.listen(resource_subscriptions=[uri]) as heard:
            await asyncio.to_thread(record, http, budget)
            assert await asyncio.wait_for(anext(heard), SOON) == ResourceUpdated(uri=uri)
            (content,) = (await current.read_resource(uri)).contents
        newest = json.loads(content.text)[-1]
        assert (newest["sender"], newest["event_type"]) == ("budget", "budget.limit_exceeded")
        assert newest["payload"]["policy_id"] == policy["policy_id"]


async def test_many_changes_are_told_a_few_times_and_the_last_one_always(http, connect_now, budget):
    async with connect_now() as current:
        uri = resources.budget_uri(budget)
        usage = {"component": "a", "provider": "acme", "model": "m-1", "context_id": "c", "budget_id": budget}
        records = [{**usage, "input_tokens": 1, "output_tokens": 0}] * 2_000
        async with current.listen(resource_subscriptions=[uri]) as heard:
            await asyncio.to_thread(http.post, "/api/usage/batch", json={"records": records})
            told = 0
            while True:
                assert await anext(heard) == ResourceUpdated(uri=uri)
                told += 1
                (content,) = (await current.read_resource(uri)).contents
                shown = [
                    row["used"]
                    for row in json.loads(content.text)["limits"]
                    if row["used"] is not None and row["unit"] == "tokens"
                ]
                if max(shown) == 2_000:
                    break
        assert told < 100


async def test_a_stream_ends_in_good_order_when_the_service_stops(new_database, tmp_path):
    with serving(new_database, tmp_path) as running:
        async with (
            Client(f"{running.address}/mcp") as client,
            client.listen(resource_subscriptions=[resources.BUDGETS]) as heard,
        ):
            running.stop()
            assert [event async for event in heard] == []


async def test_the_specification_before_has_no_such_stream(address):
    async with Client(f"{address}/mcp", mode="legacy") as client:
        with pytest.raises(ListenNotSupportedError):
            await client.listen(resource_subscriptions=[resources.BUDGETS]).__aenter__()


# Prompts


async def test_prompts_are_listed_and_filled_with_figures(http, connect, used):
    async with connect() as model:
        listed = {each.name: each for each in (await model.list_prompts()).prompts}
        assert set(listed) == {prompt.name for prompt in prompts.PROMPTS}
        given = {
            "explain_refusal": {"decision_id": used["allocation_id"]},
            "review_spending": {"period": "daily", "budget_id": used["budget_id"]},
            "choose_model": {"task": "summarise mails", "provider": "acme", "model": "m-1"},
            "plan_limits": {"budget_id": used["budget_id"]},
        }
        for name, prompt in listed.items():
            assert {each.name for each in prompt.arguments} >= set(given[name])
            (message,) = (await model.get_prompt(name, given[name])).messages
            question, _, figures = message.content.text.partition("\n\n")
            assert question.strip()
            assert json.loads(figures)


async def test_a_prompts_arguments_are_checked(connect):
    async with connect() as model:
        for name, given, field in (
            ("explain_refusal", {}, "decision_id"),
            ("review_spending", {"colour": "red"}, "colour"),
            ("review_spending", {"period": "yearly"}, "period"),
        ):
            with pytest.raises(MCPError) as caught:
                await model.get_prompt(name, given)
            assert caught.value.data["problem"]["errors"][0]["field"] == field
        with pytest.raises(MCPError, match="Unknown prompt"):
            await model.get_prompt("sing", {})


# Around it


def test_the_sdk_is_loaded_only_when_it_is_needed():
    said = subprocess.run(
        [sys.executable, "-c", "import budget.app, sys; print('mcp' in sys.modules)"],
        capture_output=True,
        check=True,
        text=True,
    )
    assert said.stdout == "False\n"


@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_there_are_no_sessions_to_read_or_end(http, method):
    headers = {"accept": "text/event-stream", "mcp-protocol-version": CURRENT}
    assert http.request(method, "/mcp", headers=headers).status_code == 405


def test_a_page_of_another_origin_may_not_speak_it(http):
    sent = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}}
    headers = {"accept": "application/json, text/event-stream", "Origin": "http://elsewhere.example"}
    assert http.post("/mcp", json=sent, headers=headers).status_code == 403
