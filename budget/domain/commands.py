"""Every command that changes the ledger, as data: what a caller may send, checked field by field.

The same structs are decoded from REST bodies, built by MCP and the CLI, and decided by `decide`.
Counts are whole numbers up to 2**53 - 1; money is exact decimals in dollars; instants are ISO 8601 text.
A command's canonical JSON without its key is its fingerprint (rule 7.2).
"""

import functools
import hashlib
from decimal import Decimal
from typing import Annotated, Any, ClassVar, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

MAX_COUNT = 2**53 - 1

Name = Annotated[str, Meta(min_length=1, max_length=200)]
Text = Annotated[str, Meta(max_length=2000)]
Count = Annotated[int, Meta(ge=0, le=MAX_COUNT)]
Tokens = Annotated[int, Meta(ge=1, le=MAX_COUNT)]
Key = Annotated[str, Meta(min_length=1, max_length=255)]
Instant = Annotated[str, Meta(max_length=40, description="ISO 8601; without an offset it is in the budget's time zone")]
Tags = Annotated[dict[Name, Name], Meta(max_length=20)]
Metadata = dict[str, Any]
Amount = Annotated[Decimal, Meta(description="US dollars, exact")]

# Enumerations are text here: aliases and capitals are accepted, `vocabulary` makes them canonical.
Word = Annotated[str, Meta(min_length=1, max_length=40)]
TierWord = Annotated[
    str, Meta(min_length=1, max_length=40, description="local_lightweight, local_midweight or remote_heavyweight")
]
PeriodWord = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=40,
        description="hourly, daily, weekly (from Monday), monthly, per_session (of a context_id) or per_task",
    ),
]
TypeWord = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=40,
        description="ignore (count), warn (alert), soft_limit (warn and offer) or hard_limit (refuse)",
    ),
]
Threshold = Annotated[
    Decimal,
    Meta(description="a ratio of the limit such as 0.8; above 1 it is read as a percentage, so 80 is 0.8"),
]


class Command(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What all commands share: the name under which their idempotency keys are remembered."""

    operation: ClassVar[str]
    alone: ClassVar[bool] = False
    """Runs alone in its batch, because it changes the rules that a batch decides by (rule 6.2)."""


class Allocate(Command, frozen=True, kw_only=True):
    """Hold tokens and money on every limit that applies."""

    operation: ClassVar[str] = "allocate"

    context_id: Name
    component: Name
    tokens_allocated: Tokens
    budget_id: Name | None = None
    task_id: Name | None = None
    tier: TierWord | None = None
    provider: Name | None = None
    model: Name | None = None
    task_type: Name = "default"
    priority: Annotated[int, Meta(ge=1, le=10)] = 5
    input_tokens: Count | None = None
    max_output_tokens: Count | None = None
    min_tokens: Tokens | None = None
    expected_tokens_used: Count | None = None
    expiration_time: Instant | None = None
    user_id: Name | None = None
    tags: Tags = {}
    metadata: Metadata = {}
    request_id: Key | None = None


class RecordUsage(Command, frozen=True, kw_only=True):
    """Book what a call really used: on its hold when it names one, else by itself."""

    operation: ClassVar[str] = "record_usage"

    # What nearly every record says comes first, and the rest is at its default: see `bulk`.
    input_tokens: Count | None = None
    output_tokens: Count | None = None
    request_id: Key | None = None
    context_id: Name | None = None
    budget_id: Name | None = None
    component: Name | None = None
    provider: Name | None = None
    model: Name | None = None
    task_type: Name | None = None
    user_id: Name | None = None
    allocation_id: Name | None = None
    task_id: Name | None = None
    operation_id: Name | None = None
    tier: TierWord | None = None
    tags: Tags = {}
    cache_read_tokens: Count = 0
    cache_write_tokens: Count = 0
    cache_write_1h_tokens: Count = 0
    input_audio_tokens: Count = 0
    input_image_tokens: Count = 0
    input_video_tokens: Count = 0
    reasoning_tokens: Count = 0
    output_audio_tokens: Count = 0
    images: Count = 0
    seconds: Decimal = Decimal(0)
    pages: Count = 0
    web_searches: Count = 0
    requests: Count = 1
    usage: dict[str, Any] | None = None
    usage_format: Word | None = None
    cost: Amount | None = None
    occurred_at: Instant | None = None
    metadata: Metadata = {}


class Settle(RecordUsage, frozen=True, kw_only=True):
    """Book what was used besides what was already drawn, and free the rest of the hold."""

    operation: ClassVar[str] = "settle"


class Correct(RecordUsage, frozen=True, kw_only=True):
    """Replace a record: void it and book it anew; fields not given stay as they were."""

    operation: ClassVar[str] = "correct_usage"

    record_id: Name = ""
    reason: Annotated[str, Meta(min_length=1, max_length=2000)]


class Void(Command, frozen=True, kw_only=True):
    """Take a record back, with a reason."""

    operation: ClassVar[str] = "void_usage"

    record_id: Name = ""
    reason: Annotated[str, Meta(min_length=1, max_length=2000)]
    request_id: Key | None = None


class Start(Command, frozen=True, kw_only=True):
    """Say that the call of a hold has begun: if it goes silent now, the hold becomes a charge."""

    operation: ClassVar[str] = "start_allocation"

    allocation_id: Name = ""
    request_id: Key | None = None


class Extend(Command, frozen=True, kw_only=True):
    """Renew a hold; without a time, by the default lifetime."""

    operation: ClassVar[str] = "extend_allocation"

    allocation_id: Name = ""
    expiration_time: Instant | None = None
    request_id: Key | None = None


class Increase(Command, frozen=True, kw_only=True):
    """Hold more tokens on the same allocation."""

    operation: ClassVar[str] = "increase_allocation"

    allocation_id: Name = ""
    tokens: Tokens
    request_id: Key | None = None


class Release(Command, frozen=True, kw_only=True):
    """Give back what a hold still holds."""

    operation: ClassVar[str] = "release_allocation"

    allocation_id: Name = ""
    confirm_unused: bool = False
    reason: Text | None = None
    request_id: Key | None = None


class Initialise(Command, frozen=True, kw_only=True):
    """Give an empty database its default budget, Tekton's policies and its table of models."""

    operation: ClassVar[str] = "initialise"
    alone: ClassVar[bool] = True


class Sweep(Command, frozen=True, kw_only=True):
    """End the holds that are due and drop balances nobody uses; the writer sends it to itself."""

    operation: ClassVar[str] = "sweep"
    alone: ClassVar[bool] = True


class PriceUsage(Command, frozen=True, kw_only=True):
    """Price up to 1,000 records that had no price when they were booked, after a journal number (rule 8.2)."""

    operation: ClassVar[str] = "price_usage"
    alone: ClassVar[bool] = True

    after: Annotated[int, Meta(ge=0)] = 0


class RepriceUsage(Command, frozen=True, kw_only=True):
    """Price anew up to 1,000 records that happened in [start, end), after a journal number (P8)."""

    operation: ClassVar[str] = "reprice_usage"
    alone: ClassVar[bool] = True

    start: int
    end: int
    provider: Name | None = None
    model: Name | None = None
    budget_id: Name | None = None
    after: Annotated[int, Meta(ge=0)] = 0


class CreateBudget(Command, frozen=True, kw_only=True):
    """Make a budget, by default with Tekton's 19 policies."""

    operation: ClassVar[str] = "create_budget"
    alone: ClassVar[bool] = True

    name: Name
    description: Text | None = None
    owner: Name | None = None
    time_zone: Name | None = None
    components: Annotated[tuple[Name, ...], Meta(max_length=200)] = ()
    default_policies: bool = True
    is_default: bool = False
    metadata: Metadata = {}
    request_id: Key | None = None


class UpdateBudget(Command, frozen=True, kw_only=True):
    """Change a budget; what is not given stays."""

    operation: ClassVar[str] = "update_budget"
    alone: ClassVar[bool] = True

    budget_id: Name = ""
    name: Name | None = None
    description: Text | UnsetType | None = UNSET
    owner: Name | UnsetType | None = UNSET
    time_zone: Name | None = None
    components: Annotated[tuple[Name, ...], Meta(max_length=200)] | None = None
    is_active: bool | None = None
    is_default: bool | None = None
    metadata: Metadata | None = None
    request_id: Key | None = None


class CreatePolicy(Command, frozen=True, kw_only=True):
    """Make a policy, or change the one of the same budget, period, scope, type and units.

    Null is no limit, 0 allows nothing.
    """

    operation: ClassVar[str] = "create_policy"
    alone: ClassVar[bool] = True

    budget_id: Name | None = None
    scope: Literal["global"] | None = None
    type: TypeWord
    period: PeriodWord
    tier: TierWord | None = None
    provider: Name | None = None
    model: Name | None = None
    component: Name | None = None
    task_type: Name | None = None
    user_id: Name | None = None
    key_id: Name | None = None
    token_limit: Annotated[int, Meta(ge=0, le=2**63 - 1)] | None = None
    cost_limit: Amount | None = None
    warning_threshold: Threshold = Decimal("0.8")
    action_threshold: Threshold = Decimal("0.95")
    thresholds: Annotated[tuple[Decimal, ...], Meta(max_length=10)] = ()
    enabled: bool = True
    metadata: Metadata = {}
    request_id: Key | None = None


class UpdatePolicy(Command, frozen=True, kw_only=True):
    """Change a policy's limits, thresholds, type or switch; null means unchanged. Scope and period never change."""

    operation: ClassVar[str] = "update_policy"
    alone: ClassVar[bool] = True

    policy_id: Name = ""
    budget_id: Name | None = None
    type: TypeWord | None = None
    period: PeriodWord | None = None
    tier: TierWord | None = None
    provider: Name | None = None
    model: Name | None = None
    component: Name | None = None
    task_type: Name | None = None
    user_id: Name | None = None
    key_id: Name | None = None
    token_limit: Annotated[int, Meta(ge=0, le=2**63 - 1)] | None = None
    cost_limit: Amount | None = None
    warning_threshold: Threshold | None = None
    action_threshold: Threshold | None = None
    thresholds: Annotated[tuple[Decimal, ...], Meta(max_length=10)] | None = None
    enabled: bool | None = None
    metadata: Metadata | None = None
    request_id: Key | None = None


class SetPrice(Command, frozen=True, kw_only=True):
    """Add a dated price in dollars per unit; older prices stay. It outranks the lists."""

    operation: ClassVar[str] = "set_price"
    alone: ClassVar[bool] = True

    provider: Name
    model: Name
    input_cost_per_token: Amount | None = None
    output_cost_per_token: Amount | None = None
    cache_read_cost_per_token: Amount | None = None
    cache_write_cost_per_token: Amount | None = None
    reasoning_cost_per_token: Amount | None = None
    cost_per_image: Amount | None = None
    cost_per_second: Amount | None = None
    fixed_cost_per_request: Amount | None = None
    effective_date: Instant | None = None
    end_date: Instant | None = None
    source_url: Text | None = None
    metadata: Metadata = {}
    request_id: Key | None = None


class SetModel(Command, frozen=True, kw_only=True):
    """Say which tier a model belongs to, what it can do, and which models can stand in for it (rule 2.7)."""

    operation: ClassVar[str] = "set_model"
    alone: ClassVar[bool] = True

    provider: Name = ""
    model: Name = ""
    tier: TierWord | None = None
    capabilities: Annotated[tuple[Name, ...], Meta(max_length=50)] | None = None
    equivalents: Annotated[tuple[tuple[Name, Name], ...], Meta(max_length=20)] | None = None
    request_id: Key | None = None


class AcknowledgeAlert(Command, frozen=True, kw_only=True):
    """Say that an alert has been seen."""

    operation: ClassVar[str] = "acknowledge_alert"

    alert_id: Name = ""
    acknowledged_by: Name | None = None
    request_id: Key | None = None


class RaiseAlerts(Command, frozen=True, kw_only=True):
    """Raise what stands past a threshold and was not raised yet."""

    operation: ClassVar[str] = "raise_alerts"
    alone: ClassVar[bool] = True

    budget_id: Name | None = None
    period: PeriodWord | None = None


class LoadPrices(Command, frozen=True, kw_only=True):
    """Add a version of a price list to the table (a start does it with the bundled catalogue)."""

    operation: ClassVar[str] = "load_prices"
    alone: ClassVar[bool] = True

    source: Name
    version: Name
    prices: tuple[Any, ...] = ()


_canonical = msgspec.json.Encoder(order="sorted")


def fingerprint(command: Command) -> bytes:
    """What makes a command the same again: its fields that are not defaults, without the key (rule 7.2)."""
    changes: dict[str, Any] = {"request_id": None} if getattr(command, "request_id", None) is not None else {}
    for name, default in _compared_defaults(type(command)):
        value = getattr(command, name)
        if value is not default and value == default:
            changes[name] = default
    if changes:
        command = msgspec.structs.replace(command, **changes)
    return hashlib.blake2b(_canonical.encode(command), digest_size=16).digest()


@functools.cache
def _compared_defaults(kind: type[Command]) -> tuple[tuple[str, Any], ...]:
    # msgspec leaves out a default that is the same object; texts and decimals may be equal without being it.
    return tuple(
        (field.name, field.default)
        for field in msgspec.structs.fields(kind)
        if isinstance(field.default, str | Decimal) and field.default != ""
    )
