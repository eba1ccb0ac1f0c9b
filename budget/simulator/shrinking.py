"""Makes a failing run short: leaves out ever smaller pieces of it, as long as the same promise stays broken."""

from budget.simulator.running import Report, Runs, Step

MOST_RUNS = 200
"""After so many the shortest run so far has to do."""


def shrink(failing: Report, run: Runs, most_runs: int = MOST_RUNS) -> Report:
    """The shortest run that was found to break the same promise as this one."""
    best, runs = failing, 0
    size = max(len(_until_broken(best)) // 2, 1)
    while size:
        before, at = best, 0
        while at < len(steps := _until_broken(best)) and runs < most_runs:
            runs += 1
            tried = run(steps[:at] + steps[at + size :])
            if _breaks_the_same(tried, failing):
                best = tried
            else:
                at += size
        if size > 1:
            size //= 2
        elif best is before or runs >= most_runs:
            size = 0
    steps = _until_broken(best)
    return best if steps == best.steps else run(steps)


def _until_broken(report: Report) -> tuple[Step, ...]:
    """What comes after the broken promise does not matter."""
    return tuple(step for step in report.steps if step.number <= report.at_step)


def _breaks_the_same(tried: Report, failing: Report) -> bool:
    if tried.broken is None or failing.broken is None:
        return False
    return tried.broken.promise == failing.broken.promise
