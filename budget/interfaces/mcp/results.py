"""Messages that are answered later: acknowledged at once, their results told as an event and kept for who asks by id.

Kept are the last results of this process, a bounded number. A command whose message had an id is kept for ever: its
answer is in the journal under that id, so it is found after a restart, and sending the message again gives it too.
"""

import asyncio
import contextlib
import hashlib
from collections import OrderedDict
from typing import Any, Final, NamedTuple

import msgspec

from budget.domain.entries import Caller
from budget.domain.errors import NotFound
from budget.domain.events import RESULT
from budget.engine import claims
from budget.engine.ledger import Ledger
from budget.interfaces.mcp import messages
from budget.interfaces.mcp.messages import Message
from budget.log import get_logger
from budget.operations import bodies, writing
from budget.operations.identity import Identity

log = get_logger("mcp_endpoints")

MOST_RUNNING: Final = 200
MOST_KEPT: Final = 10_000
MOST_BYTES: Final = 32 * 1024 * 1024
"""Of all results together."""

STOP_SECONDS: Final = 5.0


_Place = tuple[str, str]
"""Whose message, and its id: nobody else gets its answer."""


class _Running(NamedTuple):
    fingerprint: bytes
    task: asyncio.Task[None]


class _Kept(NamedTuple):
    fingerprint: bytes
    response: bytes


class Results:
    """The asynchronous messages of one process."""

    def __init__(self) -> None:
        self._running: dict[_Place, _Running] = {}
        self._kept: OrderedDict[_Place, _Kept] = OrderedDict()
        self._bytes = 0

    def accept(self, ledger: Ledger, identity: Identity, message: Message, caller: Caller) -> bytes:
        """Begin to work on a message, and acknowledge it; a repeated one is acknowledged and not begun again."""
        result_id = messages.id_of(message)
        handler = messages.HANDLERS.get(message.message_type)
        if handler is None:
            return messages.failed(ledger, result_id, f"Unknown message type: {message.message_type}")
        place = (caller.name, result_id)
        known = self._running.get(place) or self._kept.get(place)
        if known is not None and known.fingerprint != _fingerprint(message):
            return messages.failed(ledger, result_id, "this message_id was used before with another message")
        if known is None:
            if len(self._running) >= MOST_RUNNING:
                return messages.failed(
                    ledger, result_id, "too many messages are being worked on; try again in a moment"
                )
            work = asyncio.create_task(
                self._work(ledger, identity, message, result_id, caller), name=f"message {result_id}"
            )
            self._running[place] = _Running(_fingerprint(message), work)
            log.debug("message accepted", message_type=message.message_type, result_id=result_id)
        payload = {"accepted": True, "result_id": result_id, "reply_to": message.reply_to}
        return bodies.encode(messages.envelope(ledger, result_id, handler.response_type, payload))

    async def result(self, ledger: Ledger, result_id: str, caller: Caller) -> tuple[int, bytes]:
        """The response to a message, and the status that says whether it is there yet; `NotFound` for an unknown id."""
        place = (caller.name, result_id)
        if place in self._running:
            return 202, bodies.encode({"result_id": result_id, "status": "pending"})
        if (kept := self._kept.get(place)) is not None:
            return 200, kept.response
        found = await claims.answer_to(ledger.database, caller, result_id)
        if found is None:
            raise NotFound(
                f"there is no result {result_id!r}: send the message again with the same message_id", field="message_id"
            )
        payload = await writing.shown(ledger, found)
        return 200, bodies.encode(messages.envelope(ledger, result_id, "budget.result", payload))

    async def stop(self) -> None:
        """Let what runs come to its end, for a moment."""
        running = [each.task for each in self._running.values()]
        if running:
            _, late = await asyncio.wait(running, timeout=STOP_SECONDS)
            for task in late:
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task

    async def _work(self, ledger: Ledger, identity: Identity, message: Message, result_id: str, caller: Caller) -> None:
        try:
            response = await messages.answer(ledger, identity, message, result_id, caller)
            self._keep((caller.name, result_id), _Kept(_fingerprint(message), response))
            said: dict[str, Any] = {
                "result_id": result_id,
                "reply_to": message.reply_to,
                "receiver": message.sender,
                "response": msgspec.Raw(response),
            }
            ledger.bus.announce(RESULT, said, subject=result_id, caller=caller)
            log.debug("message answered", message_type=message.message_type, result_id=result_id)
        finally:
            del self._running[caller.name, result_id]

    def _keep(self, place: _Place, kept: _Kept) -> None:
        self._kept[place] = kept
        self._bytes += len(kept.response)
        while len(self._kept) > MOST_KEPT or self._bytes > MOST_BYTES:
            _, oldest = self._kept.popitem(last=False)
            self._bytes -= len(oldest.response)


def _fingerprint(message: Message) -> bytes:
    return hashlib.blake2b(f"{message.message_type}\0".encode() + message.content, digest_size=16).digest()
