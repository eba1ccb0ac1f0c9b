"""Apollo's tiers of models, components and providers: rows of Budget's table of models."""

from typing import Final

from budget.adapters.apollo import words
from budget.client.account import MOST_PAGES, PAGE, Account
from budget.domain.models import ANY, COMPONENT

_MODEL: Final = "model"
_PROVIDER: Final = "provider"


def of_model(account: Account, name: str) -> str:
    """A model's; heavyweight where the table has none."""
    return _get(account, ANY, name.lower())


def of_provider(account: Account, name: str) -> str:
    """A provider's; heavyweight where the table has none."""
    return _get(account, name.lower(), ANY)


def of_component(account: Account, name: str) -> str | None:
    """A component's own, if it was given one."""
    for page in range(1, MOST_PAGES + 1):
        rows = account.ask("list_models", page=page, limit=PAGE)["items"]
        for row in rows:
            if (row[_PROVIDER], row[_MODEL]) == (COMPONENT, name):
                tier: str | None = row["tier"]
                return tier
        if len(rows) < PAGE:
            return None
    return None


def set_model(account: Account, name: str, tier: str) -> None:
    """Say which tier a model belongs to, whoever provides it."""
    _set(account, ANY, name.lower(), tier)


def set_provider(account: Account, name: str, tier: str) -> None:
    """Say which tier a provider's models belong to that have none of their own."""
    _set(account, name.lower(), ANY, tier)


def set_component(account: Account, name: str, tier: str) -> None:
    """Say which tier a component's calls belong to, unless their model has one."""
    _set(account, COMPONENT, name, tier)


def _get(account: Account, provider: str, model: str) -> str:
    tier: str = account.ask("get_model", provider=provider, model=model)["tier"]
    return tier


def _set(account: Account, provider: str, model: str, tier: str) -> None:
    account.ask("set_model", provider=provider, model=model, tier=words.tier(tier))
