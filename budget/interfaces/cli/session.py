"""A command's way to the service: what it asks, by which settings, and what it says when nothing sensible answers."""

import argparse
import functools
import os
import sys
from collections.abc import Iterator
from typing import Any, Final, Self

import httpx

from budget.client import BudgetClient, BudgetError, NotFound, Retries, Unavailable
from budget.interfaces.cli import documents, profiles
from budget.interfaces.cli.output import Output
from budget.settings import Settings

PAGE: Final = 100
MOST_PAGES: Final = 1_000_000
_RETRIES: Final = Retries(tries=3)


class Session:
    """One command's client, and where it prints."""

    def __init__(self, settings: Settings, given: argparse.Namespace) -> None:
        found = profiles.resolved(vars(given), os.environ, settings.endpoint)
        self.url = str(found["api_url"].value).rstrip("/")
        self.api_key = found["api_key"].value
        self.version = settings.version
        self.timeout_seconds = float(found["timeout_seconds"].value or 0)
        self.verbose: bool = getattr(given, "verbose", False)
        self._utc = found["utc"].value == "true"
        self.out = Output(str(found["format"].value), self.zone, quiet=getattr(given, "quiet", False))
        self.client = BudgetClient(
            self.url, api_key=self.api_key, timeout_seconds=self.timeout_seconds, retries=_RETRIES
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.client.close()

    def ask(self, operation: str, /, **fields: Any) -> Any:
        """The answer of an operation."""
        self.say(f"{operation} {documents.as_line(fields)} at {self.url}")
        try:
            return self.client.call(operation, **fields)
        except BudgetError as error:
            explained = self.explained(error)
            if explained is error:
                raise
            raise explained from error

    def say(self, text: str) -> None:
        """What `--verbose` wants to know."""
        if self.verbose:
            print(f"budget: {text}", file=sys.stderr, flush=True)

    def each(self, operation: str, /, **fields: Any) -> Iterator[Any]:
        """Everything that a list holds, page by page."""
        for page in range(1, MOST_PAGES):
            items = self.ask(operation, **{**fields, "page": page, "limit": PAGE})["items"]
            yield from items
            if len(items) < PAGE:
                return

    def zone(self, budget_id: Any) -> str:
        """By which clocks a budget's times are shown; without a budget by the default one's."""
        if self._utc:
            return "UTC"
        zones = self._zones()
        return zones.get(budget_id) or zones.get("") or "UTC"

    @functools.cache  # noqa: B019 -- a session lives as long as its command
    def _zones(self) -> dict[str, str]:
        try:
            budgets = list(self.each("list_budgets"))
        except BudgetError:
            return {}  # a key that may not see budgets shows times in UTC
        zones = {budget["budget_id"]: budget["time_zone"] for budget in budgets}
        zones[""] = next((budget["time_zone"] for budget in budgets if budget["is_default"]), "UTC")
        return zones

    def health(self) -> dict[str, Any] | None:
        """What the service says of itself; None when it is not Budget, or none is there."""
        try:
            answer = httpx.get(f"{self.url}/health", timeout=self.timeout_seconds, headers=self._headers())
            found = answer.json()
        except (httpx.HTTPError, ValueError):
            return None
        return found if isinstance(found, dict) and found.get("component") == "budget" else None

    def newest_event(self) -> int:
        """The number of the newest event; an error when no Budget is there, for which a subscriber would wait."""
        seq: int = self.ask("list_events", limit=1)["as_of_seq"]
        return seq

    def _headers(self) -> dict[str, str]:
        return {} if self.api_key is None else {"X-API-Key": self.api_key}

    def explained(self, error: BudgetError) -> BudgetError:
        """The same error, or what is behind it: nothing there, something else there, another version."""
        if isinstance(error, Unavailable):
            if error.status is not None:
                return error
            reason = type(error.__cause__).__name__ if error.__cause__ else "no answer"
            slow = (
                f"; --timeout gives it more than {self.timeout_seconds:g} s"
                if "Timeout" in reason
                else "; does it run?"
            )
            return Unavailable(f"nothing answers as Budget does at {self.url} ({reason}){slow}")
        if error.code is None or (isinstance(error, NotFound) and error.message.startswith("there is no tool")):
            return self._stranger(error)
        return error

    def _stranger(self, error: BudgetError) -> BudgetError:
        found = self.health()
        if found is None:
            return Unavailable(f"what answers at {self.url} is not Budget ({error.message}); --api-url names another")
        if found["version"] != self.version:
            both = f"the service at {self.url} is Budget {found['version']}, this command {self.version}"
            return BudgetError(f"{both}: {error.message}", status=error.status, problem=error.problem)
        return error
