"""One socket: one task sends what it hears, another answers what it says; whichever ends first ends both."""

import asyncio
from collections.abc import Sequence
from typing import Any, Final

from starlette.websockets import WebSocket, WebSocketDisconnect

from budget.domain.errors import BudgetError, Gone, Invalid, Unavailable
from budget.domain.instants import iso
from budget.engine.ledger import Ledger
from budget.interfaces.ws import closing, frames, incoming
from budget.interfaces.ws.access import AUTHENTICATION_SECONDS, MOST_TRIES, Access
from budget.interfaces.ws.closing import Close, LockedOut, TooLarge
from budget.interfaces.ws.hearing import Hearing, Place
from budget.interfaces.ws.incoming import Frame
from budget.interfaces.ws.topics import EVENTS
from budget.log import get_logger
from budget.operations import stopping

log = get_logger("budget_websocket")

MOST_FRAME: Final = 64 * 1024
"""Characters of a client's frame."""


class Connection:
    """One client."""

    def __init__(self, websocket: WebSocket, ledger: Ledger, topic: str) -> None:
        self._socket = websocket
        self._ledger = ledger
        self._topic = topic
        self._over = asyncio.Event()
        self._access = Access(websocket)
        self._hearing = Hearing(ledger, topic, self._over.set, self._access)
        self._change: tuple[Place, Sequence[str]] | None = None
        """What the client will hear instead, and the replies that say so: both when what was taken is sent."""
        self._changed = asyncio.Event()

    async def run(self) -> None:
        """Serve the client until either side is done."""
        await self._socket.accept()
        log.debug("socket opened", path=self._socket.url.path)
        try:
            close = await self._begin() or await self._converse()
            if close is not None:
                log.debug("socket closed", path=self._socket.url.path, code=close.code, reason=close.reason)
                await closing.close(self._socket, close)
        finally:
            self._hearing.close()

    async def _begin(self) -> Close | None:
        """Greet, wait for a key where one is needed, take a place in the stream, and answer what the URL asks for."""
        try:
            if not self._access.is_known:
                await self._send(frames.greeting(self._topic, self._now, 0))
                await self._be_let_in()
                texts = (await self._take_place())[1:]
            else:
                texts = await self._take_place()
            for text in texts:
                await self._send(text)
        except (BudgetError, LockedOut, TooLarge) as error:
            return closing.reason_of([error])
        except WebSocketDisconnect:
            return None  # receiving says so, too
        return None

    async def _be_let_in(self) -> None:
        """Tell nothing but what is wrong, until a good key comes."""
        try:
            async with asyncio.timeout(AUTHENTICATION_SECONDS):
                for _ in range(MOST_TRIES):
                    try:
                        said = await self._frame()
                    except BudgetError as error:
                        await self._send(self._problem(error))
                        continue
                    if said.type != "authentication":
                        await self._send(self._problem(self._access.refusal()))
                    elif await self._authenticate(said):
                        return
        except TimeoutError:
            pass
        raise LockedOut

    async def _take_place(self) -> list[str]:
        hearing, query = self._hearing, dict(self._socket.query_params)
        replies: list[str] = []
        try:
            if query:
                place, replies = await self._place_for(incoming.events_request(query, from_query=True))
                hearing.take(place)
        except (Gone, Unavailable):
            raise  # without what it asked for it would hear something else, from elsewhere on
        except BudgetError as error:
            replies = [self._problem(error)]
        if not hearing.began:
            hearing.take(await hearing.place(hearing.joined, hearing.narrowed))
        greeting = frames.greeting(self._topic, self._now, hearing.seq)
        return [greeting, *replies]

    async def _converse(self) -> Close | None:
        tasks = [
            asyncio.create_task(self._tell()),
            asyncio.create_task(self._listen()),
            asyncio.create_task(self._over.wait()),  # it may be stuck in sending then
        ]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        ending = self._hearing.ending
        return closing.reason_of(outcomes) if ending is None else closing.BY_ENDING[ending]

    # What it hears

    async def _tell(self) -> None:
        send, hearing = self._socket.send, self._hearing
        while True:
            messages = await hearing.next()
            if not self._access.still_good:
                raise LockedOut
            for message in messages:
                await send(message.made(frames.event_message))
            if self._change is not None:
                await self._make_change(*self._change)
            elif not messages and EVENTS in hearing.joined:
                await self._send(frames.checkpoint(self._now, hearing.seq))

    async def _make_change(self, place: Place, replies: Sequence[str]) -> None:
        self._hearing.take(place)
        self._change = None
        for text in replies:
            await self._send(text)
        self._changed.set()

    # What it says

    async def _listen(self) -> None:
        while True:
            try:
                await self._answer(await self._frame())
            except Gone:
                raise
            except BudgetError as error:
                await self._send(self._problem(error))

    async def _frame(self) -> Frame:
        message = await self._socket.receive()
        if message["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(message.get("code", 1006))
        text = message.get("text")
        if len(text or message.get("bytes") or "") > MOST_FRAME:
            raise TooLarge
        if text is None:
            raise Invalid("frame", "must be text")
        return incoming.parse(text)

    async def _authenticate(self, said: Frame) -> bool:
        good = self._access.authenticate(said.payload)
        await self._reply("authentication", said.topic, {"success": good})
        return good

    async def _answer(self, said: Frame) -> None:
        match said.type:
            case "subscription":
                await self._subscribe(incoming.topics_of(said.payload), said.payload)
            case "unsubscription":
                await self._unsubscribe(incoming.topics_of(said.payload))
            case "authentication":
                await self._authenticate(said)
            case "shutdown":
                self._shut_down()
            case "heartbeat":
                await self._reply("heartbeat", said.topic, {"timestamp": iso(self._now)})

    def _shut_down(self) -> None:
        """As Tekton's killer asks for when its requests fail; the sockets close, which is the answer."""
        client = self._socket.client
        stopping.stop(self._socket.app.state, self._access.caller, client.host if client else None)

    async def _subscribe(self, topics: Sequence[str], payload: Any) -> None:
        hearing = self._hearing
        if EVENTS in topics:
            place, replies = await self._place_for(incoming.events_request(payload), topics)
        else:
            place = await hearing.place(hearing.joined | set(topics), hearing.narrowed)
            replies = [self._done("subscription", topic, place.seq) for topic in topics]
        await self._hear_instead(place, replies)

    async def _unsubscribe(self, topics: Sequence[str]) -> None:
        hearing = self._hearing
        place = await hearing.place(hearing.joined - set(topics), hearing.narrowed)
        await self._hear_instead(place, [self._done("unsubscription", topic, place.seq) for topic in topics])

    async def _place_for(
        self, asked: incoming.EventsRequest, topics: Sequence[str] = (EVENTS,)
    ) -> tuple[Place, list[str]]:
        """The place in the stream that a wish for events leads to, and the replies."""
        hearing = self._hearing
        shown = await hearing.snapshot(asked.budget_id) if asked.snapshot else None
        after = asked.after if shown is None else shown["as_of_seq"]
        place = await hearing.place(hearing.joined | set(topics), asked.filter, after)
        replies = [self._done("subscription", topic, place.seq) for topic in topics]
        if shown is not None:
            replies.append(frames.frame("snapshot", EVENTS, shown, self._now, shown["as_of_seq"]))
        return place, replies

    async def _hear_instead(self, place: Place, replies: Sequence[str]) -> None:
        self._changed.clear()
        self._change = place, replies
        self._hearing.stir()
        await self._changed.wait()

    async def _send(self, text: str) -> None:
        await self._socket.send({"type": "websocket.send", "text": text})

    async def _reply(self, kind: str, topic: str, payload: dict[str, Any]) -> None:
        await self._send(frames.frame(kind, topic, payload, self._now, self._hearing.seq))

    def _done(self, kind: str, topic: str, seq: int) -> str:
        return frames.frame(kind, topic, {"success": True, "topic": topic}, self._now, seq)

    def _problem(self, error: BudgetError) -> str:
        field = error.details.get("field")
        text = f"{field}: {error.message}" if isinstance(error, Invalid) else error.message
        return frames.problem(text, self._now, self._hearing.seq, field)

    @property
    def _now(self) -> int:
        return self._ledger.now()
