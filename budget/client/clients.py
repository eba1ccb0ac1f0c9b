"""The two clients: how a call is sent and tried again, with and without `await`."""

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final, Self, Unpack

import httpx

from budget.client import exchange, holds
from budget.client.exchange import Call, Reply, Retries
from budget.client.operations import Operations
from budget.client.requests import AllocationOptions

URL: Final = "http://localhost:8013"
TIMEOUT_SECONDS: Final = 10.0


def _headers(api_key: str | None) -> dict[str, str]:
    return {} if api_key is None else {"X-API-Key": api_key}


class BudgetClient(Operations[Reply]):
    """Budget's API for programs without an event loop; may be shared by threads."""

    def __init__(
        self,
        url: str = URL,
        *,
        api_key: str | None = None,
        timeout_seconds: float = TIMEOUT_SECONDS,
        retries: Retries = Retries(),  # noqa: B008 -- frozen
        transport: httpx.BaseTransport | None = None,
        sleep: Callable[[float], None] = time.sleep,
        wait: holds.Wait = threading.Event.wait,
    ) -> None:
        self._http = httpx.Client(base_url=url, headers=_headers(api_key), timeout=timeout_seconds, transport=transport)
        self._retries = retries
        self._sleep = sleep
        self._wait = wait

    def allocation(
        self,
        *,
        component: str,
        tokens: int,
        context_id: str | None = None,
        lifetime_seconds: float = holds.LIFETIME_SECONDS,
        **more: Unpack[AllocationOptions],
    ) -> holds.Hold:
        """A hold for a `with` block: see `budget.client.holds` for how it ends."""
        fields = holds.fields_of(component, tokens, context_id, more)
        return holds.Hold(self, fields, lifetime_seconds, self._wait)

    def close(self) -> None:
        """Give the connections back."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _send(self, call: Call) -> Any:
        tried = 0
        while True:
            tried += 1
            try:
                outcome: httpx.Response | httpx.TransportError = exchange.unwrapped(
                    call, self._http.send(call.request(self._http))
                )
            except httpx.TransportError as error:
                outcome = error
            wait = self._retries.wait(tried, outcome)
            if wait is None:
                return exchange.read(call, outcome)
            self._sleep(wait)


class AsyncBudgetClient(Operations[Awaitable[Reply]]):
    """Budget's API for asyncio; one client serves any number of tasks."""

    def __init__(
        self,
        url: str = URL,
        *,
        api_key: str | None = None,
        timeout_seconds: float = TIMEOUT_SECONDS,
        retries: Retries = Retries(),  # noqa: B008 -- frozen
        transport: httpx.AsyncBaseTransport | None = None,
        sleep: holds.Sleep = asyncio.sleep,
    ) -> None:
        self._http = httpx.AsyncClient(
            base_url=url, headers=_headers(api_key), timeout=timeout_seconds, transport=transport
        )
        self._retries = retries
        self._sleep = sleep

    def allocation(
        self,
        *,
        component: str,
        tokens: int,
        context_id: str | None = None,
        lifetime_seconds: float = holds.LIFETIME_SECONDS,
        **more: Unpack[AllocationOptions],
    ) -> holds.AsyncHold:
        """A hold for an `async with` block: see `budget.client.holds` for how it ends."""
        fields = holds.fields_of(component, tokens, context_id, more)
        return holds.AsyncHold(self, fields, lifetime_seconds, self._sleep)

    async def close(self) -> None:
        """Give the connections back."""
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def _send(self, call: Call) -> Any:
        tried = 0
        while True:
            tried += 1
            try:
                outcome: httpx.Response | httpx.TransportError = exchange.unwrapped(
                    call, await self._http.send(call.request(self._http))
                )
            except httpx.TransportError as error:
                outcome = error
            wait = self._retries.wait(tried, outcome)
            if wait is None:
                return exchange.read(call, outcome)
            await self._sleep(wait)
