"""The plain client, over a real socket."""

import threading

import httpx
import pytest

from benchmarks.service import Service
from budget.client import (
    BudgetClient,
    Conflict,
    Unavailable,
)
from tests.client.conftest import CALL, HOLD, USAGE


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
