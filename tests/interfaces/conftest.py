"""A service on a real socket, for those who listen to it."""

import shutil
from collections.abc import AsyncIterator

import pytest

from tests.live import Live, MovableClock, served

MONTH = 31 * 24 * 3600 * 1_000_000


@pytest.fixture
def folder(tmp_path, new_database):
    """A database as it is after the first start."""
    shutil.copytree(new_database, tmp_path, dirs_exist_ok=True)
    return tmp_path


@pytest.fixture
async def live(folder) -> AsyncIterator[Live]:
    """The service over it."""
    async with served(folder) as running:
        yield running


@pytest.fixture
async def old(folder) -> AsyncIterator[Live]:
    """The same a month later, when what happened then is no longer kept as events."""
    clock = MovableClock()
    clock.ahead = MONTH
    async with served(folder, clock=clock) as running:
        yield running
