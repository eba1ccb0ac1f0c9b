"""A migration that is killed at a random step again and again, and goes on; then one that may come to its end.

`migration_until_killed.py DATABASE_URL KILLS SEED SOURCE…`: a step is a call of a function, Budget's own or one of the
libraries below, in whichever thread; at each a process of its own dies. It prints the last report, and the kills.
"""

import asyncio
import json
import os
import random
import signal
import sys
import threading
from typing import Any

from budget.adapters.migration import rhetor
from budget.domain.configuration import Rules
from budget.engine import migrations
from budget.engine.ledger import Ledger
from budget.storage.database import Database
from tests import old_ledgers


class Steps:
    """Counts steps, and dies at one of them."""

    def __init__(self, last: int) -> None:
        self.left = last
        self.counts = False

    def __call__(self, *_: Any) -> None:
        self.left -= self.counts
        if self.left == 0:
            os.kill(os.getpid(), signal.SIGKILL)


async def migrate(url: str, sources: list[str], steps: Steps | None) -> dict[str, Any]:
    if steps is not None:  # before there are other threads
        threading.setprofile(steps)
        sys.setprofile(steps)
    ledger = Ledger(Database(url, synchronous="OFF"), rules=Rules(), readers=old_ledgers.READERS, sweeps=False)
    await ledger.start()
    asked = migrations.request(ledger, "rhetor", sources, old_ledgers.ZONE, as_warn=False)
    if steps is not None:
        steps.counts = True
    report, _ = await migrations.take_over(ledger, asked)
    if steps is not None:
        steps.counts = False
    await ledger.stop()
    return report


def dies(url: str, sources: list[str], last: int) -> bool:
    """Whether a process that dies at this step did; else it was done before."""
    child = os.fork()
    if child == 0:
        asyncio.run(migrate(url, sources, Steps(last)))
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert status in (0, signal.SIGKILL), f"it ended with {status}"
    return status == signal.SIGKILL


def main() -> None:
    url, kills, seed, *sources = sys.argv[1:]
    rhetor.TOGETHER = 20  # so that there are many parts
    chance = random.Random(int(seed))
    died = sum(dies(url, sources, int(10 ** chance.uniform(1, 4.6))) for _ in range(int(kills)))
    report = asyncio.run(migrate(url, sources, None))
    print(json.dumps({"died": died, "report": report}))


if __name__ == "__main__":
    main()
