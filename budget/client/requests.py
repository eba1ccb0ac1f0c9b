"""The fields of requests as keyword arguments, named as on the wire; `budget.domain.commands` says what they mean."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Required, TypedDict

Money = Decimal | int | str


class AllocationOptions(TypedDict, total=False):
    """What may be said of a hold besides who asks for how much; its expiry is `allocation`'s own affair."""

    budget_id: str | None
    task_id: str | None
    tier: str | None
    provider: str | None
    model: str | None
    task_type: str
    priority: int
    input_tokens: int | None
    max_output_tokens: int | None
    min_tokens: int | None
    expected_tokens_used: int | None
    user_id: str | None
    tags: Mapping[str, str]
    metadata: Mapping[str, Any]
    request_id: str | None


class AllocationRequest(AllocationOptions, total=False):
    """What is to be held, for `check` and `allocate`."""

    context_id: Required[str]
    component: Required[str]
    tokens_allocated: Required[int]
    expiration_time: str | None


class Amounts(TypedDict, total=False):
    """What a call used: the provider's own `usage` object, or counts; `cost` if the provider reported one."""

    provider: str | None
    model: str | None
    tier: str | None
    task_type: str | None
    task_id: str | None
    operation_id: str | None
    user_id: str | None
    tags: Mapping[str, str]
    input_tokens: int | None
    output_tokens: int | None
    cache_read_tokens: int
    cache_write_tokens: int
    cache_write_1h_tokens: int
    input_audio_tokens: int
    input_image_tokens: int
    input_video_tokens: int
    reasoning_tokens: int
    output_audio_tokens: int
    images: int
    seconds: Decimal | int
    pages: int
    web_searches: int
    requests: int
    usage: Mapping[str, Any] | None
    usage_format: str | None
    cost: Money | None
    occurred_at: str | None
    metadata: Mapping[str, Any]
    request_id: str | None


class UsageRequest(Amounts, total=False):
    """A usage that stands alone, or names its allocation."""

    allocation_id: str | None
    context_id: str | None
    budget_id: str | None
    component: str | None


class BudgetRequest(TypedDict, total=False):
    """A new budget; `default_policies=False` makes it without Tekton's 19."""

    name: Required[str]
    description: str | None
    owner: str | None
    time_zone: str | None
    components: Sequence[str]
    default_policies: bool
    is_default: bool
    metadata: Mapping[str, Any]
    request_id: str | None


class PolicyRequest(TypedDict, total=False):
    """A limit; without `budget_id` it is the default budget's, with `scope="global"` everyone's."""

    type: Required[str]
    period: Required[str]
    budget_id: str | None
    scope: str | None
    tier: str | None
    provider: str | None
    model: str | None
    component: str | None
    task_type: str | None
    user_id: str | None
    key_id: str | None
    token_limit: int | None
    cost_limit: Money | None
    warning_threshold: Decimal | float
    action_threshold: Decimal | float
    thresholds: Sequence[Decimal | float]
    enabled: bool
    metadata: Mapping[str, Any]
    request_id: str | None


class PriceRequest(TypedDict, total=False):
    """A dated price in dollars per unit."""

    provider: Required[str]
    model: Required[str]
    input_cost_per_token: Money | None
    output_cost_per_token: Money | None
    cache_read_cost_per_token: Money | None
    cache_write_cost_per_token: Money | None
    reasoning_cost_per_token: Money | None
    cost_per_image: Money | None
    cost_per_second: Money | None
    fixed_cost_per_request: Money | None
    effective_date: str | None
    end_date: str | None
    source_url: str | None
    metadata: Mapping[str, Any]
    request_id: str | None
