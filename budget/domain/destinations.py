"""Where a notification may go: addresses that are well-formed, and none of the places that no receiver is at."""

import ipaddress
import re
from typing import Final
from urllib.parse import SplitResult, urlsplit

from budget.domain.errors import Invalid

IpAddress = ipaddress.IPv4Address | ipaddress.IPv6Address

KINDS: Final = ("webhook", "slack", "email")

_MAIL: Final = re.compile(r"[^@\s<>,;:\"()\[\]\\]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9.-]{0,250}[A-Za-z0-9])?")
_METADATA: Final = frozenset(map(ipaddress.ip_address, ("fd00:ec2::254", "100.100.100.200", "168.63.129.16")))
"""Where clouds tell a machine its own secrets, besides the link-local 169.254.169.254."""


def check(kind: str, address: str) -> None:
    """`Invalid` unless this kind of receiver can be reached there."""
    if kind == "email":
        if not address.isascii() or not _MAIL.fullmatch(address):
            raise Invalid("address", "must be one e-mail address, such as ops@example.com")
        return
    _check_url(address)


def forbidden(address: IpAddress) -> bool:
    """Whether nothing is ever sent there: the machine's own link, clouds' metadata, and what is no single host."""
    plain = getattr(address, "ipv4_mapped", None) or address
    return plain.is_link_local or plain.is_multicast or plain.is_unspecified or plain in _METADATA


def shown(kind: str, address: str) -> str:
    """An address as it may be read by everyone: what comes after a web address's host may be a secret."""
    if kind == "email":
        return address
    parts = urlsplit(address)
    if kind == "slack":
        return f"{parts.scheme}://{parts.netloc}/…"
    return f"{parts.scheme}://{parts.netloc}{parts.path}" + ("?…" if parts.query else "")


def _check_url(address: str) -> None:
    try:
        parts = urlsplit(address)
        _ = parts.port  # a port that is no number is noticed when it is asked for
    except ValueError as error:
        raise Invalid("address", f"is no web address: {error}") from None
    if (
        parts.scheme not in ("http", "https")
        or not parts.hostname
        or not address.isascii()
        or not address.isprintable()
    ):
        raise Invalid("address", "must be a web address, such as https://example.com/hook")
    if parts.username is not None or parts.fragment:
        raise Invalid("address", "must have no user, password or fragment in it")
    if _is_literally_forbidden(parts):
        raise Invalid("address", "is link-local, a cloud's metadata service, or no single host; nothing is sent there")


def _is_literally_forbidden(parts: SplitResult) -> bool:
    host = (parts.hostname or "").rstrip(".")
    if host == "metadata.google.internal":
        return True
    try:
        return forbidden(ipaddress.ip_address(host))
    except ValueError:  # a name: what it stands for is seen when something is sent
        return False
