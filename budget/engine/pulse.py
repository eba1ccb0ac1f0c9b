"""The figures that go out unasked: of budgets and holds that changed, and every minute those of the default budget."""

import asyncio
import contextlib
from collections.abc import Mapping
from typing import Any, Final

from budget.domain.errors import BudgetError
from budget.domain.events import DRAWN, RECENT_ALERTS, SUMMARIES, SUMMARY
from budget.domain.records import Record
from budget.engine import queries, summaries
from budget.engine.ledger import Ledger
from budget.engine.subscriptions import Message
from budget.log import get_logger
from budget.storage import holdings

log = get_logger("budget_websocket")

EVERY_SECONDS: Final = 60.0
LEAST_SECONDS: Final = 0.1
"""Between two rounds: at most ten summaries of a budget a second."""

RETRY_SECONDS: Final = 1.0
MOST_ALERTS: Final = 20


class Pulse:
    """Sums up what changed, as long as anyone wants to hear it."""

    def __init__(
        self, ledger: Ledger, *, every_seconds: float = EVERY_SECONDS, least_seconds: float = LEAST_SECONDS
    ) -> None:
        self._ledger = ledger
        self._every_seconds = every_seconds
        self._least_seconds = least_seconds
        self._budgets: set[str] = set()
        self._holds: set[str] = set()
        self._changed = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        ledger.bus.watch(self._note)

    def start(self) -> None:
        """Begin."""
        self._tasks = [
            asyncio.create_task(self._follow(), name="budget-summaries"),
            asyncio.create_task(self._beat(), name="budget-pulse"),
        ]

    async def stop(self) -> None:
        """End."""
        for task in self._tasks:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    def _note(self, messages: list[Message]) -> None:
        bus = self._ledger.bus
        events = [message.event for message in messages if message.event.seq is not None]
        if bus.listens(SUMMARY):
            self._budgets.update(event.budget_id for event in events if event.budget_id is not None)
        if bus.listens(DRAWN):
            for event in events:
                if event.type == "usage.recorded" and isinstance(event.about[0], Record):
                    self._holds.update(filter(None, (event.about[0].allocation_id,)))
        if self._budgets or self._holds:
            self._changed.set()

    async def _follow(self) -> None:
        while True:
            await self._changed.wait()
            self._changed.clear()
            budgets, self._budgets = self._budgets, set()
            holds, self._holds = self._holds, set()
            try:
                await self._tell_holds(holds)
                for budget_id in budgets:
                    await self._tell_budget(budget_id)
            except BudgetError as error:
                log.warning("summaries cannot be made now", error=error.message)
                self._budgets |= budgets  # the last state is told all the same, once it can be read
                self._holds |= holds
                self._changed.set()
                await asyncio.sleep(RETRY_SECONDS)
            await asyncio.sleep(self._least_seconds)

    async def _tell_holds(self, ids: set[str]) -> None:
        bus = self._ledger.bus
        for hold in await self._ledger.database.read(holdings.holds, list(ids)) if ids else ():
            bus.announce(DRAWN, {}, about=(hold,), subject=hold.allocation_id, budget_id=hold.budget_id)

    async def _tell_budget(self, budget_id: str) -> None:
        rows = [await self._row(period, budget_id) for period in SUMMARIES]
        payload = _payload("daily", rows[0], rows)
        self._ledger.bus.announce(SUMMARY, payload, subject=budget_id, budget_id=budget_id)

    async def _row(self, period: str, budget_id: str | None) -> dict[str, Any]:
        (row,) = await summaries.summary_rows(self._ledger, period, budget_id=budget_id)
        return row

    async def _beat(self) -> None:
        since = self._ledger.now()
        while True:
            await asyncio.sleep(self._every_seconds)
            now = self._ledger.now()
            try:
                await self._tell_periods()
                await self._tell_alerts(since)
                since = now
            except BudgetError as error:
                log.warning("summaries cannot be made now", error=error.message)

    async def _tell_periods(self) -> None:
        bus = self._ledger.bus
        for period, announcement in SUMMARIES.items():
            if bus.listens(announcement):
                row = await self._row(period, None)
                bus.announce(announcement, _payload(period, row, [row]), subject=row["budget_id"])

    async def _tell_alerts(self, since: int) -> None:
        bus = self._ledger.bus
        if bus.listens(RECENT_ALERTS):
            found = await queries.list_alerts(self._ledger, {}, limit=MOST_ALERTS)
            recent = tuple(alert for alert in found.items if alert.raised_at >= since)
            if recent:
                bus.announce(RECENT_ALERTS, {}, about=(recent,))


def _payload(period: str, row: Mapping[str, Any], rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Ratios for those who read `summary`, percentages for those who read `summaries` (wire contract 15.5)."""
    return {
        "budget_id": row["budget_id"],
        "period": period,
        "summary": row,
        "summaries": [_in_percent(each) for each in rows],
    }


def _in_percent(row: Mapping[str, Any]) -> dict[str, Any]:
    shares = ("token_usage_percentage", "cost_usage_percentage")
    return {**row, **{name: None if row[name] is None else round(row[name] * 100, 4) for name in shares}}
