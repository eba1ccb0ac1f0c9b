"""`budget sim`: tries to break the service's promises, from seeds; tells which was broken, and how to see it again."""

import argparse
import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from budget import log
from budget.interfaces.cli.parsers import Parser
from budget.settings import Settings

if TYPE_CHECKING:
    from budget.simulator.running import Report, Simulator, Step

MOST_STEPS = 100_000


def add_commands(parser: Parser) -> None:
    """What `budget sim` can be told."""
    parser.add_argument("--seed", type=_count, default=0, metavar="N", help="the first seed (default: 0)")
    parser.add_argument("--seeds", type=_positive, default=1, metavar="K", help="so many seeds from there (default: 1)")
    parser.add_argument("--steps", type=_positive, default=30, metavar="M", help="steps in each run (default: 30)")
    parser.add_argument("--only", type=_numbers, metavar="A,B,…", help="only these steps, as a failing run names them")
    parser.add_argument(
        "--processes", type=_positive, default=1, metavar="P", help="ledgers that take turns (default: 1)"
    )
    parser.add_argument("--no-shrink", action="store_true", help="leave a failing run as long as it is")
    parser.add_argument("--json", action="store_true", help="one JSON document in the place of lines")
    parser.set_defaults(run=run)


def run(settings: Settings, given: argparse.Namespace) -> int:
    """Run the seeds; 1 when a promise was broken."""
    from budget.simulator.running import Simulator  # noqa: PLC0415 -- slow to import, and here are the arguments, too

    log.configure(settings.model_copy(update={"log_level": "OFF", "log_file": None}))
    reports = []
    with Simulator() as simulator:
        for report in _reports(simulator, given):
            reports.append(report)
            if not given.json:
                print("\n".join(_lines(report, given)), flush=True)
    broken = sum(report.broken is not None for report in reports)
    if given.json:
        print(json.dumps({"seeds": len(reports), "broken": broken, "runs": [_document(r, given) for r in reports]}))
    else:
        sent, kills = sum(report.commands for report in reports), sum(report.kills for report in reports)
        kept = f"promises broken by {broken} of them" if broken else "every promise kept"
        print(f"{len(reports)} runs, {sent:,} commands, {kills:,} kills: {kept}")
    return 1 if broken else 0


def _reports(simulator: "Simulator", given: argparse.Namespace) -> Iterator["Report"]:
    from budget.simulator.running import steps_of  # noqa: PLC0415 -- likewise
    from budget.simulator.shrinking import shrink  # noqa: PLC0415 -- likewise

    numbers = given.only or range(1, given.steps + 1)
    for seed in range(given.seed, given.seed + given.seeds):

        def again(steps: "tuple[Step, ...]", seed: int = seed) -> "Report":
            return simulator.run(seed, steps, given.processes)

        report = again(steps_of(seed, numbers))
        yield report if report.broken is None or given.no_shrink else shrink(report, again)


def _lines(report: "Report", given: argparse.Namespace) -> list[str]:
    run = f"seed {report.seed}: {len(report.steps)} steps, {report.commands} commands, {report.kills} kills"
    broken = report.broken
    if broken is None:
        return [f"{run}, digest {report.digest}"]
    return [
        f"{run}: broken at step {report.at_step}",
        *(f"  {line}" for line in report.story),
        f"  {broken}",
        f"    expected {broken.expected}",
        f"    found    {broken.found}",
        f"  again: {_command(report, given)}",
    ]


def _document(report: "Report", given: argparse.Namespace) -> dict[str, Any]:
    document: dict[str, Any] = {
        "seed": report.seed,
        "steps": [step.number for step in report.steps],
        "commands": report.commands,
        "kills": report.kills,
        "digest": report.digest,
    }
    broken = report.broken
    if broken is None:
        return document
    found = {"promise": broken.promise, "what": broken.what, "step": report.at_step}
    found |= {"expected": str(broken.expected), "found": str(broken.found)}
    return {**document, "broken": found, "story": report.story, "again": _command(report, given)}


def _command(report: "Report", given: argparse.Namespace) -> str:
    numbers = ",".join(str(step.number) for step in report.steps) or "0"
    processes = f" --processes {given.processes}" if given.processes > 1 else ""
    return f"budget sim --seed {report.seed} --only {numbers} --no-shrink{processes}"


def _count(text: str) -> int:
    number = int(text) if text.isascii() and text.isdecimal() else -1
    if not 0 <= number <= 2**63:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 0 on")
    return number


def _positive(text: str) -> int:
    number = _count(text)
    if not 0 < number <= MOST_STEPS:
        raise argparse.ArgumentTypeError(f"{text!r} is not from 1 to {MOST_STEPS:,}")
    return number


def _numbers(text: str) -> tuple[int, ...]:
    numbers = tuple(_count(part) for part in text.split(","))
    if max(numbers) > MOST_STEPS:
        raise argparse.ArgumentTypeError(f"a run has at most {MOST_STEPS:,} steps")
    return numbers
