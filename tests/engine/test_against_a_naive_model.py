"""The ledger on a real file against a naive model of it, step by step through random commands.

The model keeps lists and adds them up anew whenever a sum is wanted. After each step every hold, record, balance and
alert must agree, after some also the rollups, the page of limits, and the ledger rebuilt from its journal. For all that
the seeds come upon, this proves:

- P1, rule 2.5: a balance is what its window contains, earlier things and zones that changed included.
- Rule 4.6: what is undone is undone wherever it was counted, and nowhere else.
- P2, rule 5: a grant is refused exactly if it does not fit; what else passes a limit is flagged.
- P4: a key gives its first answer for ever.
- P9, rule 4: a hold ends in one of the ways it may, and its charge gives way to the usage that comes late.
- Rule 9: what is corrected or taken back leaves its windows, what is not given stays.
- P10: a refusal names its limits with their arithmetic; an offer that is taken is granted.
- P12: each crossing raises one alert.
"""

import os
from datetime import UTC, datetime

import pytest

from budget.engine import ledger
from tests.engine.conftest import ManualClock
from tests.engine.naive_driver import Driver
from tests.engine.naive_windows import SECOND

FULL = os.environ.get("BUDGET_TEST_FULL") == "1"
SEEDS = 300 if FULL else 20
STEPS = 150 if FULL else 100
THOROUGH = 15
"""After so many steps everything is compared."""


@pytest.fixture
def clock():
    """Berlin puts its clocks back within hours, New York a week later."""
    return ManualClock(int(datetime(2026, 10, 24, 20, 11, tzinfo=UTC).timestamp()) * SECOND)


@pytest.fixture(autouse=True)
def no_sweep_by_itself(monkeypatch):
    """The ledger sweeps every real second; here it sweeps when told."""
    monkeypatch.setattr(ledger, "SWEEP_SECONDS", 3600.0)


@pytest.mark.parametrize("seed", range(SEEDS), ids=lambda seed: f"seed-{seed}")
async def test_the_ledger_agrees_with_a_naive_model(book, clock, seed):
    driver = Driver(book, clock, seed)
    step = 0
    try:
        await driver.set_up()
        for step in range(1, STEPS + 1):
            await driver.step()
            await driver.compare()
            if step % THOROUGH == 0:
                await driver.compare_everything()
        await driver.compare_everything()
    except AssertionError as error:
        error.add_note(f"seed {seed}, step {step}, after {driver.last}")
        raise
