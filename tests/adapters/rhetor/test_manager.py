"""Every public method of Rhetor's manager: arguments, defaults, results and rules; in process and over HTTP."""

import datetime as dt
import inspect
import threading
from typing import Any

import pytest

from budget.adapters.rhetor import BudgetManager, BudgetPeriod, BudgetPolicy
from budget.adapters.rhetor.words import count_tokens
from budget.client.errors import Invalid

OPUS = ("anthropic", "claude-3-opus-20240229")
TEXT = "What is left of the budget?"
COST = ["input_tokens", "output_tokens", "input_cost", "output_cost", "total_cost"]
ESTIMATE = {"input_tokens": 12, "output_tokens": 126, "input_cost": 0.00018, "output_cost": 0.00945}
"""Of TEXT with opus: 6 words and 27 // 4, and what Rhetor expects of an answer."""

SIGNATURES = {
    "count_tokens": "text, model='gpt-3.5-turbo'",
    "calculate_cost": "provider, model, input_text, output_text",
    "estimate_cost": "provider, model, input_text, estimated_output_length=500",
    "record_usage": "provider, model, component, task_type, input_tokens, output_tokens, cost, metadata=None",
    "record_completion": "provider, model, input_text, output_text, component='unknown', task_type='default', "
    "metadata=None, context_id=None",
    "get_usage": "period='daily', provider=None, start_date=None, end_date=None",
    "get_current_usage_total": "period='daily', provider=None",
    "get_budget_limit": "period, provider='all'",
    "set_budget_limit": "period, limit_amount, provider='all', enforcement=None",
    "get_enforcement_policy": "period, provider='all'",
    "set_enforcement_policy": "period, policy, provider='all'",
    "get_budget_settings": "",
    "check_budget": "provider, model, input_text, component='unknown', task_type='default', context_id=None",
    "get_usage_summary": "period='daily', group_by='provider'",
    "get_model_tiers": "",
    "find_cheaper_alternative": "provider, model, task_type='default'",
    "route_with_budget_awareness": "input_text, task_type, default_provider, default_model, component='unknown'",
    "create_policy": "name, max_cost, period='daily', description=None",
}


@pytest.fixture
def manager(backend):
    return BudgetManager(backend=backend, default_limits={})


@pytest.mark.parametrize("name", SIGNATURES)
def test_every_method_has_rhetors_arguments_and_defaults(name):
    parameters = list(inspect.signature(getattr(BudgetManager, name)).parameters.values())[1:]
    shown = [
        each.name
        if each.default is each.empty
        else f"{each.name}={str(each.default)!r}"
        if isinstance(each.default, str)
        else f"{each.name}={each.default!r}"
        for each in parameters
    ]
    assert ", ".join(shown) == SIGNATURES[name]


def test_words_are_rhetors_and_equal_to_their_text():
    assert [each == each.value for each in (*BudgetPolicy, *BudgetPeriod)] == [True] * 6
    assert [each.value for each in BudgetPolicy] == ["ignore", "warn", "enforce"]


@pytest.mark.parametrize(("text", "tokens"), [("", 0), ("Hi", 1), (TEXT, 12), ("a" * 500, 126)])
def test_tokens_are_counted_as_without_a_tokenizer(text, tokens):
    assert count_tokens(text) == tokens


def test_costs_are_floats_of_budgets_prices_and_an_unpriced_model_costs_nothing(manager):
    cost = manager.calculate_cost(*OPUS, TEXT, "Nothing")
    assert list(cost) == COST
    assert cost == {
        "input_tokens": 12,
        "output_tokens": 2,
        "input_cost": 0.00018,
        "output_cost": 0.00015,
        "total_cost": 0.00033,
    }
    estimated = manager.estimate_cost(*OPUS, TEXT)
    assert estimated == {**ESTIMATE, "total_cost": 0.00963}
    assert manager.estimate_cost(*OPUS, TEXT, 0)["output_tokens"] == 0
    assert manager.calculate_cost("acme", "unheard-of", TEXT, "")["total_cost"] == 0.0


def test_usage_comes_back_row_by_row_oldest_first_with_all_columns(manager):
    metadata = {"context_id": "telos:7", "streaming": False}
    manager.record_usage("openai", "gpt-4", "telos", "chat", 10, 5, 0.1, metadata)
    manager.record_usage("openai", "gpt-4", "telos", "chat", 10, 5, -0.05)
    first, second = manager.get_usage()
    assert list(first) == [
        "id",
        "timestamp",
        "provider",
        "model",
        "component",
        "task_type",
        "input_tokens",
        "output_tokens",
        "cost",
        "metadata",
    ]
    assert (first["cost"], first["metadata"], second["cost"], second["metadata"]) == (0.1, metadata, -0.05, {})
    assert dt.datetime.fromisoformat(first["timestamp"]).tzinfo is None
    assert manager.get_current_usage_total() == 0.05


def test_what_rhetor_left_empty_is_unknown_and_an_absent_cost_is_budgets_own(manager):
    manager.record_usage(None, "", None, None, None, 5, 0.1, ["a", "list"])
    manager.record_usage(*OPUS, "telos", "chat", 1000, 1000, None)
    empty, priced = manager.get_usage()
    assert [empty[name] for name in ("provider", "model", "component", "task_type")] == [*["unknown"] * 3, "default"]
    assert (empty["input_tokens"], empty["metadata"], priced["cost"]) == (0, {"metadata": ["a", "list"]}, 0.09)


def test_usage_is_found_by_provider_and_by_dates(manager):
    for provider in ("openai", "anthropic"):
        manager.record_usage(provider, "m", "telos", "chat", 1, 1, 0.5)
    tomorrow = dt.date.today() + dt.timedelta(days=1)
    assert [row["provider"] for row in manager.get_usage("weekly", "openai")] == ["openai"]
    assert len(manager.get_usage("custom", start_date="2020-01-01")) == 2
    assert manager.get_usage("custom", start_date=tomorrow, end_date=tomorrow) == []
    assert manager.get_current_usage_total(BudgetPeriod.MONTHLY, "anthropic") == 0.5
    with pytest.raises(ValueError, match="start_date"):
        manager.get_usage("custom")


def test_more_usage_than_a_page_comes_back_whole(manager):
    for number in range(103):
        manager.record_usage("openai", "m", "telos", "chat", number, 0, 0)
    assert [row["input_tokens"] for row in manager.get_usage()] == list(range(103))


def test_a_completion_is_booked_by_its_texts_at_budgets_price(manager):
    done = manager.record_completion(*OPUS, TEXT, "Nothing", context_id="telos:7")
    assert list(done) == [
        "provider",
        "model",
        "component",
        "task_type",
        "timestamp",
        *COST,
        "total_tokens",
        "record_id",
        "context_id",
    ]
    assert [done[name] for name in ("component", "task_type", "total_tokens", "total_cost", "context_id")] == [
        "unknown",
        "default",
        14,
        0.00033,
        "telos:7",
    ]
    assert manager.get_usage()[0]["id"] == done["record_id"]
    assert manager.record_completion(*OPUS, TEXT, "Nothing")["context_id"] is None


def test_a_summary_groups_a_period_and_says_less_of_an_empty_one(manager):
    assert manager.get_usage_summary() == {"period": "daily", "total_cost": 0.0, "total_tokens": 0, "groups": {}}
    manager.record_usage("openai", "gpt-4", "telos", "chat", 10, 5, 0.25)
    manager.record_usage("openai", "gpt-4o", "ergon", "code", 20, 5, 0.5)
    group = {"cost": 0.25, "input_tokens": 10, "output_tokens": 5, "count": 1}
    assert manager.get_usage_summary("weekly", "component")["groups"]["telos"] == group
    assert set(manager.get_usage_summary("weekly", "task_type")["groups"]) == {"chat", "code"}
    totals = {"total_cost": 0.75, "total_input_tokens": 30, "total_output_tokens": 10, "total_tokens": 40, "count": 2}
    found = manager.get_usage_summary("monthly", "model")
    assert found == {"period": "monthly", **totals, "groups": found["groups"]}


def test_limits_and_policies_are_read_back_as_they_were_set(manager):
    assert (manager.get_budget_limit("daily"), manager.get_enforcement_policy("daily")) == (0.0, "warn")
    assert manager.set_budget_limit(BudgetPeriod.DAILY, 2.5, "openai", BudgetPolicy.ENFORCE) is True
    assert (manager.get_budget_limit("daily", "openai"), manager.get_budget_limit("daily")) == (2.5, 0.0)
    assert manager.get_enforcement_policy("daily", "openai") == "enforce"
    assert manager.set_enforcement_policy("daily", "ignore", "openai") is True
    assert (manager.get_budget_limit("daily", "openai"), manager.get_enforcement_policy("daily", "openai")) == (
        2.5,
        "ignore",
    )
    manager.set_budget_limit("daily", 3, "openai")
    assert manager.get_enforcement_policy("daily", "openai") == "warn"  # the default, as in Rhetor


def test_a_limit_of_zero_is_none_and_keeps_its_policy(manager):
    manager.set_budget_limit("weekly", 5, enforcement="enforce")
    manager.set_budget_limit("weekly", 0, enforcement="enforce")
    manager.set_enforcement_policy("monthly", "enforce")
    assert manager.get_budget_settings()["weekly"][0]["limit_amount"] == 0.0
    assert [manager.get_enforcement_policy(period) for period in ("weekly", "monthly")] == ["enforce"] * 2
    assert manager.check_budget(*OPUS, TEXT)[0] is True
    manager.set_budget_limit("monthly", -1)
    assert manager.get_budget_limit("monthly") == 0.0


def test_settings_list_one_row_for_each_period_and_provider(manager):
    manager.set_budget_limit("daily", 1)
    manager.set_budget_limit("daily", 2, enforcement="enforce")
    manager.set_budget_limit("daily", 3, "openai")
    found = manager.get_budget_settings()
    assert list(found) == ["daily", "weekly", "monthly"]
    assert [list(row) for row in found["daily"]] == [
        ["id", "provider", "limit_amount", "enforcement", "start_date"]
    ] * 2
    assert [(row["provider"], row["limit_amount"], row["enforcement"]) for row in found["daily"]] == [
        ("all", 2.0, "enforce"),
        ("openai", 3.0, "warn"),
    ]


WRONG: dict[str, list[tuple[Any, ...]]] = {
    "get_usage": [("hourly",)],
    "get_current_usage_total": [("DAILY",)],
    "get_usage_summary": [("daily", "user")],
    "get_budget_limit": [("yearly",)],
    "set_budget_limit": [("daily", 1, "all", "block"), ("daily", float("nan"))],
    "set_enforcement_policy": [("daily", "hard_limit")],
    "record_usage": [("p", "m", "c", "t", 1, 1, float("inf"))],
}


def test_wrong_words_and_numbers_are_value_errors_and_change_nothing(manager):
    for call, attempts in WRONG.items():
        for arguments in attempts:
            with pytest.raises(ValueError):  # noqa: PT011 -- Rhetor's callers catch no more than that
                getattr(manager, call)(*arguments)
    assert manager.get_usage() == []
    assert manager.get_budget_settings() == {"daily": [], "weekly": [], "monthly": []}


def test_negative_counts_are_refused_by_budget_with_the_field(manager):
    with pytest.raises(Invalid) as caught:
        manager.record_usage("openai", "m", "telos", "chat", -1, 5, 0.1)
    assert caught.value.field == "input_tokens"


def test_a_check_says_what_each_period_has_left(manager):
    manager.set_budget_limit("daily", 5, "anthropic", "enforce")
    manager.set_budget_limit("monthly", 20)
    manager.record_usage(*OPUS, "telos", "chat", 1, 1, 1.5)
    allowed, info = manager.check_budget(*OPUS, TEXT, context_id="telos:7")
    assert (allowed, info["allowed"], info["warnings"]) == (True, True, [])
    assert [info[f"{period}_limit"] for period in BudgetPeriod] == [5.0, 0.0, 20.0]
    assert [info[f"{period}_usage"] for period in BudgetPeriod] == [1.5, 1.5, 1.5]
    assert info["estimated_cost"] == info["cost_estimate"]["total_cost"] == 0.00963
    assert info["context_id"] == "telos:7"
    assert [list(each) for each in info["alternatives"]] == [["provider", "model", "savings", "savings_percent"]] * 3


def test_a_check_refuses_at_the_first_period_that_is_exceeded_and_not_at_equal(manager):
    manager.set_budget_limit("weekly", 0.00963, "anthropic", "enforce")
    assert manager.check_budget(*OPUS, TEXT)[0] is True
    manager.set_budget_limit("daily", 0.009, "anthropic", "enforce")
    assert manager.check_budget(*OPUS, TEXT) == (
        False,
        {
            "allowed": False,
            "reason": "Daily budget limit exceeded",
            "limit": 0.009,
            "usage": 0.0,
            "estimated_cost": 0.00963,
            "policy": "enforce",
            "cost_estimate": {**ESTIMATE, "total_cost": 0.00963},
        },
    )


def test_a_warning_for_each_period_allows_and_ignore_says_nothing(manager):
    manager.set_budget_limit("daily", 0.001, "anthropic", "warn")
    manager.set_budget_limit("weekly", 0.001, "all", "warn")
    manager.set_budget_limit("monthly", 0.001, "all", "ignore")
    allowed, info = manager.check_budget(*OPUS, TEXT)
    assert allowed is True
    assert [text.split(" budget limit exceeded")[0] for text in info["warnings"]] == ["Daily", "Weekly"]


def test_a_limit_on_all_providers_is_checked_or_only_warns_where_that_was_chosen(backend):
    manager = BudgetManager(backend=backend, default_limits={})
    manager.set_budget_limit("daily", 0.001, enforcement="enforce")
    assert manager.check_budget(*OPUS, TEXT)[1]["reason"] == "Daily budget limit exceeded"
    lenient = BudgetManager(backend=backend, default_limits={}, all_limits_only_warn=True)
    lenient.set_budget_limit("daily", 0.001, enforcement="enforce")
    assert lenient.get_enforcement_policy("daily") == "enforce"
    allowed, info = lenient.check_budget(*OPUS, TEXT)
    assert (allowed, len(info["warnings"])) == (True, 1)


def test_a_free_model_passes_an_exhausted_limit_and_an_unpriced_one_does_not(manager):
    assert manager.check_budget("acme", "unheard-of", TEXT)[1]["warnings"] != []
    manager.set_budget_limit("daily", 0.001, enforcement="enforce")
    manager.record_usage(*OPUS, "telos", "chat", 1, 1, 1)
    allowed, info = manager.check_budget("ollama", "llama3", TEXT)
    assert (allowed, info["reason"], info["cost_estimate"]["total_cost"]) == (True, "Free model", 0.0)
    allowed, info = manager.check_budget("acme", "unheard-of", TEXT)
    assert (allowed, info["limit"], info["usage"]) == (False, 0.001, 1.0)
    assert "has no price" in info["reason"]


def test_tiers_go_by_the_price_of_a_thousand_tokens(manager):
    tiers = manager.get_model_tiers()
    assert list(tiers) == ["free", "low", "medium", "high"]
    found = {(row["provider"], row["model"]): name for name, rows in tiers.items() for row in rows}
    expected = {"claude-3-haiku": "low", "claude-3-5-sonnet": "medium", "claude-3-opus-latest": "high"}
    assert {model: found["anthropic", model] for model in expected} == expected
    assert found["ollama", "llama3"] == found["simulated", "simulated-standard"] == "free"


def test_the_alternative_is_cheaper_and_of_the_provider_that_suits_the_task(manager):
    for task, provider in (("default", "anthropic"), ("code", "anthropic"), ("chat", "openai"), ("?", "anthropic")):
        found = manager.find_cheaper_alternative(*OPUS, task)
        assert found is not None
        assert found[0] == provider
        cheaper, opus = (manager.calculate_cost(*pair, TEXT, TEXT)["total_cost"] for pair in (found, OPUS))
        assert cheaper < opus
    assert manager.find_cheaper_alternative("ollama", "llama3") is None
    assert manager.find_cheaper_alternative("acme", "unheard-of") is None


def test_routing_keeps_the_default_goes_down_and_ends_at_the_free_model(manager):
    assert manager.route_with_budget_awareness(TEXT, "code", *OPUS) == (*OPUS, [])
    manager.set_budget_limit("daily", 0.005, "anthropic", "enforce")
    provider, model, (warning,) = manager.route_with_budget_awareness(TEXT, "code", *OPUS)
    assert provider in ("anthropic", "openai")
    assert warning.startswith(f"Budget limit exceeded. Downgraded from {OPUS[1]} to {model}")
    manager.set_budget_limit("daily", 0.005, enforcement="enforce")
    manager.record_usage(*OPUS, "telos", "chat", 1, 1, 1)
    provider, model, warnings = manager.route_with_budget_awareness(TEXT, "code", *OPUS)
    assert (provider, model) == ("ollama", "llama3")
    assert warnings == ["Budget limit exceeded. Using the free model llama3"]


def test_a_policy_can_be_made_as_rhetors_route_meant_to(manager):
    made = manager.create_policy("Team", 7.5, "weekly", "for all")
    assert (made["name"], made["max_cost"], made["period"]) == ("Team", 7.5, "weekly")
    assert manager.get_budget_limit("weekly") == 7.5


def test_limits_of_the_environment_are_set_once_and_never_over_ones_that_are_there(backend):
    first = BudgetManager(backend=backend, default_policy="enforce", default_limits={"daily": 2.0})
    assert (first.get_budget_limit("daily"), first.get_enforcement_policy("daily")) == (2.0, "enforce")
    first.set_budget_limit("daily", 3.0)
    second = BudgetManager(backend=backend, default_policy="BLOCK", default_limits={"daily": 9.0})
    assert second.get_budget_limit("daily") == 3.0
    second.set_budget_limit("weekly", 1)
    assert second.get_enforcement_policy("weekly") == "warn"  # a word that Rhetor did not know either


def test_two_threads_make_one_budget_and_lose_nothing(backend):
    def work(manager: BudgetManager) -> None:
        manager.set_budget_limit("daily", 100, enforcement="enforce")
        for _ in range(20):
            manager.record_usage("openai", "gpt-4", "telos", "chat", 1, 1, 0.01)

    managers = [BudgetManager(backend=backend, default_limits={}) for _ in range(2)]
    threads = [threading.Thread(target=work, args=(each,)) for each in managers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert managers[0].get_current_usage_total() == 0.4
    assert [row["limit_amount"] for row in managers[1].get_budget_settings()["daily"]] == [100.0]
    budgets: Any = backend.call("list_budgets", name="Rhetor Budget")
    assert budgets["total"] == 1


def test_a_limit_in_capitals_that_was_migrated_is_read_until_ours_stands_before_it(manager, backend):
    manager.set_budget_limit("daily", 1, "openai")
    (ours,) = manager.get_budget_settings()["daily"]
    assert manager.get_budget_limit("daily", "OpenAI") == 1.0
    manager.set_budget_limit("daily", 2, "OpenAI")
    assert [row["id"] for row in manager.get_budget_settings()["daily"]] == [ours["id"]]
