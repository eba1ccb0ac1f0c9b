"""Requests, replies and errors of the clients, against the real application."""

from decimal import Decimal

import httpx
import msgspec
import pytest

from budget.client import (
    BudgetError,
    Conflict,
    Invalid,
    NotAllowed,
    NotFound,
    Refused,
    Unavailable,
    requests,
)
from budget.domain import commands
from tests.client.conftest import HOLD, USAGE, client_of, held_tokens, recorded


async def test_money_is_exact_decimals_whole_dollars_too(client):
    price = await client.set_price(
        provider="ours", model="m", input_cost_per_token=Decimal("0.0000001"), output_cost_per_token=2
    )
    assert price["input_cost_per_token"] == Decimal("0.0000001")
    assert isinstance(price["output_cost_per_token"], Decimal)
    record = await client.record(**{**USAGE, "provider": "ours", "model": "m", "context_id": "c", "output_tokens": 1})
    assert record["total_cost"] == Decimal("2.00009")


async def test_amounts_of_a_cost_limit_are_decimals_and_of_a_token_limit_whole(client):
    limits = (await client.limits(period="daily"))["items"]
    kinds = {row["unit"]: type(row["limit"]) for row in limits}
    assert kinds == {"tokens": int, "cost": Decimal}


async def test_a_check_holds_nothing_and_an_allocation_can_be_explained(client):
    verdict = await client.check(**HOLD)
    assert verdict["allowed"] is True
    allocation = await client.allocate(**HOLD)
    assert (await client.explain(allocation["decision_id"]))["verdict"] == "granted"
    assert (await client.get_allocation(allocation["allocation_id"]))["state"] == "open"


async def test_the_life_of_an_allocation(client):
    allocation_id = (await client.allocate(**HOLD))["allocation_id"]
    assert (await client.start(allocation_id))["state"] == "started"
    assert (await client.increase(allocation_id, 500))["tokens_allocated"] == 1500
    assert (await client.extend(allocation_id))["state"] == "started"
    settled = await client.settle(allocation_id, input_tokens=900, output_tokens=100)
    assert settled["tokens_released"] == 500
    with pytest.raises(Conflict):
        await client.settle(allocation_id, input_tokens=1, output_tokens=1)


async def test_a_release_gives_everything_back(client):
    allocation_id = (await client.allocate(**HOLD))["allocation_id"]
    assert (await client.release(allocation_id))["tokens_released"] == 1000
    assert await held_tokens(client) == 0


async def test_records_can_be_corrected_and_voided(client):
    record = await client.record(**USAGE, context_id="c")
    corrected = await client.correct(record["record_id"], "recount", output_tokens=10)
    assert corrected["output_tokens"] == 10
    await client.void(corrected["record_id"], "sent twice")
    assert await recorded(client) == 0
    assert (await client.get_record(record["record_id"]))["corrected_by"] == corrected["record_id"]


async def test_a_batch_takes_each_record_by_itself_and_keeps_own_keys(client):
    records = [{**USAGE, "context_id": "c", "request_id": "mine"}, {**USAGE, "context_id": "c"}, {"component": "x"}]
    first = await client.record_batch(records)
    assert (first["accepted"], first["duplicates"], first["refused"]) == (2, 0, 1)
    assert (await client.record_batch(records[:1]))["duplicates"] == 1


async def test_summary_is_one_row_of_the_default_or_a_named_budget(client):
    budget = await client.create_budget(name="Team", default_policies=False)
    await client.record(**USAGE, context_id="c", budget_id=budget["budget_id"])
    assert (await client.summary())["total_tokens_used"] == 0
    assert (await client.summary("daily", budget_id=budget["budget_id"]))["total_tokens_used"] == 1150
    assert (await client.list_budgets(name="Team"))["total"] == 1


async def test_a_refusal_says_what_would_fit_and_an_offer_is_granted(client):
    policy = await client.create_policy(type="hard_limit", period="daily", token_limit=800, component="apollo")
    with pytest.raises(Refused) as caught:
        await client.allocate(**HOLD)
    refused = caught.value
    assert refused.code == "insufficient_budget"
    assert [limit["policy_id"] for limit in refused.limits] == [policy["policy_id"]]
    assert refused.retryable is False
    assert refused.retry_at is None
    assert (await client.explain(refused.decision_id))["verdict"] == "refused"
    assert (await client.take_offer(refused, 0))["tokens_allocated"] == 800


async def test_an_offer_of_an_increase_increases(client):
    await client.create_policy(type="hard_limit", period="daily", token_limit=1300, component="apollo")
    allocation_id = (await client.allocate(**HOLD))["allocation_id"]
    with pytest.raises(Refused) as caught:
        await client.increase(allocation_id, 500)
    assert (await client.take_offer(caught.value))["tokens_allocated"] == 1300


async def test_what_is_wrong_is_named(client):
    with pytest.raises(Invalid) as caught:
        await client.record(component="apollo", context_id="c", provider="openai", model="gpt-4o")
    assert caught.value.field == "input_tokens"
    assert caught.value.status == 422


async def test_what_is_not_there_is_not_found(client):
    with pytest.raises(NotFound):
        await client.get_allocation("a/b ?")


@pytest.mark.parametrize(
    ("response", "kind"),
    [
        (httpx.Response(401, text="no"), NotAllowed),
        (httpx.Response(429, json={"code": "rate_limited"}), Unavailable),
        (httpx.Response(500, text="<html>"), BudgetError),
        (httpx.Response(200, text="<html>"), BudgetError),
        (httpx.Response(422, json=[1]), Invalid),
    ],
)
async def test_replies_of_others_are_errors_too(response, kind):
    async with client_of(None, transport=httpx.MockTransport(lambda _: response)) as client:
        with pytest.raises(kind) as caught:
            await client.limits()
        assert type(caught.value) is kind


@pytest.mark.parametrize(
    ("fields", "command"),
    [
        (requests.AllocationRequest, commands.Allocate),
        (requests.UsageRequest, commands.RecordUsage),
        (requests.BudgetRequest, commands.CreateBudget),
        (requests.PolicyRequest, commands.CreatePolicy),
        (requests.PriceRequest, commands.SetPrice),
    ],
)
def test_the_clients_fields_are_the_services(fields, command):
    assert set(fields.__annotations__) == set(command.__struct_fields__)
    required = {field.name for field in msgspec.structs.fields(command) if field.required}
    assert set(fields.__required_keys__) == required
