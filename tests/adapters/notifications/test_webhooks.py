"""Webhooks as their receivers see them: signed, in Slack's shape, and never where nothing may be sent."""

import asyncio
import time

import httpx
import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from budget.adapters.notifications import webhooks
from budget.adapters.notifications.outcomes import Undelivered
from budget.domain import notifications as told
from tests.webhook_receiver import receiving

SECRET, NEW_SECRET = (told.secret_text(bytes([number]) * 32) for number in (1, 2))
DELIVERY = told.Delivery(
    delivery_id="7-r",
    receiver_id="r",
    type="limit.exceeded",
    seq=7,
    created_at=0,
    next_at=0,
    body='{"type":"limit.exceeded","timestamp":"2026-11-24T10:00:00Z","data":{"severity":"error","budget_id":"b",'
    '"data":{"title":"Cost limit exceeded","message":"the daily cost limit of $1 is exceeded: <$2> used"}}}',
)


def now(age_seconds=0):
    return (int(time.time()) - age_seconds) * 1_000_000


@pytest.fixture
async def http():
    async with httpx.AsyncClient(trust_env=False) as client:
        yield client


async def sent(http, *secrets, age_seconds=0):
    async with receiving() as receiver:
        await webhooks.post_signed(http, receiver.url + "/hook?a=b", DELIVERY, secrets, now(age_seconds))
        (heard,) = receiver.heard
        return heard


async def test_the_signature_is_accepted_by_the_standard_package(http):
    heard = await sent(http, SECRET)
    assert Webhook(SECRET).verify(heard.body, heard.headers)["type"] == "limit.exceeded"
    assert (heard.path, heard.headers["webhook-id"]) == ("/hook?a=b", "7-r")


async def test_while_secrets_change_both_are_accepted(http):
    heard = await sent(http, NEW_SECRET, SECRET)
    for secret in (SECRET, NEW_SECRET):
        Webhook(secret).verify(heard.body, heard.headers)


async def test_what_was_tampered_with_or_is_signed_by_another_is_refused(http):
    heard = await sent(http, SECRET)
    wrong = [
        (SECRET, heard.body.replace(b"$2", b"$1"), heard.headers),
        (SECRET, heard.body, {**heard.headers, "webhook-id": "8-r"}),
        (NEW_SECRET, heard.body, heard.headers),
    ]
    for secret, body, headers in wrong:
        with pytest.raises(WebhookVerificationError):
            Webhook(secret).verify(body, headers)


async def test_what_is_old_is_refused(http):
    heard = await sent(http, SECRET, age_seconds=600)
    with pytest.raises(WebhookVerificationError, match="too old"):
        Webhook(SECRET).verify(heard.body, heard.headers)


async def test_slack_gets_text_and_blocks_in_which_nothing_is_markup(http):
    async with receiving() as receiver:
        await webhooks.post_to_slack(http, receiver.url, DELIVERY)
        (heard,) = receiver.heard
    assert heard.json["text"] == "🛑 Cost limit exceeded: the daily cost limit of $1 is exceeded: &lt;$2&gt; used"
    assert [block["type"] for block in heard.json["blocks"]] == ["section", "context"]


@pytest.mark.parametrize(
    ("status", "reason", "final"),
    [
        (500, "answered (500)", False),
        (404, "answered (404)", False),
        (302, "redirects, which is not followed (302)", False),
        (410, "answered (410)", True),
        (None, "no connection: RemoteProtocolError", False),
    ],
)
async def test_an_answer_that_is_no_yes_is_a_failure_and_no_redirect_is_followed(http, status, reason, final):
    async with receiving(lambda _: status) as receiver:
        with pytest.raises(Undelivered) as caught:
            await webhooks.post_signed(http, receiver.url, DELIVERY, [SECRET], now())
    assert (caught.value.reason, caught.value.status, caught.value.final) == (reason, status, final)
    assert [heard.path for heard in receiver.heard] == ["/"]


@pytest.mark.parametrize(
    ("stands_for", "reason"),
    [
        (["169.254.169.254"], "to which nothing is sent"),
        (["127.0.0.1", "fe80::1%eth0"], "to which nothing is sent"),
        (["0.0.0.0"], "to which nothing is sent"),
        ([], "cannot be looked up"),
    ],
)
async def test_what_a_name_stands_for_is_looked_at_before_anything_is_sent(http, monkeypatch, stands_for, reason):
    async def look_up(*_, **__):
        if not stands_for:
            raise OSError
        return [(2, 1, 6, "", (address, 80)) for address in stands_for]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", look_up)
    with pytest.raises(Undelivered, match=reason):
        await webhooks.post_signed(http, "http://innocent.example/", DELIVERY, [SECRET], now())
