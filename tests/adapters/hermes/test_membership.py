"""Registered for as long as Hermes is there: tokens that end, restarts that forget, outages, nonsense (P16)."""

import httpx
import pytest

from budget.adapters.hermes.calls import Hermes, Registration, Tool
from budget.adapters.hermes.membership import LONGEST_PAUSE, Membership
from tests.fake_hermes import FakeHermes
from tests.virtual_time import VirtualTime


def a_registration(name="budget"):
    return Registration(
        component_id=name,
        name=name,
        version="0.1.0",
        type="budget_manager",
        endpoint="http://localhost:8013",
        capabilities=("allocation",),
        metadata={"supports_mcp": True},
    )


def a_tool(name="CheckBudget"):
    return Tool(
        id=f"budget.{name}",
        name=f"budget_{name}",
        description="d",
        schema={"type": "object"},
        tags=("budget",),
        endpoint=f"http://localhost:8013/api/tools/{name}/execute",
        metadata={},
    )


@pytest.fixture
def time():
    return VirtualTime()


@pytest.fixture
def hermes(time):
    return FakeHermes(lambda: time.seconds)


@pytest.fixture
async def joined(hermes, time):
    """A function that makes a member, which has made its first try."""
    members = []

    async def join(*names, url="http://hermes"):
        transport = httpx.ASGITransport(hermes.app)
        member = Membership(
            Hermes(url, transport),
            [a_registration(name) for name in ("budget", *names)],
            [a_tool()],
            clock=time,
            sleep=time.sleep,
            chance=lambda: 1.0,
        )
        members.append(member)
        member.start()
        await time.settle(1)
        return member

    yield join
    hermes.mood = None
    for member in members:
        await member.stop()


async def test_it_registers_its_names_and_its_tools(hermes, joined):
    member = await joined("penia")
    assert set(hermes.components) == {"budget", "penia"}
    assert hermes.components["budget"]["capabilities"] == ["allocation"]
    assert hermes.tools["budget.CheckBudget"]["endpoint"] == "http://localhost:8013/api/tools/CheckBudget/execute"
    assert (member.state.is_there, member.state.message) == (True, "registered")


async def test_it_stays_alive_for_hours(hermes, joined, time):
    await joined()
    for _ in range(5 * 60):
        await time.advance(60)
        assert hermes.alive() == ["budget"]
    assert 5 <= hermes.calls.count("POST /api/register") <= 7


async def test_it_registers_again_before_its_token_ends(hermes, joined, time):
    await joined()
    await time.advance(3_300)
    assert hermes.calls.count("POST /api/register") == 2
    assert "401" not in str(hermes.calls)


async def test_a_restart_that_forgets_is_noticed_although_heartbeats_are_taken(hermes, joined, time):
    await joined("penia")
    hermes.restart()
    await time.advance(31)
    assert set(hermes.alive()) == {"budget", "penia"}
    assert "budget.CheckBudget" in hermes.tools


async def test_a_registration_that_broke_off_before_the_tools_is_begun_anew(hermes, joined, time):
    await joined()
    hermes.restart()
    hermes.takes_tools = False
    await time.advance(31)
    assert (hermes.alive(), "budget.CheckBudget" in hermes.tools) == (["budget"], False)
    hermes.takes_tools = True
    await time.advance(31)
    assert "budget.CheckBudget" in hermes.tools


async def test_a_token_that_is_refused_is_renewed_at_once(hermes, joined, time, monkeypatch):
    await joined()
    monkeypatch.setattr(FakeHermes, "_sign", staticmethod(lambda said: "another secret"))
    await time.advance(31)
    assert hermes.calls.count("POST /api/register") == 2
    assert hermes.alive() == ["budget"]


@pytest.mark.parametrize("mood", ["away", "nonsense", "list", "empty"])
async def test_P16_an_outage_at_the_start_is_tried_again_until_it_ends(hermes, joined, time, mood):
    hermes.mood = mood
    member = await joined()
    assert member.state.is_there is False
    assert member.state.message
    await time.advance(600)
    tries = len(hermes.calls)
    assert 10 <= tries <= 20, "each pause is twice the last, up to a minute"
    hermes.mood = None
    await time.advance(LONGEST_PAUSE)
    assert member.joined.is_set()
    assert hermes.alive() == ["budget"]


@pytest.mark.parametrize("mood", ["away", "nonsense"])
async def test_P16_an_outage_in_between_is_noticed_and_gets_over(hermes, joined, time, mood):
    member = await joined()
    hermes.mood = mood
    await time.advance(31)
    assert not member.joined.is_set()
    assert member.state.message != "registered"
    hermes.mood = None
    hermes.restart()
    await time.advance(LONGEST_PAUSE)
    assert (member.state.is_there, member.joined.is_set()) == (True, True)
    assert hermes.alive() == ["budget"]


async def test_it_says_goodbye_and_takes_its_tools_along(hermes, joined):
    member = await joined("penia")
    await member.stop()
    assert hermes.components == {}
    assert list(hermes.tools) == ["tool-1"]


async def test_P16_a_hermes_that_is_gone_does_not_hold_up_the_goodbye(hermes, joined):
    member = await joined()
    hermes.mood = "away"
    await member.stop()


async def test_a_hermes_that_nobody_listens_for_is_absent(time):
    member = Membership(Hermes("http://127.0.0.1:9"), [a_registration()], clock=time, sleep=time.sleep)
    member.start()
    await time.settle(1)
    assert "ConnectError" in member.state.message
    await member.stop()
