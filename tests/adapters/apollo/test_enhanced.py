"""What callers of the combined service ask of the Apollo side, with the keys that they read; both ways."""

import pytest

from budget.adapters.apollo import TokenBudgetManager

GPT = {"provider": "openai", "model": "gpt-4o"}
KEYS = {
    "allocate_tokens": "allocation_id context_id amount remaining tier success",
    "release_allocation": "allocation_id success",
    "record_token_usage": "context_id recorded_tokens remaining success",
    "get_budget_status": "period success tiers",
    "get_allocation_status": "allocation_id context_id allocated used remaining tier is_active created_at expires_at "
    "success",
    "set_budget_limit": "tier period limit policy_id success",
    "provide_model_guidance": "context_id task_type approaching_budget_limit preferred_tier recommended_models "
    "reasoning",
    "get_token_usage_analytics": "period start_date end_date total_input_tokens total_output_tokens total_tokens "
    "total_cost record_count providers components task_types time_series budget_id",
    "get_completion_efficiency": "provider model period context_id data_available completion_count total_input_tokens "
    "total_output_tokens total_tokens total_cost effectiveness_ratio cost_efficiency avg_cost_per_completion "
    "avg_tokens_per_completion task_types alternatives recommendations",
}


@pytest.fixture
def manager(backend):
    return TokenBudgetManager(backend=backend)


def test_each_answer_has_the_keys_that_its_callers_read(manager):
    held = manager.allocate_tokens("c", 500)
    allocation_id = held["allocation_id"]
    answers = {
        "allocate_tokens": held,
        "record_token_usage": manager.record_token_usage("c", 100, 50, **GPT),
        "get_allocation_status": manager.get_allocation_status(allocation_id),
        "get_budget_status": manager.get_budget_status(),
        "set_budget_limit": manager.set_budget_limit("heavyweight", "weekly", 10_000),
        "provide_model_guidance": manager.provide_model_guidance("c", "coding", "write a parser"),
        "get_token_usage_analytics": manager.get_token_usage_analytics(),
        "get_completion_efficiency": manager.get_completion_efficiency(**GPT),
        "release_allocation": manager.release_allocation(allocation_id),
    }
    assert {name: " ".join(answer) for name, answer in answers.items()} == KEYS
    assert all(answer.get("success", True) for answer in answers.values())


def test_tokens_are_held_recorded_and_released(manager):
    held = manager.allocate_tokens("c", 500, tier="local_lightweight")
    assert (held["amount"], held["remaining"], held["tier"]) == (500, 500, "lightweight")
    recorded = manager.record_token_usage("c", 100, 50, **GPT)
    assert (recorded["recorded_tokens"], recorded["remaining"]) == (150, 350)
    found = manager.get_allocation_status(held["allocation_id"])
    assert (found["allocated"], found["used"], found["remaining"], found["is_active"]) == (500, 150, 350, True)
    assert manager.release_allocation(held["allocation_id"])["success"] is True
    assert manager.get_allocation_status(held["allocation_id"])["is_active"] is False


def test_what_was_used_is_booked_whole_once_for_a_request_and_without_an_allocation_too(manager):
    manager.allocate_tokens("c", 100)
    answers = [manager.record_token_usage("c", 100, 50, **GPT, request_id="r") for _ in range(2)]
    assert [(each["recorded_tokens"], each["remaining"]) for each in answers] == [(150, 0)] * 2
    assert manager.record_token_usage("elsewhere", 1, 1, **GPT)["success"] is True
    assert manager.get_token_usage_analytics()["total_tokens"] == 152


def test_what_fails_says_so(manager):
    manager.set_budget_limit("heavyweight", "weekly", 10, "hard_limit")
    failures = [
        manager.allocate_tokens("c", 11),
        manager.allocate_tokens("c", 0),
        manager.allocate_tokens("c", 1, tier="huge"),
        manager.allocate_tokens("c", 1, priority=0),
        manager.release_allocation("nothing"),
        manager.record_token_usage("c", -1, 0, **GPT),
        manager.get_budget_status("yearly"),
        manager.get_allocation_status("nothing"),
        manager.set_budget_limit("huge", "daily", 1),
    ]
    assert [each["success"] for each in failures] == [False] * 9
    assert all(each["error"] for each in failures)
    assert "weekly" in failures[0]["error"]


def test_a_status_has_every_tier_and_all_or_the_one_that_was_asked_for(manager):
    manager.record_token_usage("c", 100, 50, **GPT)
    tiers = manager.get_budget_status()["tiers"]
    assert list(tiers) == ["lightweight", "midweight", "heavyweight", "all"]
    assert tiers["heavyweight"] == {
        "allocated": 0,
        "used": 150,
        "remaining": 999_850,
        "limit": 1_000_000,
        "usage_percentage": 0.00015,
        "limit_exceeded": False,
    }
    for name in ("midweight", "local_midweight"):
        assert list(manager.get_budget_status("hourly", name)["tiers"]) == ["midweight"]


def test_a_limit_keeps_its_type_unless_another_is_given(manager):
    first = manager.set_budget_limit("heavyweight", "daily", 500)  # one of the nine
    assert manager.get_policy(first["policy_id"]).type == "warn"
    second = manager.set_budget_limit("remote_heavyweight", "daily", 400, "hard_limit")
    assert second["policy_id"] == first["policy_id"]
    assert manager.allocate_tokens("c", 401)["success"] is False
    assert manager.get_budget_status("daily", "heavyweight")["tiers"]["heavyweight"]["limit"] == 400


def test_guidance_is_priced_models_of_a_tier_and_a_lighter_one_where_a_limit_is_near(manager):
    found = manager.provide_model_guidance("c", "coding", "", ["openai"], max_cost=0.01)
    models = found["recommended_models"]
    assert (found["preferred_tier"], found["approaching_budget_limit"], len(models)) == ("heavyweight", False, 3)
    assert list(models[0]) == [
        "provider",
        "model",
        "tier",
        "estimated_cost",
        "input_cost_per_token",
        "output_cost_per_token",
    ]
    assert {each["provider"] for each in models} == {"openai"}
    assert max(each["estimated_cost"] for each in models) <= 0.01
    manager.set_budget_limit("heavyweight", "daily", 100)
    manager.record_token_usage("c", 50, 40, **GPT)
    near = manager.provide_model_guidance("c", "coding", "")
    assert (near["preferred_tier"], near["approaching_budget_limit"]) == ("midweight", True)
    assert [each["model"] for each in near["recommended_models"]] == ["claude-3-haiku", "llama3"]


def test_analytics_and_efficiency_are_sums_of_records_narrowed_by_what_is_asked(manager):
    manager.allocate_tokens("a", 100, **GPT, task_type="chat")
    manager.record_token_usage("a", 40, 20, **GPT)
    manager.record_token_usage("b", 60, 80, **GPT)
    assert manager.get_token_usage_analytics("weekly", task_type="chat")["total_tokens"] == 60
    assert manager.get_token_usage_analytics(start_date="2020-01-01", end_date="2020-02-01")["record_count"] == 0
    whole, one = (manager.get_completion_efficiency(**GPT, context_id=each) for each in (None, "a"))
    assert (whole["completion_count"], whole["effectiveness_ratio"], whole["avg_tokens_per_completion"]) == (
        2,
        1.0,
        100,
    )
    assert (one["total_tokens"], one["effectiveness_ratio"], one["total_cost"]) == (60, 0.5, 0.0003)
    assert one["task_types"] == {
        "chat": {"input_tokens": 40, "output_tokens": 20, "total_tokens": 60, "cost": 0.0003, "count": 1}
    }
    assert len(one["alternatives"]) == len(one["recommendations"]) == 3


def test_efficiency_without_data_says_so(manager):
    found = manager.get_completion_efficiency("openai", "unheard-of", period="monthly")
    assert " ".join(found) == "provider model period context_id data_available message"
    assert found["data_available"] is False
