"""Forecasts are looked at now and then, as long as somebody wants to hear that a limit will not last."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from budget.domain.errors import BudgetError
from budget.domain.events import RUNS_OUT
from budget.domain.notifications import wanted
from budget.engine import forewarning
from budget.engine.ledger import Ledger
from budget.log import get_logger

log = get_logger("budget_notifications")

EVERY_SECONDS: Final = 300.0


async def keep(
    ledger: Ledger, is_ours: Callable[[], bool], sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
) -> None:
    """Go on until cancelled."""
    while True:
        await sleep(EVERY_SECONDS)
        try:
            if is_ours() and _is_wanted(ledger):
                await forewarning.look_ahead(ledger)
        except BudgetError as problem:
            log.info("forecasts wait", reason=problem.message)
        except Exception:  # a fault of ours in here must not end the looking
            log.exception("forecasts could not be looked at")


def _is_wanted(ledger: Ledger) -> bool:
    receivers = (each.receiver for each in ledger.configuration().receivers.values())
    return any(RUNS_OUT in (wanted(receiver).types or ()) for receiver in receivers if receiver.listens)
