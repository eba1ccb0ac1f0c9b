"""`python -m benchmarks record`, and others by name: one JSON line; `check` runs all against the goals."""

import argparse
import json
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

from benchmarks import adapters, cli, dashboard, fanout, mcp, migrate, replicas, runs
from benchmarks.runs import Figures, Scale

BENCHMARKS: dict[str, Callable[[Scale], Figures]] = {
    "record": runs.record,
    "allocate": runs.allocate,
    "batch": runs.batch,
    "postgres": replicas.postgres,
    "summary": runs.summary,
    "growth": runs.growth,
    "fanout": fanout.fanout,
    "mcp": mcp.mcp,
    "adapters": adapters.adapters,
    "migrate": migrate.migrate,
    "cli": cli.cli,
    "dashboard": dashboard.dashboard,
}
GOALS = Path(__file__).with_name("goals.toml")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="How fast is Budget, and is it right?")
    parser.add_argument("name", choices=[*BENCHMARKS, "check"])
    parser.add_argument("--scale", choices=list(runs.SCALES), default="full", help="small is for tests")
    arguments = parser.parse_args()
    scale = runs.SCALES[arguments.scale]
    if arguments.name == "check":
        return check(scale)
    say(arguments.name, BENCHMARKS[arguments.name](scale))
    return 0


def check(scale: Scale) -> int:
    """All of them, and a table of what was demanded; 1 when a goal is missed."""
    figures = {name: run(scale) for name, run in BENCHMARKS.items() if name not in ("summary", "growth")}
    figures |= runs.grown(scale)
    for name, found in figures.items():
        say(name, found)
    rows = [
        row
        for name, goals in tomllib.loads(GOALS.read_text()).items()
        for figure, goal in goals.items()
        if (row := judge(f"{name}.{figure}", figures[name][figure], goal)) is not None
    ]
    print(f"\n{'':2}{'figure':34}{'found':>12}   goal")
    for met, text in rows:
        print(f"{' ' if met else '!'} {text}")
    return 0 if all(met for met, _ in rows) else 1


def judge(name: str, found: float | None, goal: dict[str, float]) -> tuple[bool, str] | None:
    """Whether a figure meets its goal, and the line that says so; nothing where it cannot be measured."""
    if found is None:
        return None
    met = goal.get("at_least", found) <= found <= goal.get("at_most", found)
    wanted = ", ".join(f"{how.replace('_', ' ')} {limit:,}" for how, limit in goal.items())
    return met, f"{name:34}{found:>12,}   {wanted}"


def say(name: str, figures: Figures) -> None:
    print(json.dumps({"benchmark": name, **figures}), flush=True)


if __name__ == "__main__":
    sys.exit(main())
