"""What a drop-in manager finds around it: the service that runs, else a ledger of its own; and Rhetor's variables."""

import atexit
import os
import threading
from pathlib import Path

from budget import app, settings
from budget.client import BudgetClient, Unavailable
from budget.client.account import Backend
from budget.client.in_process import InProcess
from budget.engine.ledger import Locked

PERIODS = ("daily", "weekly", "monthly")


class Shared:
    """A way to Budget that several managers of this process use; the last one to leave closes it."""

    def __init__(self, url: str, backend: Backend) -> None:
        self.url = url
        self.call = backend.call
        self.users = 0
        self._backend = backend

    def close(self) -> None:
        """One user less."""
        with _lock:
            self.users -= 1
            if self.users == 0:
                del _open[self.url]
                self._backend.close()


_lock = threading.Lock()
_open: dict[str, Shared] = {}


def connect(path: Path | None = None) -> Shared:
    """A ledger in this process: in the file at `path`, else in the database that the environment names.

    Where a running service owns that database, the service.
    """
    read = settings.load(os.environ)
    url = read.database_url if path is None else f"sqlite:///{path.absolute()}"
    with _lock:
        if url not in _open:
            _open[url] = Shared(url, _backend(read, url, path))
        _open[url].users += 1
        return _open[url]


def _backend(read: settings.Settings, url: str, path: Path | None) -> Backend:
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
    try:
        return InProcess(app.open_ledger(read.model_copy(update={"database_url": url})))
    except Unavailable as error:
        if path is not None or error.code != Locked.code:
            raise
        return BudgetClient(read.endpoint)


@atexit.register
def _close_all() -> None:
    """The old managers needed no closing, so their callers do not close them."""
    for shared in list(_open.values()):
        shared.users = 1
        shared.close()


def rhetor_variables() -> tuple[str | None, dict[str, float]]:
    """Rhetor's default policy as it is written, if it is set, and its limits above 0 by period."""
    limits = {period: _number(f"RHETOR_BUDGET_{period.upper()}_LIMIT") for period in PERIODS}
    return os.environ.get("RHETOR_BUDGET_POLICY") or None, {name: limit for name, limit in limits.items() if limit > 0}


def _number(name: str) -> float:
    text = os.environ.get(name) or "0"
    try:
        return float(text)
    except ValueError:
        raise settings.SettingsError(f"{name} must be a number of dollars, not {text[:100]!r}") from None
