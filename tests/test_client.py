"""The clients, against the real application: errors, money, holds that end well, and retries that never double."""

import asyncio
import threading
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import httpx
import msgspec
import pytest

from benchmarks.service import Service
from budget.app import create_app
from budget.client import (
    AsyncBudgetClient,
    BudgetClient,
    BudgetError,
    Conflict,
    Invalid,
    NotAllowed,
    NotFound,
    Refused,
    Retries,
    Unavailable,
    requests,
)
from budget.domain import commands
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


# Requests and replies


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


# Errors


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


# Retries


async def test_a_lost_answer_is_asked_for_again_and_counts_once(app):
    lossy = Lossy(httpx.ASGITransport(app), lambda number, _: number in (1, 2))
    async with client_of(app, transport=lossy) as client:
        record = await client.record(**USAGE, context_id="c")
        assert await recorded(client) == 1
    assert len({request.headers["Idempotency-Key"] for request in lossy.sent[:3]}) == 1
    assert record["total_tokens"] == 1150


async def test_each_call_has_a_key_of_its_own_unless_one_is_given(app):
    lossy = Lossy(httpx.ASGITransport(app))
    async with client_of(app, transport=lossy) as client:
        await client.record(**USAGE, context_id="c")
        await client.record(**USAGE, context_id="c")
        await client.record(**USAGE, context_id="c", key="mine")
        await client.record(**USAGE, context_id="c", request_id="other")
        assert await recorded(client) == 4
    first, second, given, other = (request.headers.get("Idempotency-Key") for request in lossy.sent[:4])
    assert first != second
    assert given == "mine"
    assert other is None


async def test_a_lost_batch_counts_once(app):
    lossy = Lossy(httpx.ASGITransport(app), lambda number, _: number == 1)
    async with client_of(app, transport=lossy) as client:
        answer = await client.record_batch([{**USAGE, "context_id": "c"}] * 3)
        assert answer["duplicates"] == 3
        assert await recorded(client) == 3


async def test_tries_are_bounded_and_the_error_carries_the_key(app):
    lossy = Lossy(httpx.ASGITransport(app), lambda *_: True)
    sleeps = Sleeps()
    async with client_of(app, transport=lossy, retries=Retries(tries=3), sleep=sleeps) as client:
        with pytest.raises(Unavailable) as caught:
            await client.record(**USAGE, context_id="c")
    assert len(lossy.sent) == 3
    assert len(sleeps.waits) == 2
    async with client_of(app) as client:
        await client.record(**USAGE, context_id="c", key=caught.value.idempotency_key)
        assert await recorded(client) == 1


async def test_a_busy_service_is_asked_again_when_it_says(app):
    answers = iter(
        [httpx.Response(503, headers={"Retry-After": "7"}), httpx.Response(503), httpx.Response(200, json={})]
    )
    sleeps = Sleeps()
    transport = httpx.MockTransport(lambda _: next(answers))
    async with client_of(app, transport=transport, sleep=sleeps) as client:
        assert await client.limits() == {}
    assert sleeps.waits[0] == 7
    assert 0 < sleeps.waits[1] <= 0.2


async def test_a_refusal_is_not_repeated(app):
    lossy = Lossy(httpx.ASGITransport(app))
    async with client_of(app, transport=lossy) as client:
        await client.create_policy(type="hard_limit", period="daily", token_limit=0, component="apollo")
        with pytest.raises(Refused):
            await client.allocate(**HOLD)
    assert len(lossy.sent) == 2


def test_waits_double_up_to_a_bound():
    retries = Retries(tries=10, first_wait_seconds=1, longest_wait_seconds=4)
    outcome = httpx.ConnectError("refused")
    waits = [retries.wait(tried, outcome) for tried in range(1, 11)]
    assert all(
        wait is not None and wait <= bound for wait, bound in zip(waits, (1, 2, 4, 4, 4, 4, 4, 4, 4), strict=False)
    )
    assert waits[-1] is None
    assert retries.wait(1, httpx.UnsupportedProtocol("ftp")) is None


# Holds


async def test_a_settled_hold_is_left_alone(client):
    async with client.allocation(**CALL) as hold:
        assert hold.allocation["state"] == "started"
        await hold.settle(input_tokens=100, output_tokens=50)
    allocation = await client.get_allocation(hold.allocation_id)
    assert allocation["state"] == "settled"
    assert await held_tokens(client) == 0


async def test_what_is_recorded_is_kept_and_the_rest_released(client):
    async with client.allocation(**CALL) as hold:
        await hold.record(usage={"prompt_tokens": 100, "completion_tokens": 50, "total_tokens": 150})
        await hold.record(input_tokens=10, output_tokens=5)
        await hold.increase(500)
    allocation = await client.get_allocation(hold.allocation_id)
    assert (allocation["state"], allocation["tokens_used"]) == ("released", 165)
    assert await held_tokens(client) == 0


async def test_a_body_that_made_no_call_pays_nothing(client):
    async with client.allocation(**CALL) as hold:
        pass
    assert (await client.get_allocation(hold.allocation_id))["state"] == "released"
    async with client.allocation(**CALL) as hold:
        await hold.release()
    assert (await client.get_allocation(hold.allocation_id))["state"] == "released"
    assert await recorded(client) == 0


async def test_an_exception_in_the_body_gives_the_hold_back_and_goes_on(client):
    with pytest.raises(ZeroDivisionError):
        async with client.allocation(**CALL) as hold:
            1 / 0  # noqa: B018
    assert (await client.get_allocation(hold.allocation_id))["state"] == "released"
    assert await held_tokens(client) == 0


async def test_an_exception_after_usage_keeps_the_usage(client):
    with pytest.raises(ZeroDivisionError):  # noqa: PT012
        async with client.allocation(**CALL) as hold:
            await hold.record(input_tokens=10, output_tokens=5)
            1 / 0  # noqa: B018
    assert await held_tokens(client) == 0
    assert await recorded(client) == 1


async def test_a_call_whose_usage_is_unknown_is_charged_and_settled_late(client):
    with pytest.raises(ZeroDivisionError):  # noqa: PT012
        async with client.allocation(**CALL) as hold:
            hold.calling()
            1 / 0  # noqa: B018
    ended = await client.get_allocation(hold.allocation_id)
    for _ in range(60):
        if ended["state"] == "provisional":
            break
        await asyncio.sleep(0.05)
        ended = await client.get_allocation(hold.allocation_id)
    assert ended["state"] == "provisional"
    settled = await client.settle(hold.allocation_id, input_tokens=10, output_tokens=5)
    assert settled["allocation"]["state"] == "settled"
    assert await recorded(client) == 1


async def test_usage_that_could_not_be_settled_is_not_released_as_unused(app):
    lossy = Lossy(httpx.ASGITransport(app), lambda _, request: request.url.path.endswith("/settle"))
    async with client_of(app, transport=lossy) as client:
        with pytest.raises(Unavailable):
            async with client.allocation(**CALL) as hold:
                await hold.settle(input_tokens=10, output_tokens=5)
        assert (await client.get_allocation(hold.allocation_id))["state"] == "settled"


async def test_a_cancelled_body_gives_the_hold_back(client):
    inside = asyncio.Event()
    holds = []

    async def body():
        async with client.allocation(**CALL) as hold:
            holds.append(hold)
            inside.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(body())
    await inside.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (await client.get_allocation(holds[0].allocation_id))["state"] == "released"


async def test_cancelled_while_allocating_the_hold_is_found_and_given_back(app):
    lossy = Lossy(httpx.ASGITransport(app))
    async with client_of(app, transport=lossy) as client:
        task = asyncio.create_task(client.allocation(**CALL).__aenter__())
        await until(lambda: len(lossy.answered) == 1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await until(lambda: any(request.url.path.endswith("/release") for request in lossy.answered))
        assert await held_tokens(client) == 0


async def test_a_refused_hold_does_not_run_the_body(client):
    await client.create_policy(type="hard_limit", period="daily", token_limit=0, component="apollo")
    with pytest.raises(Refused):
        async with client.allocation(**CALL):
            pytest.fail("the body ran")


async def test_a_hold_lives_fifteen_minutes_and_is_renewed_a_third_before_its_end(app):
    sleeps: list[float] = []
    go_on: asyncio.Queue[None] = asyncio.Queue()

    async def sleep(seconds):
        sleeps.append(seconds)
        await go_on.get()

    async with client_of(app, sleep=sleep) as client, client.allocation(**CALL) as hold:
        first = hold.allocation["expiration_time"]
        go_on.put_nowait(None)
        await until(lambda: hold.extensions == 1 and len(sleeps) == 2)
        assert hold.allocation["expiration_time"] > first
    assert sleeps == [600, 600]


async def test_renewing_is_tried_again_while_the_service_is_away(app):
    lossy = Lossy(httpx.ASGITransport(app), lambda _, request: request.url.path.endswith("/extend"))
    sleeps = Sleeps()
    async with client_of(app, transport=lossy, sleep=sleeps, retries=Retries(tries=1)) as client:
        async with client.allocation(**CALL) as hold:
            await until(lambda: len(sleeps.waits) >= 3)
            assert isinstance(hold.extension_error, Unavailable)
        assert sleeps.waits[:3] == [600, 30, 30]


async def test_renewing_stops_when_the_hold_has_ended(app):
    sleeps = Sleeps()
    async with client_of(app, sleep=sleeps) as client, client.allocation(**CALL) as hold:
        await client.release(hold.allocation_id, confirm_unused=True)
        await until(lambda: hold.extension_error is not None)
        assert isinstance(hold.extension_error, Conflict)


async def test_a_hold_that_cannot_be_ended_is_noted_on_the_bodys_error(app):
    lossy = Lossy(httpx.ASGITransport(app), lambda _, request: request.url.path.endswith("/release"))
    async with client_of(app, transport=lossy) as client:
        with pytest.raises(ZeroDivisionError) as caught:
            async with client.allocation(**CALL):
                1 / 0  # noqa: B018
        assert "could not be ended" in caught.value.__notes__[0]
        with pytest.raises(Unavailable):
            async with client.allocation(**CALL):
                pass


# The plain client, over a real socket


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    with Service(tmp_path_factory.mktemp("service")) as running:
        yield running


@pytest.fixture
def plain(service):
    with BudgetClient(service.url, api_key="unused") as made:
        yield made


def state_of(plain, hold):
    return plain.get_allocation(hold.allocation_id)["state"]


def test_plain_operations_return_the_reply(plain):
    assert plain.check(**HOLD)["allowed"] is True
    assert plain.record(**USAGE, context_id="plain")["total_tokens"] == 1150


def test_plain_holds_end_like_the_others(plain):
    with plain.allocation(**CALL) as settled:
        settled.settle(input_tokens=1, output_tokens=1)
    with plain.allocation(**CALL) as recorded_on:
        recorded_on.record(input_tokens=1, output_tokens=1)
        recorded_on.increase(5)
    with plain.allocation(**CALL) as given_back:
        given_back.release()
    with pytest.raises(ZeroDivisionError), plain.allocation(**CALL) as failed:
        1 / 0  # noqa: B018
    states = [state_of(plain, hold) for hold in (settled, recorded_on, given_back, failed)]
    assert states == ["settled", "released", "released", "released"]


def test_a_plain_hold_is_renewed_by_a_thread(service):
    waits, turns = [], threading.Semaphore(0)
    renewed = threading.Semaphore(0)

    def wait(stopped, seconds):
        waits.append(seconds)
        renewed.release()
        while not turns.acquire(timeout=0.01):
            if stopped.is_set():
                return True
        return stopped.is_set()

    with BudgetClient(service.url, wait=wait) as plain, plain.allocation(**CALL) as hold:
        assert renewed.acquire(timeout=5)
        turns.release()
        assert renewed.acquire(timeout=5)
        assert hold.extensions == 1
    assert waits == [600, 600]


def test_a_plain_hold_stops_renewing_when_it_has_ended(service):
    wait = lambda stopped, _: stopped.is_set()
    with BudgetClient(service.url, wait=wait) as plain, plain.allocation(**CALL) as hold:
        plain.release(hold.allocation_id, confirm_unused=True)
        hold._extending.join(5)
        assert isinstance(hold.extension_error, Conflict)


def test_a_plain_call_is_sent_again_after_a_lost_answer(service):
    waits: list[float] = []

    class LossyTransport(httpx.HTTPTransport):
        lost = 0

        def handle_request(self, request):
            response = super().handle_request(request)
            if self.lost < 2:
                self.lost += 1
                response.close()
                raise httpx.ReadError("the answer was lost", request=request)
            return response

    with BudgetClient(service.url, transport=LossyTransport(), sleep=waits.append) as plain:
        record = plain.record(**USAGE, context_id="lost")
        assert plain.list_records(context_id="lost")["total"] == 1
        assert record["context_id"] == "lost"
    assert len(waits) == 2


def test_a_service_that_is_away_is_unavailable():
    away = BudgetClient("http://127.0.0.1:9", sleep=lambda _: None)
    with away, pytest.raises(Unavailable, match="ConnectError"):
        away.limits()


# What the client knows of the wire


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
