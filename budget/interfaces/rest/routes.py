"""The regular routes of REST: where each operation of the catalogue stands, and nothing else.

The three hot ones are in `hot`; health, documentation and chat commands are no operations.
"""

from collections.abc import Callable
from typing import Any, Final, NamedTuple

from budget.operations import requests


class Route(NamedTuple):
    """A method and a path of an operation. Fields named in the path come from it, the others from query or body."""

    method: str
    path: str
    operation: str
    status: int = 200
    errors: tuple[int, ...] = ()
    """Beside those that any such route may give."""
    example: Any = None
    in_query: bool = False
    """Whether a POST takes its fields as parameters."""
    bare: Callable[[Any], bool] | None = None
    """When an old client, under `/api` and without paging, gets an array (wire contract 15.4)."""


def _always(_: Any) -> bool:
    return True


def _by_name(asked: requests.ListBudgets) -> bool:
    return asked.name is not None


_TEAM: Final = {"name": "Team A", "owner": "ann"}
_LIMIT: Final = {"type": "hard_limit", "period": "daily", "cost_limit": 1, "component": "apollo"}
_CHECK: Final = {"context_id": "chat-7", "component": "apollo", "tokens_allocated": 1000, "model": "gpt-4o"}
_PRICE: Final = {
    "provider": "openai",
    "model": "our-finetune",
    "input_cost_per_token": 0.000003,
    "output_cost_per_token": 0.000012,
}
_MODEL: Final = {"tier": "local_midweight", "equivalents": [["openai", "gpt-4o-mini"]]}
_CALL: Final = {"provider": "openai", "model": "gpt-4o", "input_tokens": 1000, "output_tokens": 500}
_RECOMMEND: Final = {"provider": "openai", "model": "gpt-4o", "context_size": 4000}
_RECEIVER: Final = {"kind": "webhook", "address": "https://example.com/hook", "severities": ["error"]}

REFUSED: Final = (402, 429)

# A path that another one would match too stands before it.
ROUTES: Final[tuple[Route, ...]] = (
    Route("GET", "/budgets", "list_budgets", bare=_by_name),
    Route("POST", "/budgets", "create_budget", 201, example=_TEAM),
    Route("GET", "/budgets/summary", "get_default_summary", errors=(400,)),
    Route("GET", "/budgets/{budget_id}", "get_budget"),
    Route("PUT", "/budgets/{budget_id}", "update_budget", errors=(409,), example={"name": "Team B"}),
    Route("DELETE", "/budgets/{budget_id}", "delete_budget", errors=(409,)),
    Route("GET", "/budgets/{budget_id}/policies", "list_policies"),
    Route("PUT", "/budgets/{budget_id}/policies", "add_policies", example={"policies": []}),
    Route("GET", "/budgets/{budget_id}/allocations", "list_allocations"),
    Route("GET", "/budgets/{budget_id}/summary", "get_budget_summary", errors=(400,)),
    Route("GET", "/budgets/{budget_id}/limits", "list_limits"),
    Route("GET", "/limits", "list_limits", errors=(404,)),
    Route("GET", "/policies", "list_policies", errors=(404,)),
    Route("POST", "/policies", "create_policy", 201, errors=(404,), example=_LIMIT),
    Route("GET", "/policies/{policy_id}", "get_policy"),
    Route("PUT", "/policies/{policy_id}", "update_policy", errors=(409,), example={"cost_limit": 2.5}),
    Route("DELETE", "/policies/{policy_id}", "delete_policy", errors=(409,)),
    Route("POST", "/check", "check_allocation", errors=(404, 409), example=_CHECK),
    Route("GET", "/allocations", "list_allocations", errors=(404,), bare=_always),
    Route("GET", "/allocations/context/{context_id}", "get_context_allocation"),
    Route("GET", "/allocations/{allocation_id}", "get_allocation"),
    Route("POST", "/allocations/{allocation_id}/start", "start_allocation", errors=(409,)),
    Route("POST", "/allocations/{allocation_id}/extend", "extend_allocation", errors=(409,)),
    Route(
        "POST",
        "/allocations/{allocation_id}/increase",
        "increase_allocation",
        errors=(*REFUSED, 409),
        example={"tokens": 500},
    ),
    Route(
        "POST",
        "/allocations/{allocation_id}/release",
        "release_allocation",
        errors=(409,),
        example={"reason": "cancelled"},
    ),
    Route(
        "POST",
        "/allocations/{allocation_id}/settle",
        "settle_allocation",
        errors=(409,),
        example={"input_tokens": 900, "output_tokens": 250},
    ),
    Route("GET", "/usage/records", "list_usage", errors=(404,)),
    Route("GET", "/usage/records/{record_id}", "get_usage"),
    Route(
        "POST",
        "/usage/records/{record_id}/correct",
        "correct_usage",
        errors=(409,),
        example={"output_tokens": 240, "reason": "recount"},
    ),
    Route("POST", "/usage/records/{record_id}/void", "void_usage", errors=(409,), example={"reason": "sent twice"}),
    Route(
        "POST",
        "/usage/reprice",
        "reprice_usage",
        errors=(404,),
        example={"from": "2026-11-01", "to": "2026-11-24", "model": "gpt-4o", "dry_run": True},
    ),
    Route("POST", "/usage/summary", "get_usage_summary", errors=(404,), example={"period": "daily", "days": 30}),
    Route("GET", "/usage/summary", "list_summaries", errors=(404,)),
    Route("GET", "/usage/analytics", "list_analytics", errors=(404,)),
    Route("GET", "/usage/breakdown", "break_down_usage", errors=(404,)),
    Route("GET", "/dashboard", "get_dashboard", errors=(404,)),
    Route("GET", "/reports/summary", "report_summary", errors=(404,)),
    Route("GET", "/reports/trend", "report_trend", errors=(404,)),
    Route("GET", "/reports/top", "report_top", errors=(404,)),
    Route("GET", "/reports/forecast", "report_forecast", errors=(404,)),
    Route("GET", "/reports/burn-down", "report_burn_down", errors=(404,)),
    Route("GET", "/reports/coverage", "report_coverage", errors=(404,)),
    Route("GET", "/events", "list_events", errors=(410,)),
    Route("GET", "/events/snapshot", "get_snapshot", errors=(404,)),
    Route("GET", "/alerts", "list_alerts", bare=_always),
    Route("POST", "/alerts/check", "raise_alerts", errors=(404,), in_query=True),
    Route("GET", "/alerts/{alert_id}", "get_alert"),
    Route("POST", "/alerts/{alert_id}/acknowledge", "acknowledge_alert"),
    Route("PUT", "/alerts/{alert_id}/dismiss", "acknowledge_alert"),
    Route("GET", "/decisions", "list_decisions"),
    Route("GET", "/decisions/{decision_id}", "explain_decision"),
    Route("GET", "/prices", "list_prices"),
    Route("POST", "/prices", "set_price", 201, example=_PRICE),
    Route(
        "POST", "/prices/current", "get_price", errors=(404,), example={"provider": "openai", "model": "gpt-4o-mini"}
    ),
    Route("GET", "/prices/history/{provider}/{model:path}", "list_price_history"),
    Route("POST", "/prices/calculate", "calculate_cost", errors=(404,), example=_CALL),
    Route("POST", "/prices/recommendations", "recommend_models", errors=(404,), example=_RECOMMEND),
    Route("POST", "/prices/recommend", "recommend_models", errors=(404,), example=_RECOMMEND),
    Route("POST", "/route", "route_request", errors=(404, 409), example=_CALL),
    Route("GET", "/models", "list_models"),
    Route("GET", "/models/{provider}/{model:path}", "get_model"),
    Route("PUT", "/models/{provider}/{model:path}", "set_model", example=_MODEL),
    Route("POST", "/migrations", "migrate", errors=(404, 409), example={"kind": "rhetor", "dry_run": True}),
    Route("GET", "/migrations", "list_migrations"),
    Route("GET", "/migrations/{migration_id}", "get_migration"),
    Route("POST", "/migrations/{migration_id}/undo", "undo_migration", errors=(409,)),
    Route("GET", "/audit", "list_changes"),
    Route("GET", "/keys", "list_keys"),
    Route("POST", "/keys", "create_key", 201, example={"name": "apollo", "scopes": ["record", "allocate"]}),
    Route("GET", "/keys/{key_id}", "get_key"),
    Route("POST", "/keys/{key_id}/rotate", "rotate_key", errors=(409,), example={"overlap_seconds": 3600}),
    Route("DELETE", "/keys/{key_id}", "revoke_key"),
    Route("GET", "/receivers", "list_receivers"),
    Route("POST", "/receivers", "add_receiver", 201, errors=(409,), example=_RECEIVER),
    Route("GET", "/receivers/{receiver_id}", "get_receiver"),
    Route("PUT", "/receivers/{receiver_id}", "update_receiver", example={"severities": ["error"]}),
    Route("DELETE", "/receivers/{receiver_id}", "remove_receiver"),
    Route("POST", "/receivers/{receiver_id}/test", "test_receiver"),
    Route("POST", "/receivers/{receiver_id}/rotate", "rotate_receiver_secret", errors=(409,)),
    Route("GET", "/deliveries", "list_deliveries"),
    Route("GET", "/deliveries/{delivery_id}", "get_delivery"),
    Route("POST", "/deliveries/{delivery_id}/replay", "replay_delivery", errors=(409,)),
)
