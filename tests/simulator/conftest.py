"""A simulator, and the ledger's log lines kept out of the way: trouble is what it makes."""

from collections.abc import Iterator

import pytest
import structlog

from budget.simulator.running import Simulator


@pytest.fixture(scope="session")
def simulator() -> Iterator[Simulator]:
    with Simulator() as simulator:
        yield simulator


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    yield
    structlog.configure(**before)
