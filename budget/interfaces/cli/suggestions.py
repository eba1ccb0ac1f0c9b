"""Ids and names to complete with, asked of the service; nothing where it does not answer soon."""

import argparse
import os
from typing import Any, Final

from budget.client import BudgetClient, BudgetError, Retries
from budget.domain.policies import PERIODS, TIERS, TYPES
from budget.interfaces.cli import profiles
from budget.interfaces.cli.failures import Failed

WAIT_SECONDS: Final = 1.0
_WORDS: Final = {"tier": TIERS, "period": PERIODS, "type": TYPES}
_LISTS: Final = {
    "budget_id": ("list_budgets", ("budget_id", "name")),
    "policy_id": ("list_policies", ("policy_id",)),
    "allocation_id": ("list_allocations", ("allocation_id",)),
    "context_id": ("list_allocations", ("context_id",)),
    "component": ("list_allocations", ("component",)),
    "record_id": ("list_usage", ("record_id",)),
    "alert_id": ("list_alerts", ("alert_id",)),
    "decision_id": ("list_decisions", ("decision_id",)),
    "migration_id": ("list_migrations", ("migration_id",)),
    "provider": ("list_models", ("provider",)),
    "model": ("list_models", ("model",)),
}


def of(field: str, prefix: str, given: argparse.Namespace) -> list[str]:
    """What the field could be."""
    if field in _WORDS:
        found: list[Any] = list(_WORDS[field])
    else:
        operation, names = _LISTS.get(field, ("", ()))
        found = [item[name] for item in _items(operation, given) for name in names] if operation else []
    return sorted({str(value) for value in found if value is not None and str(value).startswith(prefix)})


def _items(operation: str, given: argparse.Namespace) -> list[dict[str, Any]]:
    from budget import settings  # noqa: PLC0415 -- slow to import

    try:
        told = profiles.resolved(vars(given), os.environ, settings.load(os.environ).endpoint)
        once = Retries(tries=1)
        with BudgetClient(
            str(told["api_url"].value), api_key=told["api_key"].value, timeout_seconds=WAIT_SECONDS, retries=once
        ) as client:
            items: list[dict[str, Any]] = client.call(operation, limit=100)["items"]
    except (BudgetError, Failed, settings.SettingsError):
        return []  # a completion is a courtesy
    return items
