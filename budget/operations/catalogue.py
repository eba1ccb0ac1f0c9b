"""Everything that Budget can be asked to do, one row each: REST, MCP and the command line are projections of it."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, Literal, NamedTuple

import msgspec

from budget.domain import access_commands, commands, notification_commands
from budget.operations import (
    auditing,
    batches,
    breakdown,
    by_caller,
    dashboard,
    event_reading,
    keeping,
    migrating,
    notifying,
    pricing,
    reading,
    reports,
    requests,
    views,
    writing,
)
from budget.operations.answers import array, one, page
from budget.operations.by_caller import querying_as
from budget.operations.writing import Query, Run, querying, submitting

Kind = Literal["reads", "adds", "changes", "removes"]
"""What a call does: nothing; something new each time; the same again when repeated; taking something back."""

Scope = Literal["read", "record", "allocate", "admin"]
"""Which right of an API key it needs."""


class Operation(NamedTuple):
    """One row. `request` is decoded and documented field by field, `answer` is a schema of `answers`."""

    name: str
    description: str
    request: type[msgspec.Struct]
    answer: dict[str, Any]
    kind: Kind
    scope: Scope
    run: Run
    lenient: bool = False
    """Whether unknown fields are ignored, because Tekton's pages send some (rule 12.1)."""


_TOP: Final = {"top_usage": {"type": "array", "items": {"type": "object"}}}


def _query(
    name: str,
    request: type[msgspec.Struct],
    answer: dict[str, Any],
    query: Query,
    *,
    kind: Kind = "reads",
    scope: Scope = "read",
    lenient: bool = False,
) -> Operation:
    description = " ".join((query.__doc__ or "").split())
    return Operation(name, description, request, answer, kind, scope, querying(query), lenient)


def _query_as(
    name: str, request: type[msgspec.Struct], answer: dict[str, Any], query: Callable[..., Awaitable[Any]]
) -> Operation:
    """A query whose answer depends on who asks."""
    description = " ".join((query.__doc__ or "").split())
    return Operation(name, description, request, answer, "reads", "read", querying_as(query))


CATALOGUE: Final[tuple[Operation, ...]] = (
    # Budgets and limits
    _query_as("list_budgets", requests.ListBudgets, page("Budget"), by_caller.list_budgets),
    _query("get_budget", requests.GetBudget, one("Budget"), reading.get_budget),
    Operation(
        "create_budget",
        "Make a budget, by default with Tekton's 19 policies; `default_policies: false` makes it without.",
        commands.CreateBudget,
        one("Budget"),
        "adds",
        "admin",
        writing.create_budget,
    ),
    Operation(
        "update_budget",
        "Change what is given; unknown fields are ignored. `is_default: true` moves the default to this budget.",
        commands.UpdateBudget,
        one("Budget"),
        "changes",
        "admin",
        writing.update_budget,
        lenient=True,
    ),
    Operation(
        "delete_budget",
        "Deactivate a budget: its history stays, new holds are refused (409), usage is still booked.",
        writing.DeleteBudget,
        one("Done"),
        "removes",
        "admin",
        writing.delete_budget,
    ),
    _query("add_policies", requests.AddPolicies, one("Budget"), reading.add_policies, kind="changes", scope="admin"),
    _query("get_budget_summary", requests.GetBudgetSummary, array("SummaryRow"), reading.get_budget_summary),
    _query("get_default_summary", requests.GetDefaultSummary, array("SummaryRow"), reading.get_default_summary),
    _query("list_limits", requests.ListLimits, page("Limit"), reading.list_limits),
    # Policies
    _query("list_policies", requests.ListPolicies, page("Policy"), reading.list_policies),
    _query("get_policy", requests.GetPolicy, one("Policy"), reading.get_policy),
    Operation(
        "create_policy",
        "Make a policy, or change the one with the same identity. Without `budget_id` it belongs to the default "
        'budget; `"scope": "global"` makes it hold for every budget. Null is no limit, 0 allows nothing.',
        commands.CreatePolicy,
        one("Policy"),
        "changes",
        "admin",
        submitting(views.policy_view),
    ),
    Operation(
        "update_policy",
        "Change limits, thresholds, type or switch; null leaves a value as it is, unknown fields are ignored. Scope, "
        "period and budget never change: repeat them as they are, or leave them out.",
        commands.UpdatePolicy,
        one("Policy"),
        "changes",
        "admin",
        submitting(views.policy_view),
        lenient=True,
    ),
    Operation(
        "delete_policy",
        "Disable a policy; its history stays.",
        writing.DeletePolicy,
        one("Done"),
        "removes",
        "admin",
        writing.delete_policy,
    ),
    # Allocations
    _query_as("check_allocation", commands.Allocate, one("Verdict"), by_caller.check_allocation),
    Operation(
        "allocate",
        "Hold tokens and money on every limit that applies, before a call. A refusal says what would fit.",
        commands.Allocate,
        one("Grant"),
        "adds",
        "allocate",
        submitting(views.grant_view),
    ),
    _query("list_allocations", requests.ListAllocations, page("Allocation"), reading.list_allocations),
    _query("get_allocation", requests.GetAllocation, one("Allocation"), reading.get_allocation),
    _query_as(
        "get_context_allocation", requests.GetContextAllocation, one("Allocation"), by_caller.get_context_allocation
    ),
    Operation(
        "start_allocation",
        "Say that the call has begun: if it goes silent now, the hold becomes a provisional charge.",
        commands.Start,
        one("Allocation"),
        "changes",
        "allocate",
        submitting(views.allocation_view),
    ),
    Operation(
        "extend_allocation",
        "Renew a hold, at most to 24 hours from now, which is also what it gets without a time.",
        commands.Extend,
        one("Allocation"),
        "changes",
        "allocate",
        submitting(views.allocation_view),
    ),
    Operation(
        "increase_allocation",
        "Hold more tokens, checked and held in the hold's own windows.",
        commands.Increase,
        one("Allocation"),
        "adds",
        "allocate",
        submitting(views.allocation_view),
    ),
    Operation(
        "release_allocation",
        "Give back what a hold still holds. One whose call has started needs `confirm_unused: true`.",
        commands.Release,
        one("Released"),
        "removes",
        "allocate",
        submitting(views.released_view),
    ),
    Operation(
        "settle_allocation",
        "Book what was used besides what was already drawn, and free the rest. Exactly once, however late.",
        commands.Settle,
        one("Settled"),
        "adds",
        "record",
        submitting(views.settled_view),
    ),
    # Usage
    Operation(
        "record_usage",
        "Book what a call really used: drawn on its allocation when it names one, else by itself. Never refused for a "
        "limit or a price. Give the counts, or the provider's own `usage` object as it came.",
        commands.RecordUsage,
        one("UsageRecord"),
        "adds",
        "record",
        submitting(views.usage_record_view),
    ),
    Operation(
        "record_usage_batch",
        "Up to 10,000 records in one commit, each accepted, a duplicate, or refused by itself.",
        batches.Records,
        one("Batch"),
        "adds",
        "record",
        writing.record_usage_batch,
    ),
    _query("list_usage", requests.ListUsage, page("UsageRecord", **_TOP), reading.list_usage),
    _query("get_usage", requests.GetUsage, one("UsageRecord"), reading.get_usage),
    Operation(
        "correct_usage",
        "Replace a record: void it and book it anew. Fields that are not given stay as they were.",
        commands.Correct,
        one("UsageRecord"),
        "adds",
        "record",
        submitting(views.usage_record_view),
    ),
    Operation(
        "void_usage",
        "Take a record back, with a reason.",
        commands.Void,
        one("UsageRecord"),
        "removes",
        "record",
        submitting(views.usage_record_view),
    ),
    _query(
        "get_usage_summary", requests.UsageSummaryRequest, one("UsageSummary"), reading.get_usage_summary, lenient=True
    ),
    _query("list_summaries", requests.ListSummaries, array("SummaryRow"), reading.list_summaries),
    _query("list_analytics", requests.ListAnalytics, array("AnalyticsRow"), reading.list_analytics),
    _query("break_down_usage", breakdown.BreakDownUsage, one("Breakdown"), breakdown.break_down_usage),
    # Reports
    _query("report_summary", reports.ReportSummary, one("Report"), reports.report_summary),
    _query("report_trend", reports.ReportTrend, one("ReportTrend"), reports.report_trend),
    _query("report_top", reports.ReportTop, one("ReportTop"), reports.report_top),
    _query("report_forecast", reports.ReportForecast, one("ReportForecast"), reports.report_forecast),
    _query("report_burn_down", reports.ReportBurnDown, one("ReportBurnDown"), reports.report_burn_down),
    _query("report_coverage", reports.ReportCoverage, one("Report"), reports.report_coverage),
    _query("get_dashboard", dashboard.GetDashboard, one("Dashboard"), dashboard.get_dashboard),
    # Alerts and decisions
    _query_as("list_events", event_reading.ListEvents, one("Events"), by_caller.list_events),
    _query("get_snapshot", event_reading.GetSnapshot, one("Snapshot"), event_reading.get_snapshot),
    _query("list_alerts", requests.ListAlerts, page("Alert"), reading.list_alerts),
    _query("get_alert", requests.GetAlert, one("Alert"), reading.get_alert),
    Operation(
        "raise_alerts",
        "Raise what stands past a threshold and was not raised yet; gives the alerts that are new.",
        commands.RaiseAlerts,
        array("Alert"),
        "changes",
        "admin",
        writing.raise_alerts,
    ),
    Operation(
        "acknowledge_alert",
        "Say that an alert has been seen; saying it again changes nothing.",
        commands.AcknowledgeAlert,
        one("Alert"),
        "changes",
        "record",
        submitting(views.alert_view),
    ),
    _query("list_decisions", requests.ListDecisions, page("Decision"), reading.list_decisions),
    _query("explain_decision", requests.ExplainDecision, one("Decision"), reading.explain_decision),
    # Prices and models
    _query("list_prices", requests.ListPrices, array("Price"), reading.list_prices),
    _query("get_price", requests.CurrentPriceRequest, one("Price"), reading.get_price),
    _query("list_price_history", requests.ListPriceHistory, array("Price"), reading.list_price_history),
    Operation(
        "set_price",
        "Add a dated price; older ones stay, and usage that had no price is priced. It outranks the lists.",
        commands.SetPrice,
        one("Price"),
        "adds",
        "admin",
        submitting(views.price_view),
    ),
    _query("calculate_cost", requests.CalculationRequest, one("Calculation"), reading.calculate_cost),
    _query("recommend_models", requests.RecommendationRequest, one("Recommendation"), reading.recommend_models),
    _query_as("route_request", requests.RouteRequest, one("Routing"), by_caller.route_request),
    _query("list_models", requests.ListModels, page("Model"), reading.list_models),
    _query("get_model", requests.GetModel, one("Model"), reading.get_model),
    Operation(
        "set_model",
        "Say which tier a model belongs to, what it can do, and which models can stand in for it.",
        commands.SetModel,
        one("Model"),
        "changes",
        "admin",
        submitting(views.model_view),
    ),
    Operation(
        "reprice_usage",
        "Price anew the calls that happened in a stretch of time, by today's table: say what that would change per "
        "budget and model, and with `dry_run: false` do it, by linked correcting entries. Reported costs stay as they "
        "are; a second time changes nothing.",
        pricing.RepriceUsage,
        one("Repricing"),
        "changes",
        "admin",
        pricing.reprice_usage,
    ),
    # Older ledgers
    Operation(
        "migrate",
        "Take over what Rhetor or Apollo left on the service's machine, each record once, or with `dry_run` say what "
        "would be. It answers with the report when all is done; the same request again goes on after an interruption.",
        migrating.Migrate,
        one("MigrationReport"),
        "changes",
        "admin",
        migrating.migrate,
    ),
    _query("list_migrations", migrating.ListMigrations, page("Migration"), migrating.list_migrations),
    _query("get_migration", migrating.GetMigration, one("Migration"), migrating.get_migration),
    Operation(
        "undo_migration",
        "Take a migration back by correcting entries: records voided, allocations released, limits that nobody has "
        "edited since switched off. After that the same can be migrated anew.",
        migrating.UndoMigration,
        one("MigrationUndone"),
        "removes",
        "admin",
        migrating.undo_migration,
    ),
    # Who may come in, and who changed what
    _query("list_changes", auditing.ListChanges, one("Changes"), auditing.list_changes, scope="admin"),
    _query("list_keys", keeping.ListKeys, page("Key"), keeping.list_keys, scope="admin"),
    _query("get_key", keeping.GetKey, one("Key"), keeping.get_key, scope="admin"),
    Operation(
        "create_key",
        "Make an API key. `key` in the answer is its secret, shown this once; a repeat answers without it.",
        access_commands.CreateKey,
        one("IssuedKey"),
        "adds",
        "admin",
        keeping.change_key,
    ),
    Operation(
        "rotate_key",
        "Give a key a new secret, shown this once; the one before stays good for `overlap_seconds`.",
        access_commands.RotateKey,
        one("IssuedKey"),
        "adds",
        "admin",
        keeping.change_key,
    ),
    Operation(
        "revoke_key",
        "Withdraw a key for ever: it opens nothing any more, on every replica within a second.",
        access_commands.RevokeKey,
        one("IssuedKey"),
        "removes",
        "admin",
        keeping.change_key,
    ),
    # Who is told of alerts
    _query("list_receivers", notifying.ListReceivers, page("Receiver"), notifying.list_receivers, scope="admin"),
    _query("get_receiver", notifying.GetReceiver, one("Receiver"), notifying.get_receiver, scope="admin"),
    Operation(
        "add_receiver",
        "Tell someone of alerts from now on: a signed webhook, a Slack-shaped webhook, or an e-mail address. `secret` "
        "in the answer is what webhooks are signed with, shown this once.",
        notification_commands.AddReceiver,
        one("IssuedReceiver"),
        "adds",
        "admin",
        notifying.change_receiver,
    ),
    Operation(
        "update_receiver",
        "Change what a receiver hears of, its address, or switch it; what is not given stays.",
        notification_commands.UpdateReceiver,
        one("IssuedReceiver"),
        "changes",
        "admin",
        notifying.change_receiver,
    ),
    Operation(
        "rotate_receiver_secret",
        "Sign a webhook with a new secret, shown this once; for `overlap_seconds` messages carry both signatures.",
        notification_commands.RotateReceiverSecret,
        one("IssuedReceiver"),
        "adds",
        "admin",
        notifying.change_receiver,
    ),
    Operation(
        "remove_receiver",
        "Tell a receiver nothing more; what waits for it is given up.",
        notification_commands.RemoveReceiver,
        one("IssuedReceiver"),
        "removes",
        "admin",
        notifying.change_receiver,
    ),
    Operation(
        "test_receiver",
        "Send a receiver an example. The answer is the delivery as it waits; ask for it again to see what came of it.",
        notification_commands.TestReceiver,
        one("Delivery"),
        "adds",
        "admin",
        submitting(notifying.delivery_view),
    ),
    _query("list_deliveries", notifying.ListDeliveries, page("Delivery"), notifying.list_deliveries, scope="admin"),
    _query("get_delivery", notifying.GetDelivery, one("DeliveryWithBody"), notifying.get_delivery, scope="admin"),
    Operation(
        "replay_delivery",
        "Send a delivery again from its first try on, with the same body and id, whatever became of it.",
        notification_commands.ReplayDelivery,
        one("Delivery"),
        "changes",
        "admin",
        submitting(notifying.delivery_view),
    ),
)

BY_NAME: Final[Mapping[str, Operation]] = {operation.name: operation for operation in CATALOGUE}
