"""E-mail through one mail server, in a thread, because Python's own client waits."""

import asyncio
import ipaddress
import smtplib
import ssl
from email.message import EmailMessage
from typing import Final, NamedTuple
from urllib.parse import unquote, urlsplit

from budget.adapters.notifications import wording
from budget.adapters.notifications.outcomes import Undelivered
from budget.domain.notifications import Delivery

STEP_SECONDS: Final = 5.0
"""For each answer of the mail server."""

_PORTS: Final = {"smtp": 587, "smtps": 465}


class MailServer(NamedTuple):
    """Where mail is handed in, and whom it comes from."""

    host: str
    port: int
    encrypted: bool
    """From the first byte; else as soon as the server offers it."""
    user: str | None
    password: str
    sender: str


def mail_server(url: str, sender: str) -> MailServer:
    """The server that `smtp://user:password@host:port` or `smtps://…` names."""
    parts = urlsplit(url)
    return MailServer(
        host=parts.hostname or "",
        port=parts.port or _PORTS[parts.scheme],
        encrypted=parts.scheme == "smtps",
        user=None if parts.username is None else unquote(parts.username),
        password=unquote(parts.password or ""),
        sender=sender,
    )


async def send(server: MailServer, address: str, delivery: Delivery) -> None:
    """Hand in a delivery for an address."""
    subject, text = wording.mail(delivery)
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = server.sender, address, " ".join(subject.split())
    message["Message-ID"] = f"<{delivery.delivery_id}@budget>"  # the same at every try, so that a repeat is seen as one
    message["Auto-Submitted"] = "auto-generated"  # no answers from those who are on holiday
    message.set_content(text)
    await asyncio.to_thread(_hand_in, server, message)


def _hand_in(server: MailServer, message: EmailMessage) -> None:
    try:
        with _connected(server) as session:
            _log_in(session, server)
            session.send_message(message)
    except smtplib.SMTPResponseException as error:
        raise Undelivered(f"the mail server answered {error.smtp_code}", status=error.smtp_code) from None
    except smtplib.SMTPRecipientsRefused as error:
        codes = sorted({code for code, _ in error.recipients.values()})
        raise Undelivered(f"the mail server refused the address ({codes[0]})", status=codes[0]) from None
    except (smtplib.SMTPException, OSError) as error:
        raise Undelivered(f"no mail server: {type(error).__name__}") from None


def _connected(server: MailServer) -> smtplib.SMTP:
    if server.encrypted:
        context = ssl.create_default_context()
        return smtplib.SMTP_SSL(server.host, server.port, timeout=STEP_SECONDS, context=context)
    return smtplib.SMTP(server.host, server.port, timeout=STEP_SECONDS)


def _log_in(session: smtplib.SMTP, server: MailServer) -> None:
    session.ehlo()
    if not server.encrypted and session.has_extn("starttls"):
        session.starttls(context=ssl.create_default_context())
        session.ehlo()
    elif not server.encrypted and server.user is not None and not _on_this_machine(server.host):
        raise Undelivered("the mail server does not encrypt, so the password was not sent")
    if server.user is not None:
        session.login(server.user, server.password)


def _on_this_machine(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
