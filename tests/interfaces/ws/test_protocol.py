"""Ready frames: byte for byte what the library would have made, and passed over where they do not fit."""

import pytest
from websockets.asyncio.client import connect
from websockets.frames import Frame, Opcode

from budget.interfaces.cli.serve import SOCKETS
from budget.interfaces.ws.protocol import ready_frame
from tests.live import Listener, served


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65_535, 65_536, 70_000])
def test_a_ready_frame_is_a_whole_frame(size):
    text = "é" * (size // 2) + "x" * (size % 2)
    assert ready_frame(text) == Frame(Opcode.TEXT, text.encode()).serialize(mask=False)


@pytest.mark.parametrize(
    "sockets",
    [{"ws": "websockets-sansio"}, {**SOCKETS, "ws_per_message_deflate": True}],
    ids=["another server's protocol", "a compressed connection"],
)
async def test_events_arrive_where_ready_frames_cannot_be_used(folder, sockets):
    async with served(folder, sockets=sockets) as live:
        before = await live.newest()
        async with connect(f"{live.url.replace('http', 'ws')}/ws/events?after={before}") as socket:
            await live.record_many(3)
            events = await Listener(socket).events(3)
    assert [event["seq"] for event in events] == [before + 1, before + 2, before + 3]
