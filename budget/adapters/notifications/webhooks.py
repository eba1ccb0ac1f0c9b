"""Web addresses that are told: signed as Standard Webhooks say, or in the shape that Slack reads.

The name is looked up here and the connection goes to the address that was checked, so a name that stands for another
address a moment later leads nowhere else.
"""

import asyncio
import base64
import hashlib
import hmac
import ipaddress
import socket
from collections.abc import Iterable, Mapping

import httpx

from budget.adapters.notifications import wording
from budget.adapters.notifications.outcomes import Undelivered
from budget.domain import destinations, instants
from budget.domain.notifications import SECRET_START, Delivery
from budget.operations.bodies import encode

GONE = 410
"""What a receiver answers that wants to hear nothing more, by Standard Webhooks."""


async def post_signed(
    http: httpx.AsyncClient, address: str, delivery: Delivery, secrets: Iterable[str], now: int
) -> int:
    """Send a delivery with its signatures; gives the status."""
    body = delivery.body.encode()
    at = now // instants.MICROSECONDS_PER_SECOND
    headers = {
        "webhook-id": delivery.delivery_id,
        "webhook-timestamp": str(at),
        "webhook-signature": " ".join(signature(secret, delivery.delivery_id, at, body) for secret in secrets),
    }
    return await _post(http, address, body, headers)


async def post_to_slack(http: httpx.AsyncClient, address: str, delivery: Delivery) -> int:
    """Send a delivery as a message of a chat."""
    return await _post(http, address, encode(wording.slack(delivery)), {})


def signature(secret: str, message_id: str, at: int, body: bytes) -> str:
    """The signature of a message sent at a second since 1970."""
    key = base64.b64decode(secret.removeprefix(SECRET_START))
    signed = hmac.digest(key, f"{message_id}.{at}.".encode() + body, hashlib.sha256)
    return "v1," + base64.b64encode(signed).decode()


async def _post(http: httpx.AsyncClient, address: str, body: bytes, headers: Mapping[str, str]) -> int:
    url = httpx.URL(address)
    request = http.build_request(
        "POST",
        url.copy_with(host=await _checked_address(url)),
        content=body,
        headers={
            "host": url.netloc.decode(),
            "content-type": "application/json",
            "user-agent": "tekton-budget",
            **headers,
        },
        extensions={"sni_hostname": url.host},
    )
    try:
        answer = await http.send(request, stream=True)
        await answer.aclose()  # its body says nothing that is needed, and may be endless
    except httpx.TimeoutException:
        raise Undelivered("no answer in time") from None
    except httpx.TransportError as error:
        raise Undelivered(f"no connection: {type(error).__name__}") from None
    if answer.is_success:
        return answer.status_code
    what = "redirects, which is not followed" if answer.is_redirect else "answered"
    status = answer.status_code
    raise Undelivered(f"{what} ({status})", status=status, final=status == GONE)


async def _checked_address(url: httpx.URL) -> str:
    """The address to connect to; all that the name stands for must be allowed."""
    try:
        found = await asyncio.get_running_loop().getaddrinfo(url.host, url.port or url.scheme, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise Undelivered("the name cannot be looked up") from None
    addresses = [str(each[4][0]).partition("%")[0] for each in found]
    if any(destinations.forbidden(ipaddress.ip_address(each)) for each in addresses):
        raise Undelivered("the name stands for an address to which nothing is sent")
    return addresses[0]
