"""The tools of Tekton's components: its seven, two that every component has, and every operation of the catalogue."""

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Final, NamedTuple

import msgspec
from msgspec import Meta

from budget.domain import commands, instants
from budget.domain.commands import Count, Name, Word
from budget.domain.errors import BudgetError, NotFound
from budget.interfaces.mcp import messages, tekton_queries
from budget.interfaces.mcp.handling import Answer, Asked, Handler, problem_of, read, text_of
from budget.interfaces.mcp.tekton_commands import TextBody
from budget.log import get_logger
from budget.operations import access, inputs
from budget.operations.breakdown import BreakDownUsage
from budget.operations.catalogue import CATALOGUE
from budget.operations.identity import CAPABILITIES, COMPONENT, DESCRIPTION, NAME

log = get_logger("mcp_endpoints")

PREFIXES: Final = ("budget_", "budget.")
"""What Hermes and its bridges put before a tool's name."""

MODALITIES: Final = (
    ("budget_management", "resource", "hold, check, record and report tokens and money"),
    ("model_recommendations", "optimization", "cheaper models for a call, and the one that the limits allow"),
    ("budget_analytics", "analytics", "what was used, by provider, model, component and task type"),
)


class Tool(NamedTuple):
    """One tool: how it is described, and the handler that it shares with a message."""

    name: str
    description: str
    schema: dict[str, Any]
    category: str
    handler: Handler


class Result(NamedTuple):
    """What a tool gave; `error` is one line for people, `problem` what programs read."""

    value: Answer
    error: str | None = None
    problem: Answer | None = None


async def run(tool: Tool, asked: Asked) -> Result:
    """Call a tool. Its own failure is a result; nothing is raised."""
    try:
        access.demand(asked.caller, tool.handler.scope)
        return Result(await tool.handler.handle(asked))
    except BudgetError as error:
        log.debug("tool refused", tool=tool.name, error=error.message)
        text = text_of(error)
        return Result({**tool.handler.failed(asked), "error": text}, text, problem_of(error))
    except Exception:  # a tool always answers, and the log says what went wrong
        log.exception("tool failed", tool=tool.name)
        text = "something went wrong here; the log says what"
        return Result({**tool.handler.failed(asked), "error": text}, text, problem_of(BudgetError(text)))


def named(name: str) -> Tool:
    """The tool of a name, with or without the component before it; `NotFound` for an unknown one."""
    tool = TOOLS.get(name)
    for prefix in PREFIXES:
        tool = tool or TOOLS.get(name.removeprefix(prefix))
    if tool is None:
        raise NotFound(f"there is no tool {name[:200]!r}", field="name")
    return tool


# The two that every component has


class HealthPayload(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """How much to say."""

    detailed: bool = False


async def _health(asked: Asked) -> Answer:
    payload = read(asked.payload, HealthPayload)
    ledger = asked.ledger
    said: Answer = {
        "status": "healthy" if ledger.is_writing else "unhealthy",
        "component": COMPONENT,
        "timestamp": instants.iso(ledger.now()),
        "uptime": asked.identity.uptime,
    }
    if payload.detailed:
        said["details"] = {"version": asked.identity.version, "queue_depth": ledger.queue_depth}
    return said


class InfoPayload(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """How much to say."""

    include_capabilities: bool = True


async def _info(asked: Asked) -> Answer:
    payload = read(asked.payload, InfoPayload)
    said: Answer = {
        "name": COMPONENT,
        "version": asked.identity.version,
        "description": DESCRIPTION,
        "metadata": {"human_name": NAME, "port": asked.identity.port},
    }
    if payload.include_capabilities:
        said["capabilities"] = list(CAPABILITIES)
    return said


# How Tekton's seven are described


class _AllocateBudget(msgspec.Struct, kw_only=True):
    context_id: Name
    amount: commands.Tokens
    component: Name
    tier: commands.TierWord | None = None
    provider: Name | None = None
    model: Name | None = None
    task_type: Name = "default"
    priority: Annotated[int, Meta(ge=1, le=10)] = 5


class _CheckBudget(msgspec.Struct, kw_only=True):
    provider: Name
    model: Name
    input_text: TextBody | None = None
    component: Name | None = None
    task_type: Name = "default"
    context_id: Name | None = None


class _RecordUsage(msgspec.Struct, kw_only=True):
    provider: Name
    model: Name
    input_tokens: Count | None = None
    output_tokens: Count | None = None
    input_text: TextBody | None = None
    output_text: TextBody | None = None
    component: Name | None = None
    task_type: Name = "default"
    context_id: Name | None = None
    allocation_id: Name | None = None
    request_id: commands.Key | None = None
    metadata: dict[str, Any] = {}


class _GetBudgetStatus(msgspec.Struct, kw_only=True):
    period: Word = "daily"
    tier: Word | None = None
    provider: Name | None = None
    component: Annotated[str, Meta(description="apollo and rhetor get their own shape")] | None = None


class _RouteWithBudgetAwareness(msgspec.Struct, kw_only=True):
    input_text: TextBody
    task_type: Name = "default"
    default_provider: Name | None = None
    default_model: Name | None = None
    component: Name | None = None


_RECOMMENDATIONS: Final = tekton_queries.RecommendationsPayload
_ANALYTICS: Final = BreakDownUsage

_SEVEN: Final[tuple[tuple[str, str, type[msgspec.Struct], str, str], ...]] = (
    ("AllocateBudget", "allocate_tokens", _AllocateBudget, "budget", "Hold tokens for a context."),
    ("CheckBudget", "check_budget", _CheckBudget, "budget", "Say whether a call would fit the limits now."),
    ("RecordUsage", "record_usage", _RecordUsage, "budget", "Book what a call used, by counts or by its texts."),
    ("GetBudgetStatus", "get_budget_status", _GetBudgetStatus, "budget", "What is used and left in a period."),
    ("GetModelRecommendations", "get_model_recommendations", _RECOMMENDATIONS, "optimization", "Cheaper models."),
    (
        "RouteWithBudgetAwareness",
        "route_with_budget_awareness",
        _RouteWithBudgetAwareness,
        "optimization",
        "The model for a call: the default one while the limits allow it, else a cheaper one.",
    ),
    ("GetUsageAnalytics", "get_usage_analytics", _ANALYTICS, "analytics", "Usage by model, component and task type."),
)


def _tools() -> Iterable[Tool]:
    for name, message, kind, category, description in _SEVEN:
        yield Tool(name, description, inputs.schema_of(kind), category, messages.TEKTON[f"budget.{message}"])
    for name, kind, description, handle in (
        ("health_check", HealthPayload, "Whether the service does its work.", _health),
        ("component_info", InfoPayload, "What the service is.", _info),
    ):
        yield Tool(name, description, inputs.schema_of(kind), "component", Handler("", handle))
    for operation in CATALOGUE:
        schema = inputs.schema_of(operation.request)
        handler = messages.HANDLERS[f"budget.{operation.name}"]
        yield Tool(operation.name, operation.description, schema, operation.scope, handler)


TOOLS: Final[Mapping[str, Tool]] = {tool.name: tool for tool in _tools()}
