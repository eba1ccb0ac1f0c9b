"""Offers that are taken unchanged, and granted (P10)."""

from typing import Protocol

import msgspec

from budget.domain import commands
from budget.domain.errors import BudgetExceeded
from budget.domain.refusals import Refusal
from budget.engine.ledger import Outcome
from budget.simulator.chance import Chance
from budget.simulator.clock import HOUR, SECOND, Time
from budget.simulator.granting import instant
from budget.simulator.promises import agree, hold_to
from budget.simulator.world import Item

PATIENCE = 26 * HOUR
"""For how long a `later` offer is waited for."""


class Taker(Protocol):
    """Who can wait, and send."""

    time: Time

    async def deliver(self, items: list[Item]) -> list[Outcome]:
        """Send these, and hold each outcome against the model."""
        ...


async def take_an_offer(taker: Taker, chance: Chance, item: Item, refusal: Refusal) -> None:
    """Take one of the offers of a refusal; a later one not before its time, when it would still be refused."""
    if not refusal.offers:
        return
    offer = chance.one_of(refusal.offers)
    command: commands.Command
    if isinstance(item.command, commands.Increase):
        command = msgspec.structs.replace(item.command, tokens=offer["request"]["tokens"])
    else:
        command = msgspec.convert(offer["request"], commands.Allocate)
    again = Item(command, None, item.caller)
    if offer["kind"] == "later" and not await _wait(taker, again, instant(offer["not_before"]) or 0):
        return
    (outcome,) = await taker.deliver([again])
    agree("P10", f"the answer to an offer that is taken: {offer}", None, outcome.error)


async def _wait(taker: Taker, again: Item, not_before: int) -> bool:
    """Wait until an offer holds; gives whether that was worth waiting for."""
    time = taker.time
    if not_before > time.wall + PATIENCE:
        return False
    if not_before - SECOND > time.wall:
        time.pass_(not_before - SECOND - time.wall)
        (early,) = await taker.deliver([again])
        hold_to("P10", "a later offer would not have held earlier", isinstance(early.error, BudgetExceeded), early)
    time.pass_(max(not_before - time.wall, 0))
    return True
