"""What can be read by its address: budgets with their balances, policies, prices, usage, events (`budget://…`)."""

import re
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Final, NamedTuple
from urllib.parse import quote, unquote

from budget.domain.entries import Caller
from budget.domain.errors import NotFound
from budget.domain.events import Event, Filter
from budget.engine import events, queries
from budget.engine.ledger import Ledger
from budget.operations import access, by_caller, tekton_events
from budget.operations.access import Asking

MOST_LISTED: Final = 100
"""Resources on a page; also the policies and limits that one resource shows."""

MOST_EVENTS: Final = 1000
"""How many of the journal's newest numbers are searched for the messages of one type."""

_DAY: Final = 86_400 * 1_000_000

Read = Callable[..., Awaitable[Any]]


class Template(NamedTuple):
    """Addresses of one form, and how what stands there is read; what is named in braces is given to `read`."""

    uri: str
    name: str
    description: str
    read: Read

    @property
    def is_fixed(self) -> bool:
        """Whether it is one address rather than many."""
        return "{" not in self.uri


async def _budgets(ask: Asking) -> Any:
    return await ask("list_budgets", limit=MOST_LISTED)


async def _budget(ask: Asking, budget_id: str) -> Any:
    budget = await ask("get_budget", budget_id=budget_id)
    limits = await ask("list_limits", budget_id=budget_id)
    return {"budget": budget, "limits": limits["items"]}


async def _budget_usage(ask: Asking, budget_id: str) -> Any:
    return await ask("get_usage_summary", period="monthly", budget_id=budget_id)


async def _policies(ask: Asking) -> Any:
    return await ask("list_policies", limit=MOST_LISTED)


async def _policy(ask: Asking, policy_id: str) -> Any:
    return await ask("get_policy", policy_id=policy_id)


async def _providers(ask: Asking) -> Any:
    models: dict[str, int] = {}
    for price in await ask("list_prices"):
        models[price["provider"]] = models.get(price["provider"], 0) + 1
    return [{"provider": name, "models": count, "uri": prices_uri(name)} for name, count in sorted(models.items())]


async def _prices(ask: Asking, provider: str) -> Any:
    return await ask("list_prices", provider=provider)


async def _price(ask: Asking, provider: str, model: str) -> Any:
    return await ask("get_price", provider=provider, model=model)


async def _usage(ask: Asking) -> Any:
    return await ask("get_usage_summary", period="monthly")


async def _record(ask: Asking, record_id: str) -> Any:
    return await ask("get_usage", record_id=record_id)


async def _event_types(_: Asking) -> Any:
    return [{"event_type": name, "uri": events_uri(name)} for name in tekton_events.NAMES]


async def _events(ask: Asking, event_type: str) -> Any:
    if event_type not in tekton_events.NAMES:
        raise NotFound(f"there is no event type {event_type[:200]!r}", field="uri")
    ledger, caller = ask
    now = ledger.now()
    if event_type == tekton_events.RESET:
        access.demand_unbound(caller, "read")  # it tells of every budget
        return tekton_events.resets(ledger.configuration(), now - _DAY, now)
    oldest, newest = await ledger.bus.bounds()
    wanted = Filter(types=frozenset(kind for kind, names in tekton_events.TYPES.items() if event_type in names))
    after = max(oldest - 1, newest - MOST_EVENTS)
    page = await events.list_events(ledger.bus, by_caller.narrowed(wanted, caller), after, MOST_EVENTS)
    told = (envelope for event in page.events for envelope in tekton_events.envelopes(event))
    return [envelope for envelope in told if envelope["event_type"] == event_type]


BUDGETS: Final = "budget://budgets"
POLICIES: Final = "budget://policies"
PRICES: Final = "budget://prices"
USAGE: Final = "budget://usage"
EVENTS: Final = "budget://events"

TEMPLATES: Final[tuple[Template, ...]] = (
    Template(BUDGETS, "budgets", "All budgets, the default one first.", _budgets),
    Template(
        BUDGETS + "/{budget_id}",
        "budget",
        "A budget and its balances: used, held and free on every limit. Subscribe to hear when they change.",
        _budget,
    ),
    Template(BUDGETS + "/{budget_id}/usage", "budget usage", "What a budget used this month.", _budget_usage),
    Template(POLICIES, "policies", "All policies: the limits, their periods and what they apply to.", _policies),
    Template(POLICIES + "/{policy_id}", "policy", "One policy.", _policy),
    Template(PRICES, "prices", "The providers whose prices are known.", _providers),
    Template(PRICES + "/{provider}", "provider's prices", "A provider's prices in force now.", _prices),
    Template(PRICES + "/{provider}/{model}", "price", "The price that a usage of a model gets now.", _price),
    Template(USAGE, "usage", "What all budgets used this month.", _usage),
    Template(USAGE + "/{record_id}", "usage record", "One usage record.", _record),
    Template(EVENTS, "event types", "What Tekton calls the things that happen here.", _event_types),
    Template(
        EVENTS + "/{event_type}",
        "events",
        "Tekton's newest messages of one type, as Hermes gets them. Subscribe to hear of each at once.",
        _events,
    ),
)


def _pattern(uri: str) -> re.Pattern[str]:
    parts = re.split(r"({\w+})", uri)
    named = (f"(?P<{part[1:-1]}>[^/]+)" if part.startswith("{") else re.escape(part) for part in parts)
    return re.compile("".join(named))


_PATTERNS: Final = tuple((_pattern(template.uri), template) for template in TEMPLATES)


async def read(ledger: Ledger, uri: str, caller: Caller) -> Any:
    """What stands at an address; `NotFound` where nothing does."""
    access.demand(caller, "read")
    for pattern, template in _PATTERNS:
        if (match := pattern.fullmatch(uri)) is not None:
            return await template.read(
                Asking(ledger, caller), **{name: unquote(text) for name, text in match.groupdict().items()}
            )
    raise NotFound(f"there is no resource {uri[:200]!r}", field="uri")


class Listed(NamedTuple):
    """A resource in the list."""

    uri: str
    name: str
    description: str


async def listed(ledger: Ledger, page: int, caller: Caller) -> tuple[list[Listed], bool]:
    """The fixed addresses and each budget's own, by the page; and whether there are more."""
    access.demand(caller, "read")
    found, _ = await queries.list_budgets(ledger, page, MOST_LISTED, only=caller.budgets)
    fixed = [Listed(template.uri, template.name, template.description) for template in TEMPLATES if template.is_fixed]
    budgets = [
        Listed(budget_uri(budget.budget_id), budget.name, "A budget and its balances.") for budget in found.items
    ]
    return (fixed if page == 1 else []) + budgets, found.total > page * MOST_LISTED


def budget_uri(budget_id: str) -> str:
    """Where a budget and its balances are."""
    return f"{BUDGETS}/{quote(budget_id, safe='')}"


def prices_uri(provider: str) -> str:
    """Where a provider's prices are."""
    return f"{PRICES}/{quote(provider, safe='')}"


def events_uri(event_type: str) -> str:
    """Where the messages of a type are."""
    return f"{EVENTS}/{event_type}"


# What an event changes

_MOVES_BALANCES: Final = ("allocation.", "usage.")


def changed_by(event: Event) -> Iterable[str]:
    """The addresses whose content is another one after this event."""
    for name in tekton_events.TYPES.get(event.type, ()):
        yield events_uri(name)
    if event.budget_id is not None:
        yield budget_uri(event.budget_id)
    if event.type.startswith(_MOVES_BALANCES):
        yield USAGE
        if event.budget_id is not None:
            yield budget_uri(event.budget_id) + "/usage"
    elif event.type.startswith("policy."):
        yield POLICIES
        yield f"{POLICIES}/{quote(event.subject, safe='')}"
    elif event.type.startswith("budget."):
        yield BUDGETS
    elif event.type.startswith("price."):
        yield PRICES
        for price in event.about:
            yield prices_uri(price.provider)
            yield f"{prices_uri(price.provider)}/{quote(price.model, safe='')}"
