"""A real Budget in a process of its own, on a real database: for the benchmarks, and for tests that kill it."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

import httpx

from budget.engine.verification import verify

START_SECONDS = 60.0
STOP_SECONDS = 60.0
ROOT = Path(__file__).parents[1]


class Service:
    """One service on a database file in `folder`, or on the database of a URL; it may be killed and started again.

    Its port stays the same.

    As a context manager it starts on entering and stops on leaving, with `with` and with `async with`.
    """

    def __init__(
        self,
        folder: Path,
        *,
        database_url: str | None = None,
        environment: Mapping[str, str] | None = None,
        through: Sequence[str] = (),
    ) -> None:
        self.folder = folder
        self.database = folder / "budget.db"
        self.database_url = database_url or f"sqlite:///{self.database}"
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.start_seconds = 0.0
        self._log = folder / f"service-{self.port}.log"
        self._environment = dict(environment or {})
        self._through = list(through)
        """A command that starts the service in its own place, such as one that takes rights away from it."""
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Start, and wait until it says that it is ready."""
        environment = {
            "BUDGET_PORT": str(self.port),
            "BUDGET_DATABASE_URL": self.database_url,
            "BUDGET_LOG_LEVEL": "WARN",
            "BUDGET_HERMES": "off",
            **self._environment,
        }
        started = time.perf_counter()
        self._process = launch([*self._through, sys.executable, "-m", "budget"], environment, self._log)
        wait_until_answering(f"{self.url}/ready", self._process, self.log)
        self.start_seconds = time.perf_counter() - started

    def stop(self) -> None:
        """Ask it to stop, and wait until it has."""
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            status = self._process.wait(STOP_SECONDS)
            assert status in (0, -signal.SIGTERM), f"the service ended with {status}:\n{self.log()}"
        self._process = None

    def wait(self) -> int:
        """Wait until it ends by itself; gives its exit status."""
        assert self._process is not None
        return self._process.wait(STOP_SECONDS)

    def kill(self) -> None:
        """`kill -9`: it gets to finish nothing."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()
        self._process = None

    def log(self) -> str:
        """What it has said so far, every start of it."""
        return self._log.read_text(errors="replace") if self._log.exists() else ""

    def resident_megabytes(self) -> float | None:
        """The memory it occupies; None where the system does not say."""
        return resident_megabytes(self.pid)

    def peak_megabytes(self) -> float | None:
        """The most memory that it has occupied since its start; None where the system does not say."""
        return resident_megabytes(self.pid, "VmHWM:")

    def verify(self) -> dict[str, object]:
        """What `budget verify` finds."""
        return verify(self.database_url)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    async def __aenter__(self) -> Self:
        self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        self.stop()


def free_port() -> int:
    """A port of loopback that nobody listens on."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


def launch(command: list[str], environment: Mapping[str, str], log: Path | None = None) -> subprocess.Popen[bytes]:
    """Start a process of ours with no settings but these."""
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("BUDGET_", "TEKTON_", "PENIA_", "HERMES_", "RHETOR_"))
    }
    inherited["PYTHONPATH"] = os.pathsep.join(filter(None, (str(ROOT), inherited.get("PYTHONPATH"))))
    if log is None:
        return subprocess.Popen(command, env={**inherited, **environment})
    with log.open("ab") as output:
        return subprocess.Popen(command, env={**inherited, **environment}, stdout=output, stderr=output)


def wait_until_answering(url: str, process: subprocess.Popen[bytes], log: object = lambda: "") -> None:
    """Wait for a first 200, or say what the process said before it ended."""
    deadline = time.monotonic() + START_SECONDS
    with httpx.Client(trust_env=False, timeout=2.0) as client:
        while time.monotonic() < deadline:
            said = log() if callable(log) else ""
            assert process.poll() is None, f"it ended with {process.returncode}:\n{said}"
            try:
                if client.get(url).status_code == httpx.codes.OK:
                    return
            except httpx.TransportError:
                pass
            time.sleep(0.02)
    process.kill()
    process.wait()
    raise TimeoutError(f"no answer from {url} in {START_SECONDS:.0f} s")


def resident_megabytes(pid: int, line_of: str = "VmRSS:") -> float | None:
    """The memory that a process occupies; None where the system does not say."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return None
    kilobytes = next((line.split()[1] for line in status.splitlines() if line.startswith(line_of)), None)
    return None if kilobytes is None else int(kilobytes) / 1024
