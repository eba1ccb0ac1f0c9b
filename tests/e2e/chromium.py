"""A real Chromium without a window, asked through its own debugging protocol."""

import asyncio
import contextlib
import itertools
import json
import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from websockets.asyncio.client import ClientConnection, connect

PATIENCE_SECONDS = 60
BLANK = "about:blank"


class Page:
    """One page."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._numbers = itertools.count(1)

    async def show(self, url: str) -> None:
        """Go to an address; the page is loaded then."""
        await self._ask("Page.enable")
        await self._ask("Page.navigate", url=url)
        while (await self._hear()).get("method") != "Page.loadEventFired":
            pass

    async def value(self, script: str) -> Any:
        """What a script comes to; a promise is waited for."""
        result = await self._ask("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    async def _ask(self, method: str, **parameters: Any) -> dict[str, Any]:
        number = next(self._numbers)
        await self._socket.send(json.dumps({"id": number, "method": method, "params": parameters}))
        while True:
            answer = await self._hear()
            if answer.get("id") == number:
                assert "error" not in answer, answer
                result: dict[str, Any] = answer["result"]
                return result

    async def _hear(self) -> dict[str, Any]:
        async with asyncio.timeout(PATIENCE_SECONDS):
            said: dict[str, Any] = json.loads(await self._socket.recv())
        return said


@contextlib.asynccontextmanager
async def opened(url: str, folder: Path) -> AsyncIterator[Page]:
    """A page in a browser of its own."""
    program = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    assert program is not None, "there is no Chromium; scripts/test.sh installs it"
    options = [
        "--headless=new",
        "--remote-debugging-port=0",
        f"--user-data-dir={folder}",
        "--no-first-run",
        "--disable-gpu",
    ]
    if os.getuid() == 0:
        options.append("--no-sandbox")  # Chromium has none for root
    process = await asyncio.create_subprocess_exec(
        program, *options, BLANK, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE
    )
    try:
        assert process.stderr is not None
        async with asyncio.timeout(PATIENCE_SECONDS):
            said = await _line_with(process.stderr, b"DevTools listening on ")
        browser = said.decode().split()[-1]
        target = await _first_page(browser)
        async with connect(browser.rpartition("/devtools/")[0] + f"/devtools/page/{target}", max_size=None) as socket:
            page = Page(socket)
            await page.show(url)
            yield page
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.communicate()


async def _line_with(stream: asyncio.StreamReader, words: bytes) -> bytes:
    async for line in stream:
        if words in line:
            return line
    raise AssertionError("Chromium did not start")


async def _first_page(browser: str) -> str:
    """The id of the page that is open from the start."""
    async with connect(browser, max_size=None) as socket, asyncio.timeout(PATIENCE_SECONDS):
        await socket.send(json.dumps({"id": 1, "method": "Target.setDiscoverTargets", "params": {"discover": True}}))
        while True:
            told = json.loads(await socket.recv()).get("params", {}).get("targetInfo", {})
            if (told.get("type"), told.get("url")) == ("page", BLANK):
                target: str = told["targetId"]
                return target
