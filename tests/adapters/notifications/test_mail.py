"""Alerts by e-mail, through a real mail server on loopback."""

import asyncio
import contextlib
import email.message
import email.policy

import msgspec
import pytest
from aiosmtpd.smtp import SMTP, AuthResult

from budget.adapters.notifications import mail
from budget.adapters.notifications.outcomes import Undelivered
from tests.adapters.notifications.test_webhooks import DELIVERY


class Postbox:
    """What the server took, and what it says to a message."""

    def __init__(self, answer="250 OK"):
        self.answer = answer
        self.envelopes = []
        self.logins = []

    async def handle_DATA(self, server, session, envelope):
        self.envelopes.append(envelope)
        return self.answer

    async def handle_RCPT(self, server, session, envelope, address, options):
        if address.startswith("nobody"):
            return "550 no such address"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    def log_in(self, server, session, envelope, mechanism, given):
        self.logins.append((given.login, given.password))
        return AuthResult(success=given.password == b"p@ss", handled=False)


@contextlib.asynccontextmanager
async def mail_server(postbox, user=""):
    loop = asyncio.get_running_loop()
    make = lambda: SMTP(postbox, authenticator=postbox.log_in, auth_require_tls=False, loop=loop)
    async with await loop.create_server(make, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        yield mail.mail_server(f"smtp://{user}127.0.0.1:{port}", "budget@example.com")


async def test_an_alert_arrives_as_a_mail(caplog):
    postbox = Postbox()
    async with mail_server(postbox, "ann:p%40ss@") as server:
        await mail.send(server, "ops@example.com", DELIVERY)
    (envelope,) = postbox.envelopes
    message = email.message_from_bytes(envelope.content, policy=email.policy.default)
    assert postbox.logins == [(b"ann", b"p@ss")]
    assert (message["From"], message["To"]) == ("budget@example.com", "ops@example.com")
    assert (message["Subject"], message["Message-ID"]) == ("[Budget] Cost limit exceeded", "<7-r@budget>")
    assert "the daily cost limit of $1 is exceeded" in message.get_content()


async def test_a_title_of_several_lines_makes_no_header():
    postbox = Postbox()
    title = DELIVERY.body.replace("Cost limit", r"Cost\r\nBcc: all@example.com\r\n")
    async with mail_server(postbox) as server:
        await mail.send(server, "ops@example.com", msgspec.structs.replace(DELIVERY, body=title))
    (envelope,) = postbox.envelopes
    assert envelope.rcpt_tos == ["ops@example.com"]
    assert email.message_from_bytes(envelope.content)["Bcc"] is None


@pytest.mark.parametrize(
    ("answer", "user", "address", "reason"),
    [
        ("451 later", "", "ops@example.com", "the mail server answered 451"),
        ("250 OK", "", "nobody@example.com", "the mail server refused the address (550)"),
        ("250 OK", "ann:wrong@", "ops@example.com", "the mail server answered 535"),
    ],
)
async def test_what_the_server_refuses_is_not_delivered(answer, user, address, reason):
    async with mail_server(Postbox(answer), user) as server:
        with pytest.raises(Undelivered) as caught:
            await mail.send(server, address, DELIVERY)
    assert caught.value.reason == reason


async def test_no_server_is_no_delivery():
    async with mail_server(Postbox()) as server:
        pass
    with pytest.raises(Undelivered, match="no mail server: ConnectionRefusedError"):
        await mail.send(server, "ops@example.com", DELIVERY)
