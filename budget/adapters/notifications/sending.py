"""Deliveries that are due, sent at least once: one after another for each receiver, the receivers side by side."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

import httpx

from budget.adapters.notifications import mail as mails
from budget.adapters.notifications import webhooks
from budget.adapters.notifications.outcomes import Undelivered
from budget.domain import instants
from budget.domain import notifications as told
from budget.domain.errors import Unavailable
from budget.domain.notifications import Delivery, Reachable
from budget.engine import notifications
from budget.engine.ledger import Ledger
from budget.log import get_logger

log = get_logger("budget_notifications")

PAUSE_SECONDS: Final = 5.0
"""Between looks for what another replica, or a person who asks for a test, has left to be sent."""

TIMEOUT_SECONDS: Final = 15.0
"""For one try, from the look-up of the name to the answer."""

SENT_AT_ONCE: Final = 16
"""Deliveries of one receiver that are read together."""

KEPT_DAYS: Final = 30
"""Deliveries that have arrived or were given up are listed this long."""

_HOUR: Final = 3_600 * instants.MICROSECONDS_PER_SECOND
_KEPT: Final = KEPT_DAYS * 24 * _HOUR


class Sender:
    """Sends what is due for as long as the task is this replica's."""

    def __init__(
        self,
        ledger: Ledger,
        *,
        wake: asyncio.Event,
        sleep: Callable[[float], Awaitable[None]],
        is_ours: Callable[[], bool],
        mail: mails.MailServer | None,
        transport: httpx.AsyncBaseTransport | None,
        chance: Callable[[], float],
    ) -> None:
        self._ledger = ledger
        self._wake = wake
        self._sleep = sleep
        self._is_ours = is_ours
        self._mail = mail
        self._chance = chance
        # No proxies from the environment, no redirects: a message goes where it was meant to go, or nowhere.
        self._http = httpx.AsyncClient(transport=transport, timeout=TIMEOUT_SECONDS, trust_env=False)
        self._lanes: dict[str, asyncio.Task[None]] = {}
        self._next_drop = 0

    async def keep(self) -> None:
        """Go on until cancelled."""
        while True:
            self._wake.clear()
            pause = PAUSE_SECONDS
            try:
                if self._is_ours():
                    pause = await self._begin_what_is_due()
            except Unavailable as problem:
                log.info("deliveries wait", reason=str(problem))
            except Exception:  # a fault of ours in here must not end the sending
                log.exception("deliveries could not be sent")
            await self._rest(pause)

    async def stop(self) -> None:
        """Leave what is being sent; it is sent again."""
        lanes = list(self._lanes.values())
        for lane in lanes:
            lane.cancel()
        await asyncio.gather(*lanes, return_exceptions=True)
        await self._http.aclose()

    async def _rest(self, seconds: float) -> None:
        """Until the time is over, or there is something to do."""
        waiting = [asyncio.ensure_future(self._sleep(seconds)), asyncio.ensure_future(self._wake.wait())]
        try:
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in waiting:
                each.cancel()
            await asyncio.gather(*waiting, return_exceptions=True)

    async def _begin_what_is_due(self) -> float:
        """Begin a lane for each receiver with something due; the seconds until more is due."""
        receivers = (await self._ledger.refresh()).receivers
        now, pause = self._ledger.now(), PAUSE_SECONDS
        for receiver_id, due_at in await notifications.waiting(self._ledger):
            found = receivers.get(receiver_id)
            if found is None or not found.receiver.listens or receiver_id in self._lanes:
                continue
            if due_at <= now:
                self._lanes[receiver_id] = asyncio.create_task(self._send_due(found), name="budget-lane")
            else:
                pause = min(pause, (due_at - now) / instants.MICROSECONDS_PER_SECOND)
        if now >= self._next_drop:
            self._next_drop = now + _HOUR
            await notifications.drop(self._ledger, now - _KEPT)
        return pause

    async def _send_due(self, reachable: Reachable) -> None:
        receiver_id = reachable.receiver.receiver_id
        try:
            for delivery in await notifications.due(self._ledger, receiver_id, self._ledger.now(), SENT_AT_ONCE):
                after = await self._try(reachable, delivery)
                await notifications.note_try(self._ledger, delivery, after)
            self._wake.set()
        except Unavailable as problem:
            log.info("deliveries wait", reason=str(problem))
        except Exception:  # a fault of ours: the next round tries again
            log.exception("a delivery could not be sent")
        finally:
            del self._lanes[receiver_id]

    async def _try(self, reachable: Reachable, delivery: Delivery) -> Delivery:
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                status = await self._send(reachable, delivery)
        except (Undelivered, TimeoutError) as problem:
            failed = problem if isinstance(problem, Undelivered) else Undelivered("no answer in time")
            after = told.after_failure(
                delivery,
                self._ledger.now(),
                self._chance(),
                error=failed.reason,
                status=failed.status,
                final=failed.final,
            )
            log.warning(
                "a notification was not delivered",
                receiver=reachable.receiver.receiver_id,
                delivery=delivery.delivery_id,
                reason=failed.reason,
                attempts=after.attempts,
                state=after.state,
            )
            return after
        return told.after_success(delivery, self._ledger.now(), status)

    async def _send(self, reachable: Reachable, delivery: Delivery) -> int | None:
        if reachable.receiver.kind == "email":
            if self._mail is None:
                raise Undelivered("no mail server: set BUDGET_SMTP_URL")
            await mails.send(self._mail, reachable.address, delivery)
            return None
        if reachable.receiver.kind == "slack":
            return await webhooks.post_to_slack(self._http, reachable.address, delivery)
        secrets = told.secrets_at(reachable, self._ledger.now())
        return await webhooks.post_signed(self._http, reachable.address, delivery, secrets, self._ledger.now())
