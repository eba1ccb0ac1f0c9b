"""P13: whatever becomes of the connection, each event arrives once and in order."""

import asyncio
import contextlib
import random
import shutil

from budget.client import subscribe
from tests.live import served

CUTS = 50
EVENTS = 10_000
BATCH = 500


class Cutter:
    """A way to the service that is cut after so many bytes, in the middle of whatever is on its way."""

    def __init__(self, port, seed):
        self._port = port
        self._random = random.Random(seed)
        self.cuts = 0

    async def __call__(self, reader, writer):
        left = self._random.randrange(1, 400_000)
        with contextlib.suppress(OSError):
            server_reader, server_writer = await asyncio.open_connection("127.0.0.1", self._port)
            asked = asyncio.create_task(_pass_on(reader, server_writer))
            while data := await server_reader.read(16_384):
                if self.cuts < CUTS and len(data) >= left:
                    writer.write(data[:left])
                    self.cuts += 1
                    break
                writer.write(data)
                await writer.drain()
                left -= len(data)
            asked.cancel()
            server_writer.transport.abort()
        writer.transport.abort()


async def _pass_on(reader, writer):
    with contextlib.suppress(OSError):
        while data := await reader.read(16_384):
            writer.write(data)


async def test_P13_nothing_is_missed_over_fifty_disconnects_at_random(tmp_path, new_database):
    shutil.copytree(new_database, tmp_path, dirs_exist_ok=True)
    async with served(tmp_path) as live:
        cutter = Cutter(int(live.url.rpartition(":")[2]), seed=13)
        proxy = await asyncio.start_server(cutter, "127.0.0.1", 0)
        address = f"http://127.0.0.1:{proxy.sockets[0].getsockname()[1]}"
        before = await live.newest()
        recording = asyncio.create_task(record(live))
        seen = []
        async with contextlib.aclosing(subscribe(address, after=before, sleep=at_once)) as events:
            async for event in events:
                seen.append(event["seq"])
                if len(seen) >= EVENTS and cutter.cuts == CUTS:
                    break
        await recording
        proxy.close()
    assert seen == list(range(before + 1, before + 1 + len(seen)))


async def record(live):
    for _ in range(EVENTS // BATCH):
        await live.record_many(BATCH)


async def at_once(_):
    await asyncio.sleep(0)
