"""Replicas of Budget on one PostgreSQL: starts them, says where they are, and stops them together."""

import argparse
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks import postgres_server  # noqa: E402 -- found only now

STOP_SECONDS = 30


def main() -> int:
    parser = argparse.ArgumentParser(prog="scripts/run_replicas.sh", description=__doc__)
    parser.add_argument("replicas", nargs="?", type=int, default=2, metavar="N", help="how many (default: 2)")
    count = parser.parse_args().replicas
    if not 1 <= count <= 16:  # noqa: PLR2004 -- as many as one machine makes sense of
        parser.error("N is 1 to 16")
    for name in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(name, signal.default_int_handler)  # end as Ctrl-C does
    home = Path(os.environ.get("TEKTON_ROOT") or Path.home())
    first = int(os.environ.get("BUDGET_PORT", "8013"))
    with postgres_server.running(home / ".tekton/data/budget/postgres") as server:
        url = postgres_server.database(server, "budget")
        print(f"replicas: the database is {url}", flush=True)
        started: list[subprocess.Popen[bytes]] = []
        try:
            for port in range(first, first + count):
                environment = {**os.environ, "BUDGET_PORT": str(port), "BUDGET_DATABASE_URL": url}
                started.append(subprocess.Popen([sys.executable, "-P", "-m", "budget"], env=environment))
            return _watch(started)
        except KeyboardInterrupt:
            return 0
        finally:
            _stop(started)


def _watch(started: list[subprocess.Popen[bytes]]) -> int:
    """Until the last of them has ended by itself; gives its status."""
    running = list(started)
    status = 0
    while running:
        for process in [each for each in running if each.poll() is not None]:
            running.remove(process)
            status = process.returncode
            print(f"replicas: one ended with {status}; {len(running)} go on", file=sys.stderr, flush=True)
        time.sleep(0.2)
    return status


def _stop(started: list[subprocess.Popen[bytes]]) -> None:
    for process in started:
        process.terminate()
    for process in started:
        process.wait(STOP_SECONDS)


if __name__ == "__main__":
    sys.exit(main())
