"""What happens reaches Tekton through Hermes, in order, whatever becomes of Hermes meanwhile (P13, P16)."""

import asyncio

import httpx
import pytest

from budget.adapters.hermes import Tekton
from budget.adapters.hermes.publishing import PAUSE_SECONDS
from budget.domain import commands
from tests.fake_hermes import FakeHermes
from tests.virtual_time import VirtualTime


@pytest.fixture
def time():
    return VirtualTime()


@pytest.fixture
def hermes(time):
    return FakeHermes(lambda: time.seconds)


@pytest.fixture
def ledger(service):
    return service.state.ledger


@pytest.fixture
async def tekton(ledger, hermes, time):
    """A function that makes another voice of the same ledger."""
    made = []

    def make():
        voice = Tekton(
            ledger,
            url="http://hermes",
            endpoint="http://localhost:8013",
            version="0.1.0",
            aliases=(),
            messages={},
            tools=(),
            transport=httpx.ASGITransport(hermes.app),
            clock=time,
            sleep=time.sleep,
        )
        made.append(voice)
        voice.start()
        return voice

    yield make
    for voice in made:
        await voice.stop()


async def record(ledger, number):
    command = commands.RecordUsage(
        context_id=f"c-{number}", component="apollo", provider="openai", model="gpt-4o", input_tokens=1, output_tokens=1
    )
    await ledger.submit(command)


def told(hermes):
    return [message["message"] for message in hermes.published]


async def heard(hermes, time, count):
    """Move on until so many messages have come."""
    async with asyncio.timeout(20):
        while len(hermes.published) < count:
            time.leap(PAUSE_SECONDS)
            await asyncio.sleep(0.001)


async def tried(hermes, time, calls):
    """Move on until Hermes was called so often."""
    async with asyncio.timeout(20):
        while len(hermes.calls) < calls:
            time.leap(PAUSE_SECONDS)
            await asyncio.sleep(0.001)


async def test_each_event_arrives_once_in_order_in_its_envelope(ledger, hermes, time, tekton):
    tekton()
    await heard(hermes, time, 0)
    for number in range(30):
        await record(ledger, number)
    await heard(hermes, time, 30)
    assert [message["event_type"] for message in told(hermes)] == ["budget.updated"] * 30
    seqs = [message["payload"]["seq"] for message in told(hermes)]
    assert seqs == sorted(set(seqs))
    assert {message["channel"] for message in hermes.published} == {"budget.updated"}
    first = told(hermes)[0]
    assert (first["sender"], first["message_type"], first["severity"]) == ("budget", "budget.event", "info")


async def test_a_limit_that_is_passed_is_told_in_both_vocabularies(ledger, hermes, time, tekton):
    tekton()
    await ledger.submit(commands.CreatePolicy(type="warn", period="daily", component="apollo", token_limit=1))
    await record(ledger, 1)
    await heard(hermes, time, 5)
    names = [message["event_type"] for message in told(hermes)]
    assert {"budget.limit_approaching", "budget.limit_exceeded", "budget.exceeded"} <= set(names)


@pytest.mark.parametrize("mood", ["away", "nonsense"])
async def test_P13_P16_an_outage_loses_none(ledger, hermes, time, tekton, mood):
    tekton()
    await record(ledger, 0)
    await heard(hermes, time, 1)
    hermes.mood = mood
    for number in range(1, 20):
        await record(ledger, number)
    calls = len(hermes.calls)
    await tried(hermes, time, calls + 10)
    assert len(hermes.published) == 1
    hermes.mood = None
    hermes.restart()
    await heard(hermes, time, 20)
    numbers = [message["payload"]["seq"] for message in told(hermes)]
    assert len(set(numbers)) == 20
    assert numbers == sorted(numbers)


async def test_P13_a_restart_goes_on_where_it_was(ledger, hermes, time, tekton):
    first = tekton()
    await record(ledger, 0)
    await heard(hermes, time, 1)
    await first.stop()
    await record(ledger, 1)
    tekton()
    async with asyncio.timeout(20):
        while len({message["payload"]["seq"] for message in told(hermes)}) < 2:  # the first may be told twice
            time.leap(PAUSE_SECONDS)
            await asyncio.sleep(0.001)
    assert len({message["message_id"] for message in told(hermes)}) == 2


async def test_of_two_replicas_one_tells(ledger, hermes, time, tekton):
    tekton()
    tekton()
    await heard(hermes, time, 0)
    for number in range(20):
        await record(ledger, number)
    await heard(hermes, time, 20)
    await tried(hermes, time, len(hermes.calls) + 10)
    assert len(hermes.published) == 20
