"""Receivers in the ledger: secrets shown once, every change in the journal, each event made one delivery."""

import pytest

from budget.domain import notification_commands as asked
from budget.domain import notifications as told
from budget.domain.entries import Caller
from budget.domain.errors import Conflict, Invalid, NotFound
from budget.engine import notifications
from tests.engine.conftest import MINUTE

HOOK = "https://hooks.example.com/in?token=hidden"


async def _added(book, key=None, **fields):
    return await book.do(asked.AddReceiver(**{"kind": "webhook", "address": HOOK, **fields}), key)


def _delivery(receiver, seq=1, at=0):
    return told.Delivery(
        delivery_id=f"{seq}-{receiver.receiver_id}",
        receiver_id=receiver.receiver_id,
        type="limit.reached",
        seq=seq,
        created_at=at,
        next_at=at,
        body="{}",
    )


async def test_a_secret_and_a_secret_address_are_not_in_the_journal(book):
    made = await _added(book)
    slack = await _added(book, kind="slack", address="https://hooks.slack.com/services/T0/hidden")
    assert made.secret.startswith("whsec_")
    assert (slack.secret, slack.receiver.target) == (None, "https://hooks.slack.com/…")
    entries = await book.entries("receiver_changed")
    assert [entry.subject for entry in entries] == [made.receiver.receiver_id, slack.receiver.receiver_id]
    for entry in entries:
        assert made.secret not in str(entry.data)
        assert "hidden" not in str(entry.data)


async def test_a_repeat_gives_the_first_answer_without_the_secret(book):
    command = asked.AddReceiver(kind="webhook", address=HOOK)
    first, again = await book.outcome(command, "once"), await book.outcome(command, "once")
    assert (again.replayed, again.answer.receiver, again.answer.secret) == (True, first.answer.receiver, None)


async def test_who_changed_a_receiver_stands_in_the_journal(book):
    made = await _added(book)
    command = asked.UpdateReceiver(receiver_id=made.receiver.receiver_id, severities=("error",))
    await book.do(command, caller=Caller(key_id="ann"))
    entry = (await book.entries("receiver_changed"))[-1]
    assert (entry.caller, '"severities":["error"]' in str(entry.data)) == ("ann", True)
    await book.do(command)
    assert (await book.entries("receiver_changed"))[-1] == entry


async def test_while_a_secret_is_replaced_both_sign(book):
    made = await _added(book)
    new = await book.do(asked.RotateReceiverSecret(receiver_id=made.receiver.receiver_id, overlap_seconds=60))
    reachable = book.ledger.configuration().receivers[made.receiver.receiver_id]
    now = book.ledger.now()
    assert told.secrets_at(reachable, now) == [new.secret, made.secret]
    assert told.secrets_at(reachable, now + MINUTE) == [new.secret]


async def test_a_removed_receiver_is_forgotten_with_what_waits_for_it(book):
    made = await _added(book)
    await book.do(asked.TestReceiver(receiver_id=made.receiver.receiver_id))
    await book.do(asked.RemoveReceiver(receiver_id=made.receiver.receiver_id))
    (delivery,) = (await notifications.list_deliveries(book.ledger, {}, 1, 20)).items
    kept = book.ledger.configuration().receivers[made.receiver.receiver_id]
    assert (delivery.state, delivery.error) == ("dead", "the receiver was removed")
    assert (kept.address, kept.secrets) == ("", ())
    assert (await notifications.list_receivers(book.ledger, 1, 20)).items == []
    assert isinstance(await book.error(asked.TestReceiver(receiver_id=made.receiver.receiver_id)), NotFound)
    assert isinstance(await book.error(asked.ReplayDelivery(delivery_id=delivery.delivery_id)), NotFound)


async def test_a_delivery_is_made_once_and_a_dead_one_is_replayed(book):
    receiver = (await _added(book)).receiver
    delivery = _delivery(receiver)
    for _ in range(2):
        await notifications.add(book.ledger, [delivery])
    gone = told.after_failure(delivery, 0, 0, error="410", status=410, final=True)
    await notifications.note_try(book.ledger, delivery, gone)
    assert await notifications.due(book.ledger, receiver.receiver_id, book.ledger.now(), 9) == []
    again = await book.do(asked.ReplayDelivery(delivery_id=delivery.delivery_id))
    assert (again.state, again.attempts) == ("pending", 0)
    await notifications.note_try(book.ledger, delivery, gone)  # a try from before the replay says nothing of it
    assert await notifications.due(book.ledger, receiver.receiver_id, book.ledger.now(), 9) == [again]


async def test_what_waits_for_a_receiver_is_bounded(book, monkeypatch):
    receiver = (await _added(book)).receiver
    monkeypatch.setattr(told, "MOST_WAITING", 2)
    await notifications.add(book.ledger, [_delivery(receiver, seq) for seq in (1, 2, 3)])
    found = (await notifications.list_deliveries(book.ledger, {"state": "dead"}, 1, 20)).items
    assert [each.seq for each in found] == [3]


async def test_what_is_over_is_forgotten_and_what_waits_is_not(book):
    receiver = (await _added(book)).receiver
    pending, arrived = _delivery(receiver, 1), _delivery(receiver, 2)
    await notifications.add(book.ledger, [pending, arrived])
    await notifications.note_try(book.ledger, arrived, told.after_success(arrived, 5, 200))
    await notifications.drop(book.ledger, 1)
    assert (await notifications.list_deliveries(book.ledger, {}, 1, 20)).items == [pending]


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"kind": "pigeon"}, "kind"),
        ({"address": "ftp://example.com"}, "address"),
        ({"address": "http://ann:pw@example.com"}, "address"),
        ({"address": "http://169.254.169.254/latest"}, "address"),
        ({"address": "http://[::ffff:169.254.169.254]/"}, "address"),
        ({"address": "https://example.com:port/"}, "address"),
        ({"kind": "email", "address": "ann@example.com\r\nBcc: all@example.com"}, "address"),
        ({"types": ("limit.never",)}, "types"),
        ({"severities": ("loud",)}, "severities"),
        ({"budgets": ("no-budget",)}, "budgets[0]"),
    ],
)
async def test_what_is_wrong_with_a_receiver_is_named(book, fields, field):
    error = await book.error(asked.AddReceiver(**{"kind": "webhook", "address": HOOK, **fields}))
    assert isinstance(error, Invalid)
    assert error.field == field


async def test_only_webhooks_have_a_secret_to_rotate(book):
    made = await _added(book, kind="email", address="ops@example.com")
    command = asked.RotateReceiverSecret(receiver_id=made.receiver.receiver_id)
    assert isinstance(await book.error(command), Conflict)
