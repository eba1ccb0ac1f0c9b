"""Apollo's one HTTP call about budgets, with the answer that it was meant to give."""

from typing import Annotated, Any, Final

import msgspec
from fastapi import APIRouter, Request
from msgspec import Meta
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from budget.adapters.apollo import allocations, policies, words
from budget.adapters.apollo.manager import TokenBudgetManager
from budget.client.account import Account
from budget.client.errors import BudgetError
from budget.client.exchange import Reply
from budget.domain.policies import TYPES
from budget.operations import wire

router: Final = APIRouter(include_in_schema=False)

Text = Annotated[str, Meta(min_length=1, max_length=200)]


class Allocate(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Tokens for a context; priority 0, Apollo's own default, is a normal one."""

    context_id: Text
    component: Text
    task_type: Text = "default"
    provider: Text | None = None
    model: Text | None = None
    priority: int = 0
    token_count: int | None = None


@router.post("/api/budget/allocate")
async def allocate(request: Request) -> Response:
    """Hold tokens for a context; a refusal is an answer too, with what refuses."""
    asked = await wire.decode(request, Allocate)
    manager: TokenBudgetManager = request.app.state.apollo
    return wire.reply(await run_in_threadpool(_allocated, manager, asked))


def _allocated(manager: TokenBudgetManager, asked: Allocate) -> dict[str, Any]:
    priority = asked.priority or words.TaskPriority.NORMAL
    try:
        made = manager.hold(
            context_id=asked.context_id,
            component=asked.component,
            task_type=asked.task_type,
            provider=asked.provider,
            model=asked.model,
            priority=words.priority(priority),
            tokens_allocated=allocations.default_size(asked.task_type, priority, asked.token_count),
        )
        data = {
            "context_id": made["context_id"],
            "allocated_tokens": made["tokens_allocated"],
            "expiration": made["expiration_time"],
            "policy": _strictest(manager.account, made),
        }
    except (BudgetError, ValueError) as error:
        return {"status": "error", "message": str(error), "data": None, "errors": [str(error)]}
    # The last one of an unpriced call is about its cost, and Apollo's limits are on tokens.
    warnings = made["warnings"][:-1] if made["unpriced"] else made["warnings"]
    message = "; ".join(warnings) or "Budget allocated"
    return {"status": "warning" if warnings else "success", "message": message, "data": data, "errors": None}


def _strictest(account: Account, hold: Reply) -> str | None:
    """The type of the strictest limit that counts an allocation."""
    scope = ("tier", "component", "task_type")
    found = [
        policy["type"]
        for policy in policies.every(account)
        if policy["enabled"] and all(policy[field] in (None, hold[field]) for field in scope)
    ]
    return max(found, key=TYPES.index, default=None)
