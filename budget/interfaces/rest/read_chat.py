"""The commands that people type into the dashboard's chat, answered from the queries (wire contract, section 9)."""

import shlex
from collections.abc import Awaitable, Callable
from typing import Annotated, Any, NamedTuple

import msgspec
from fastapi import APIRouter, Request
from msgspec import Meta
from starlette.responses import Response

from budget.domain import vocabulary
from budget.domain.errors import BudgetError, Invalid
from budget.engine import limits, price_queries, queries, recommendations, summaries
from budget.engine.ledger import Ledger
from budget.interfaces.rest import openapi
from budget.interfaces.rest.read_parameters import Text, ledger_of
from budget.operations import bodies, reading, requests, views, wire
from budget.operations.wire import reply

router = APIRouter(tags=["chat"])

Answer = Callable[[Ledger, list[str]], Awaitable[Any]]

_ON_PAGE = 20
_RECORD_FILTERS = ("budget_id", "context_id", "allocation_id", "component", "provider", "model", "task_type")


class CommandRequest(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A line of chat, with or without the slash."""

    command: Annotated[str, Meta(min_length=1, max_length=2000)]


class Chat(NamedTuple):
    """One command: how it is written, what it answers, and who answers it."""

    form: str
    meaning: str
    answer: Answer


@router.post("/command", summary="Answer a chat command", **openapi.by_hand(CommandRequest))
async def run(request: Request) -> Response:
    """Answer a line such as `/usage daily`. What is wrong with a line is told with `success: false` and status 200."""
    return reply(await answer(ledger_of(request), (await wire.decode(request, CommandRequest)).command))


async def answer(ledger: Ledger, line: str) -> dict[str, Any]:
    """What a line comes to: `success`, the `command` that it was, and its `result`, or why there is none."""
    try:
        words = shlex.split(line)
    except ValueError:
        words = line.split()
    name = words[0].lstrip("/").lower() if words else "help"
    chat = COMMANDS.get(name)
    if chat is None:
        return {"success": False, "command": name, "result": f"there is no command /{name}; /help lists them"}
    try:
        result = await chat.answer(ledger, words[1:])
    except BudgetError as error:
        return {"success": False, "command": name, "result": error.message}
    return {"success": True, "command": name, "result": result}


def as_text(result: Any) -> str:
    """A result as a person reads it in a shell."""
    if isinstance(result, str):
        return result
    if isinstance(result, list):
        return "\n".join(map(as_text, result)) or "nothing"
    if isinstance(result, dict):
        return "  ".join(f"{name}: {_value(value)}" for name, value in result.items() if value not in (None, [], {}))
    return _value(result)


def _value(value: Any) -> str:
    return value if isinstance(value, str) else bodies.encode(value).decode()


@router.get("/command/help", summary="Explain the chat commands", **openapi.by_hand())
async def help_for(request: Request, command: Text = None) -> Response:
    """All commands, or one of them."""
    try:
        return reply({"success": True, "result": await _help(ledger_of(request), [command] if command else [])})
    except Invalid as error:
        return reply({"success": False, "result": error.message})


async def _help(_: Ledger, words: list[str]) -> Any:
    name = words[0].lstrip("/").lower() if words else None
    if name is not None and name not in COMMANDS:
        raise Invalid("command", f"there is no command /{name}; /help lists them")
    chosen = COMMANDS.items() if name is None else [(name, COMMANDS[name])]
    return [{"command": chat.form, "help": chat.meaning} for _, chat in chosen]


async def _budget(ledger: Ledger, words: list[str]) -> Any:
    return await summaries.summary_rows(ledger, _period(words, "monthly"), percent=True)


async def _limits(ledger: Ledger, words: list[str]) -> Any:
    if len(words) > 1:
        raise Invalid("command", "limits are changed with PUT /policies/{policy_id}; this only shows them")
    period = vocabulary.period(words[0]) if words else None
    return (await limits.list_limits(ledger, {"period": period})).items


async def _usage(ledger: Ledger, words: list[str]) -> Any:
    component = words[1] if len(words) > 1 else None
    return await summaries.usage_summary(ledger, _period(words, "daily"), filters={"component": component})


async def _query(ledger: Ledger, words: list[str]) -> Any:
    asked = dict(word.partition("=")[::2] for word in words)
    unknown = sorted(set(asked) - {*_RECORD_FILTERS, "start_date", "end_date"})
    if unknown:
        raise Invalid("command", f"{unknown[0]!r} is not one of {', '.join(_RECORD_FILTERS)}, start_date, end_date")
    filters = {name: asked.get(name) for name in _RECORD_FILTERS}
    filters["provider"] = reading.lower(filters["provider"])
    found = await queries.list_records(
        ledger, filters, 1, _ON_PAGE, start=asked.get("start_date"), end=asked.get("end_date")
    )
    return reading.page_of(found, requests.ListUsage(), views.usage_record_view)


async def _models(ledger: Ledger, words: list[str]) -> Any:
    if len(words) > 1:
        return views.model_view(await queries.get_model(ledger, words[0], words[1]))
    prices = await price_queries.list_prices(ledger, *words[:1])
    return [{"provider": price.provider, "model": price.model} for price in prices]


async def _prices(ledger: Ledger, words: list[str]) -> Any:
    return [views.price_view(price) for price in await price_queries.list_prices(ledger, *words[:2])]


async def _recommend(ledger: Ledger, words: list[str]) -> Any:
    return await recommendations.recommend(ledger, task_type=" ".join(words) or "default")


async def _analyze(ledger: Ledger, words: list[str]) -> Any:
    return await summaries.usage_summary(ledger, _period(words, "monthly"), days=_days(words))


async def _optimize(ledger: Ledger, words: list[str]) -> Any:
    _period(words, "monthly")
    used = await summaries.top_usage(ledger, {}, _days(words) or 30)
    advice = []
    for row in used:
        try:
            found = await recommendations.recommend(ledger, provider=row["provider"], model=row["model"])
        except BudgetError:
            continue  # it has no price, so nothing can be called cheaper
        advice.append({**row, "best_match": found["best_match"], "alternatives": found["alternatives"]})
    return advice


async def _alerts(ledger: Ledger, words: list[str]) -> Any:
    if words and words[0].lower() == "clear":
        raise Invalid("command", "alerts are acknowledged with POST /alerts/{alert_id}/acknowledge")
    return await reading.list_alerts(ledger, requests.ListAlerts())


async def _page_does_it(_: Ledger, __: list[str]) -> Any:
    return "the page does this by itself"


def _period(words: list[str], default: str) -> str:
    return vocabulary.period(words[0]) if words else default


def _days(words: list[str]) -> int | None:
    if len(words) < 2:  # noqa: PLR2004 -- a period, then the days
        return None
    if not words[1].isdecimal() or not 1 <= int(words[1][:4]) <= 366:  # noqa: PLR2004 -- a year
        raise Invalid("command", "days must be a whole number from 1 to 366")
    return int(words[1])


COMMANDS: dict[str, Chat] = {
    "help": Chat("/help [command]", "list the commands, or explain one", _help),
    "budget": Chat("/budget [period]", "what is spent and left in a period (monthly)", _budget),
    "limits": Chat("/limits [period]", "every limit with used, held and free", _limits),
    "usage": Chat("/usage [period] [component]", "totals of a period (daily), of one component", _usage),
    "query": Chat(
        "/query [field=value …]", "usage records, such as /query provider=openai start_date=2026-11-01", _query
    ),
    "models": Chat("/models [provider] [model]", "priced models, or what is known of one", _models),
    "prices": Chat("/prices [provider] [model]", "prices in force, in dollars per token", _prices),
    "recommend": Chat("/recommend <task>", "the cheapest models for a call", _recommend),
    "analyze": Chat("/analyze [period] [days]", "totals, groups and a daily series", _analyze),
    "optimize": Chat("/optimize [period] [days]", "cheaper models for what is used most", _optimize),
    "alerts": Chat("/alerts [list]", "alerts that nobody has acknowledged", _alerts),
    "refresh": Chat("/refresh", "load the page's figures anew", _page_does_it),
    "clear": Chat("/clear", "clear the conversation", _page_does_it),
}
