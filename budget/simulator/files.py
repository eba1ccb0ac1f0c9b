"""SQLite files for simulated runs: each run's own, copied from a template that was migrated once."""

import asyncio
import shutil
from pathlib import Path
from typing import Any

from budget.simulator.faults import FaultyDatabase
from budget.storage import statements
from budget.storage.database import Connection


class Files:
    """The file of one run, and the copies that are made of it when a process is killed."""

    def __init__(self, template: Path, folder: Path) -> None:
        self._folder = folder
        self._copies = 0
        self.path = folder / "budget-0.db"
        _copy(template, self.path)

    def open(self) -> FaultyDatabase:
        """As a process of its own would open it."""
        return FaultyDatabase(f"sqlite:///{self.path}", self)

    def prepare(self, connection: Connection) -> None:
        """With a cache of a few pages, changes reach the log before the commit: a killed process leaves some there."""
        statements.run(connection, "PRAGMA cache_size = 4")

    def kill(self, _: Connection | None) -> None:
        """Go on with a copy of the file and its log as they stand, a transaction under way included."""
        self._copies += 1
        new = self._folder / f"budget-{self._copies}.db"
        _copy(self.path, new)
        log = Path(f"{self.path}-wal")
        if log.exists():
            _copy(log, Path(f"{new}-wal"))
        self.path = new

    def hold_up(self, _: asyncio.Event) -> None:
        """There is no need to stop: the file is locked from the start of a transaction to its end."""

    async def until_it_waits(self, _: asyncio.Future[Any]) -> None:
        """It does."""

    def discard(self) -> None:
        """Delete every file of the run."""
        for path in self._folder.glob("budget-*.db*"):
            path.unlink()


def _copy(source: Path, target: Path) -> None:
    shutil.copyfile(source, target)
