"""Every public method of Apollo's manager: arguments, defaults, results and rules; in process and over HTTP."""

import datetime as dt
import inspect
import threading
from types import SimpleNamespace
from typing import Any

import pytest

from budget.adapters.apollo import BudgetPolicy, Period, PolicyType, TaskPriority, Tier, TokenBudgetManager
from budget.adapters.apollo.words import default_tokens

SIGNATURES = {
    "start": "",
    "stop": "",
    "allocate_budget": "context_id, component, task_type='default', provider=None, model=None, priority=5, "
    "token_count=None, expiration=None, metadata=None",
    "record_usage": "context_id, tokens, usage_type='total', operation_id=None, metadata=None",
    "get_allocation": "context_id",
    "update_allocation": "context_id, additional_tokens=None, extend_expiration=None, is_active=None",
    "get_budget_summary": "tier=None, period='daily', component=None, task_type=None",
    "add_policy": "policy",
    "get_policy": "policy_id",
    "update_policy": "policy_id, **fields",
    "delete_policy": "policy_id",
    "get_model_tier": "model",
    "set_model_tier": "model, tier",
    "get_component_tier": "component",
    "set_component_tier": "component, tier",
    "get_provider_tier": "provider",
    "set_provider_tier": "provider, tier",
    "register_callback": "event_type, callback",
}
ASYNC = ("start", "stop", "allocate_budget")
ALLOCATION: dict[str, Any] = {
    "component": "telos",
    "tier": "remote_heavyweight",
    "provider": None,
    "model": None,
    "task_type": "default",
    "priority": 5,
    "tokens_allocated": 2000,
    "tokens_used": 0,
    "is_active": True,
    "metadata": {},
}


@pytest.fixture
def manager(backend):
    return TokenBudgetManager(backend=backend)


def a_policy(**fields: Any) -> BudgetPolicy:
    given = {"type": "hard_limit", "period": "daily", "tier": "remote_heavyweight", "limit": 3000, "component": "telos"}
    return BudgetPolicy(**{**given, **fields})


def shown(parameter: inspect.Parameter) -> str:
    default = parameter.default.value if hasattr(parameter.default, "value") else parameter.default
    return str(parameter).split(":")[0] if default is parameter.empty else f"{parameter.name}={default!r}"


@pytest.mark.parametrize("name", SIGNATURES)
def test_every_method_has_apollos_arguments_and_defaults(name):
    method = getattr(TokenBudgetManager, name)
    parameters = list(inspect.signature(method).parameters.values())[1:]
    assert ", ".join(shown(each) for each in parameters) == SIGNATURES[name]
    assert inspect.iscoroutinefunction(method) is (name in ASYNC)


def test_it_is_made_with_apollos_arguments():
    parameters = list(inspect.signature(TokenBudgetManager).parameters.values())[:3]
    assert [(each.name, each.default) for each in parameters] == [
        ("data_dir", None),
        ("policy_file", None),
        ("cleanup_interval", 3600.0),
    ]


def test_words_are_apollos_and_equal_to_their_text():
    assert [Tier("local_midweight"), Period("per_task"), PolicyType("soft_limit")] == [
        "local_midweight",
        "per_task",
        "soft_limit",
    ]
    assert [each.value for each in TaskPriority] == [1, 5, 8, 10]


@pytest.mark.parametrize(
    ("task", "sizes"),
    [
        ("default", (1000, 2000, 4000, 8000, 2000)),
        ("chat", (2000, 4000, 8000, 16000, 4000)),
        ("coding", (4000, 8000, 16000, 32000, 8000)),
        ("analysis", (4000, 8000, 16000, 32000, 8000)),
        ("poetry", (2000, 2000, 2000, 2000, 2000)),
    ],
)
def test_a_call_that_asks_for_no_number_gets_apollos(task, sizes):
    assert tuple(default_tokens(task, priority) for priority in (1, 5, 8, 10, 7)) == sizes


async def test_an_allocation_has_all_its_fields_and_lives_for_a_day(manager):
    made = await manager.allocate_budget("c-1", "telos")
    assert {name: getattr(made, name) for name in ALLOCATION} == ALLOCATION
    assert (made.context_id, made.remaining_tokens, made.usage_percentage, made.is_expired) == ("c-1", 2000, 0.0, False)
    assert made.creation_time.tzinfo is None
    assert made.expiration_time - made.creation_time == dt.timedelta(hours=24)
    assert manager.get_allocation("c-1") is made
    assert manager.get_allocation("c-2") is None


async def test_what_is_asked_for_is_given_and_a_day_is_the_longest(manager):
    soon = dt.datetime.now() + dt.timedelta(hours=1)
    made = await manager.allocate_budget("c", "telos", "chat", "ollama", "qwen", 8, 77, soon, {"a": 1})
    assert (made.tokens_allocated, made.tier, made.task_type, made.metadata) == (
        77,
        "local_midweight",
        "chat",
        {"a": 1},
    )
    assert made.expiration_time == soon
    later = await manager.allocate_budget("c", "telos", expiration=soon + dt.timedelta(days=7))
    assert later.expiration_time - later.creation_time == dt.timedelta(hours=24)


@pytest.mark.parametrize(
    "wrong", [{"priority": 0}, {"priority": 11}, {"token_count": 0}, {"expiration": dt.datetime(2020, 1, 1)}]
)
async def test_what_cannot_be_held_is_a_value_error(manager, wrong):
    with pytest.raises(ValueError, match=next(iter(wrong)).split("_")[-1]):
        await manager.allocate_budget("c", "telos", **wrong)
    assert manager.get_allocation("c") is None


async def test_a_context_has_one_allocation_and_a_new_one_replaces_it(manager):
    first = await manager.allocate_budget("c", "telos", token_count=100)
    second = await manager.allocate_budget("c", "telos", token_count=200)
    assert manager.get_allocation("c") is second
    (summary,) = manager.get_budget_summary("heavyweight")
    assert (summary.active_allocations, summary.total_allocated) == (1, 200)
    assert first.allocation_id != second.allocation_id


async def test_recording_is_cut_to_what_remains_and_ends_the_allocation_at_nothing(manager):
    made = await manager.allocate_budget("c", "telos", token_count=100)
    assert [manager.record_usage("c", tokens) for tokens in (0, -5, 60, 60, 1)] == [0, 0, 60, 40, 0]
    assert (made.tokens_used, made.remaining_tokens, made.usage_percentage, made.is_active) == (100, 0, 1.0, False)
    assert manager.record_usage("nobody", 5) == 0
    assert manager.get_allocation("c") is made


async def test_an_allocation_records_on_itself(manager):
    made = await manager.allocate_budget("c", "telos", token_count=100)
    assert (made.record_usage(30), made.tokens_used) == (30, 30)


async def test_a_split_that_is_not_known_is_not_made_up(manager, backend):
    await manager.allocate_budget("c", "telos", provider="openai", model="gpt-4", token_count=100)
    for number, kind in enumerate(("input", "output", "total", "cached")):
        manager.record_usage("c", number + 1, kind, f"op-{number}", {"n": number})
    records = backend.call("list_usage", context_id="c")["items"][::-1]
    assert [(each["input_tokens"], each["output_tokens"], each["total_tokens"]) for each in records] == [
        (1, 0, 1),
        (0, 2, 2),
        (None, None, 3),
        (None, None, 4),
    ]
    assert records[3]["metadata"] == {"n": 3, "usage_type": "cached"}
    assert records[0]["operation_id"] == "op-0"


async def test_an_allocation_gets_more_tokens_and_time_and_can_be_ended(manager):
    made = await manager.allocate_budget(
        "c", "telos", token_count=100, expiration=dt.datetime.now() + dt.timedelta(hours=1)
    )
    before = made.expiration_time
    assert manager.update_allocation("c", 50, dt.timedelta(hours=2)) is made
    assert (made.tokens_allocated, made.expiration_time - before) == (150, dt.timedelta(hours=2))
    assert manager.update_allocation("c", is_active=False) is made
    assert (made.is_active, manager.record_usage("c", 1)) == (False, 0)
    assert manager.update_allocation("c", 50) is made
    assert made.tokens_allocated == 150
    assert manager.update_allocation("nobody", 5) is None


async def test_a_new_budget_has_apollos_nine_warnings_and_a_summary_for_each_tier_with_one(manager):
    await manager.start()
    await manager.stop()
    assert [each.limit for each in manager.get_budget_summary()] == [10_000_000, 5_000_000, 1_000_000]
    assert [each.tier for each in manager.get_budget_summary(period=Period.HOURLY)] == list(Tier)
    assert manager.get_budget_summary(period="weekly") == []
    assert manager.get_budget_summary(period="per_session") == []


async def test_a_summary_counts_a_tier_in_its_window_by_component_and_task(manager):
    await manager.allocate_budget("c", "telos", "chat", token_count=100)
    await manager.allocate_budget("d", "ergon", token_count=100)
    manager.record_usage("c", 40)
    manager.record_usage("d", 5)
    (whole,) = manager.get_budget_summary(Tier.REMOTE_HEAVYWEIGHT)
    assert (whole.total_used, whole.remaining, whole.is_exceeded, whole.usage_percentage) == (45, 999_955, False, 45e-6)
    assert whole.end_time - whole.start_time == dt.timedelta(days=1)
    assert [manager.get_budget_summary("heavyweight", component=name)[0].total_used for name in ("telos", "x")] == [
        40,
        0,
    ]
    assert manager.get_budget_summary("heavyweight", task_type="chat")[0].total_used == 40


async def test_a_hard_limit_refuses_whatever_the_priority_and_counts_the_request(manager):
    manager.add_policy(a_policy(limit=150, component=None))
    assert await manager.allocate_budget("c", "telos", token_count=100) is not None
    assert await manager.allocate_budget("d", "ergon", token_count=51, priority=10) is None
    assert await manager.allocate_budget("d", "ergon", token_count=50) is not None
    assert manager.update_allocation("d", 1) is None


async def test_limits_that_do_not_refuse_do_not(manager):
    for kind in ("warn", "soft_limit", "ignore"):
        manager.add_policy(a_policy(type=kind, limit=1))
    assert await manager.allocate_budget("c", "telos", token_count=100) is not None


def test_a_policy_is_read_back_under_the_id_it_came_with(manager):
    given = a_policy(policy_id="mine", task_type="", end_date=dt.datetime(2099, 1, 1), metadata={"a": 1})
    assert manager.add_policy(given) == "mine"
    found = manager.get_policy("mine")
    assert {name: getattr(found, name) for name in ("type", "period", "tier", "component", "task_type", "limit")} == {
        "type": "hard_limit",
        "period": "daily",
        "tier": "remote_heavyweight",
        "component": "telos",
        "task_type": None,
        "limit": 3000,
    }
    assert (found.warning_threshold, found.action_threshold, found.enabled, found.metadata) == (
        0.8,
        0.95,
        True,
        {"a": 1},
    )
    assert found.end_date == "2099-01-01T00:00:00"


@pytest.mark.parametrize(
    "given",
    [
        {"policyId": "x", "type": "WARN", "period": "Daily", "tier": "midweight", "limit": 5, "taskType": "chat"},
        SimpleNamespace(policy_id="x", type="warn", period="daily", tier="local_midweight", limit=5, task_type="chat"),
    ],
)
def test_a_policy_may_be_a_dict_or_the_callers_own_class(manager, given):
    found = manager.get_policy(manager.add_policy(given))
    assert (found.type, found.period, found.tier, found.task_type) == ("warn", "daily", "local_midweight", "chat")


async def test_a_policy_changes_even_its_place_and_keeps_its_id(manager):
    policy_id = manager.add_policy(a_policy(limit=10))
    assert await manager.allocate_budget("c", "telos", token_count=11) is None
    assert manager.update_policy(policy_id, limit=20, type="hard_limit").limit == 20
    assert await manager.allocate_budget("c", "telos", token_count=11) is not None
    assert manager.update_policy(policy_id, component="ergon").policy_id == policy_id
    assert await manager.allocate_budget("c", "telos", token_count=21) is not None
    assert await manager.allocate_budget("d", "ergon", token_count=21) is None
    assert manager.update_policy("nothing", limit=1) is None
    with pytest.raises(ValueError, match="size"):
        manager.update_policy(policy_id, size=1)


async def test_a_deleted_policy_is_gone_and_no_longer_refuses(manager):
    policy_id = manager.add_policy(a_policy(limit=-1))
    assert await manager.allocate_budget("c", "telos") is None
    assert [manager.delete_policy(policy_id), manager.delete_policy(policy_id)] == [True, False]
    assert manager.get_policy(policy_id) is None
    assert await manager.allocate_budget("c", "telos") is not None


def test_a_policy_that_is_over_does_not_count(manager):
    over = manager.add_policy(a_policy(end_date=dt.datetime(2020, 1, 1)))
    assert manager.get_policy(over).enabled is False


@pytest.mark.parametrize("wrong", [{"tier": "huge"}, {"period": "yearly"}, {"type": "block"}])
def test_a_policy_with_a_wrong_word_is_a_value_error(manager, wrong):
    with pytest.raises(ValueError, match="is not one of"):
        manager.add_policy(a_policy(**wrong))


async def test_tiers_of_models_components_and_providers_can_be_told_and_asked(manager):
    known = [manager.get_model_tier(name) for name in ("Codellama", "qwen", "gpt-4", "unheard-of")]
    assert known == ["local_lightweight", "local_midweight", *["remote_heavyweight"] * 2]
    assert [manager.get_provider_tier(name) for name in ("local", "nobody")] == [
        "local_lightweight",
        "remote_heavyweight",
    ]
    assert manager.get_component_tier("telos") is None
    manager.set_model_tier("New-1", "lightweight")
    manager.set_component_tier("telos", Tier.LOCAL_MIDWEIGHT)
    manager.set_provider_tier("nobody", "local_midweight")
    assert (
        manager.get_model_tier("new-1"),
        manager.get_component_tier("telos"),
        manager.get_provider_tier("nobody"),
    ) == (
        "local_lightweight",
        "local_midweight",
        "local_midweight",
    )
    assert (await manager.allocate_budget("c", "telos")).tier == "local_midweight"
    assert (await manager.allocate_budget("c", "telos", model="new-1")).tier == "local_lightweight"


async def test_two_threads_count_no_token_twice(manager):
    await manager.allocate_budget("c", "telos", token_count=50)
    counted: list[int] = []

    def work() -> None:
        counted.extend(manager.record_usage("c", 2) for _ in range(20))

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(counted) == 50
    assert manager.get_budget_summary("heavyweight")[0].total_used == 50
