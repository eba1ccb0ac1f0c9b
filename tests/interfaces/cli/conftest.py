"""The command line without anything of this machine's: no settings of its user, no file of theirs."""

import os
import pty
import select
import signal
import subprocess
import sys
import time

import pytest

from budget import log, settings
from budget.interfaces.cli.main import main
from tests.serving import serving

PATIENCE_SECONDS = 30


@pytest.fixture(autouse=True)
def nobody_s_settings(monkeypatch, tmp_path):
    """A home of its own, and no variables."""
    for name in list(os.environ):
        if name.startswith(("BUDGET_", "TEKTON_")) and name != "BUDGET_TEST_FULL":
            monkeypatch.delenv(name)
    for name in ("COLUMNS", "NO_COLOR", "FORCE_COLOR", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))


@pytest.fixture(scope="module", autouse=True)
def silence():
    """A service in this process logs nothing between the lines of the command."""
    log.configure(settings.load({"HOME": "/nowhere"}).model_copy(update={"log_level": "OFF"}))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Where the service's database is."""
    return tmp_path_factory.mktemp("asked")


@pytest.fixture(scope="module")
def address(new_database, folder):
    """A service on a real socket, one for a module."""
    with serving(new_database, folder) as running:
        yield running.address


@pytest.fixture
def run(capfd):
    """Runs a command line; gives its status, output and errors."""

    def run(*words, by=main):
        capfd.readouterr()
        status: object
        try:
            status = by(list(words))
        except SystemExit as ended:
            status = ended.code
        out, err = capfd.readouterr()
        return status, out, err

    return run


@pytest.fixture
def budget(address, monkeypatch, run):
    """The same, asking the service."""
    monkeypatch.setenv("BUDGET_API_URL", address)
    return run


class Terminal:
    """A program on a pseudo-terminal."""

    def __init__(self, *words, **environ):
        self.mine, theirs = pty.openpty()
        self.seen = ""
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-m", "budget", *words],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
            preexec_fn=_take_terminal,  # noqa: PLW1509 -- an ioctl on the child's own terminal, which Ctrl-C goes to
            env={**os.environ, "TERM": "xterm", "COLUMNS": "100", "LINES": "40", "INPUTRC": "/dev/null", **environ},
        )
        os.close(theirs)

    def until(self, text):
        """Everything up to this text, which must come."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while text not in self.seen:
            ready, _, _ = select.select([self.mine], [], [], max(deadline - time.monotonic(), 0))
            assert ready, f"{text!r} does not come; there was {self.seen!r}"
            try:
                self.seen += os.read(self.mine, 65536).decode(errors="replace")
            except OSError:  # Linux's way to say that the other side is gone
                pytest.fail(f"it ended before {text!r}: {self.seen!r}")
        before, _, self.seen = self.seen.partition(text)
        return before

    def type(self, text):
        os.write(self.mine, text.encode())

    def interrupt(self):
        os.kill(self.process.pid, signal.SIGINT)

    def ended(self):
        """How it ended."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while self.process.poll() is None:
            ready, _, _ = select.select([self.mine], [], [], max(deadline - time.monotonic(), 0))
            try:
                self.seen += os.read(self.mine, 65536).decode(errors="replace") if ready else pytest.fail("it goes on")
            except OSError:
                self.process.wait(PATIENCE_SECONDS)
        return self.process.returncode


def _take_terminal():
    import fcntl
    import termios

    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


@pytest.fixture
def terminal():
    """Starts programs on pseudo-terminals."""
    started = []

    def start(*words, **environ):
        started.append(Terminal(*words, **environ))
        return started[-1]

    yield start
    for each in started:
        each.process.kill()
        each.process.wait()
        os.close(each.mine)
