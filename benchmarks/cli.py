"""How long the command line takes to say what it can do, beside a Python that does nothing, in turns."""

import os
import statistics
import subprocess
import sys
import time

from benchmarks.runs import Figures, Scale

COMMANDS = {
    "nothing": ["-c", "pass"],
    "help": ["-P", "-m", "budget.interfaces.cli.main", "--help"],
    "version": ["-P", "-m", "budget.interfaces.cli.main", "--version"],
}


def cli(scale: Scale) -> Figures:
    """Milliseconds of each, at the median, and the ratio of `--help` to a Python that does nothing."""
    taken: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for turn in range(2 * scale.rounds + 1):  # the first fills the caches
        for name, command in COMMANDS.items():
            began = time.perf_counter()
            subprocess.run([sys.executable, *command], env=os.environ, stdout=subprocess.DEVNULL, check=True)
            if turn:
                taken[name].append((time.perf_counter() - began) * 1000)
    medians = {name: statistics.median(times) for name, times in taken.items()}
    return {
        **{f"{name}_ms": round(median, 1) for name, median in medians.items()},
        "ratio": round(medians["help"] / medians["nothing"], 2),
        "runs": len(taken["help"]),
    }
