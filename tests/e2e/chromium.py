"""Debian's Chromium without a window, driven by Playwright, and how much of a page's own code it has run."""

import contextlib
import os
import shutil
from collections.abc import AsyncIterator
from typing import Any

from playwright.async_api import Browser, Page, async_playwright


@contextlib.asynccontextmanager
async def started() -> AsyncIterator[Browser]:
    """A browser of its own."""
    program = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    assert program is not None, "there is no Chromium; scripts/test.sh installs it"
    async with async_playwright() as playwright:
        # Chromium has no sandbox for root.
        browser = await playwright.chromium.launch(executable_path=program, chromium_sandbox=os.getuid() != 0)
        yield browser
        await browser.close()


class Covered:
    """Which characters of a page's scripts were run, over every page that was counted."""

    def __init__(self, below: str) -> None:
        self._below = below
        self._texts: dict[str, str] = {}
        self._run: dict[str, list[bool]] = {}

    @contextlib.asynccontextmanager
    async def counting(self, page: Page) -> AsyncIterator[None]:
        """Count what the page runs in the block."""
        profiler = await page.context.new_cdp_session(page)
        await profiler.send("Profiler.enable")
        await profiler.send("Debugger.enable")
        await profiler.send("Profiler.startPreciseCoverage", {"callCount": True, "detailed": True})
        yield
        for script in (await profiler.send("Profiler.takePreciseCoverage"))["result"]:
            if self._below in script["url"] and "/vendor/" not in script["url"]:
                source = await profiler.send("Debugger.getScriptSource", {"scriptId": script["scriptId"]})
                self._add(script, source["scriptSource"])

    def _add(self, script: dict[str, Any], text: str) -> None:
        ran = [True] * len(text)
        for function in script["functions"]:
            for each in function["ranges"]:  # from the outside in
                ran[each["startOffset"] : each["endOffset"]] = [each["count"] > 0] * (
                    each["endOffset"] - each["startOffset"]
                )
        before = self._run.setdefault(script["url"], [False] * len(text))
        self._run[script["url"]] = [a or b for a, b in zip(before, ran, strict=True)]
        self._texts[script["url"]] = text

    @property
    def shares(self) -> dict[str, float]:
        """By script, the share of its characters (blanks aside) that were run; all of them together under ''."""
        found: dict[str, float] = {}
        everything = [0, 0]
        for url, text in self._texts.items():
            counts = [ran for ran, character in zip(self._run[url], text, strict=True) if not character.isspace()]
            found[url.rpartition(self._below)[2]] = round(sum(counts) / len(counts), 2)
            everything = [everything[0] + sum(counts), everything[1] + len(counts)]
        return {**found, "": round(everything[0] / everything[1], 3)}
