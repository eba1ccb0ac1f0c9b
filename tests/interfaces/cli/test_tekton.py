"""Tekton's own commands, as its scripts call them: words, options, columns and digits."""

import json
import re
from typing import Any

import pytest

from budget.cli.main import main as tekton
from budget.client import BudgetClient
from budget.interfaces.cli import exits

ALLOCATE = ["--context-id", "c-1", "--component", "x", "--provider", "openai", "--model", "gpt-4o"]
COLUMNS = [
    (
        ["status", "--period", "daily"],
        "Period|Provider|Tier|Component|Tokens Used|Token Limit|Cost|Cost Limit|Usage %",
    ),
    (
        ["get-usage", "daily", "--days", "7"],
        "Date|Provider|Model|Component|Requests|Input Tokens|Output Tokens|Total Cost",
    ),
    (
        ["allocate", "list", "--all"],
        "ID|Context|Component|Provider|Model|Tokens Alloc|Tokens Used|Remaining|Est. Cost|Active",
    ),
    (
        ["prices", "list", "--provider", "openai", "--model", "gpt-4o"],
        "Provider|Model|Input $ / 1K|Output $ / 1K|Type|Source|Verified",
    ),
    (["alerts", "list", "--unacknowledged"], "ID|Severity|Type|Message|Timestamp|Acknowledged"),
]


@pytest.fixture
def old(budget):
    return lambda *words: budget(*words, by=tekton)


@pytest.fixture(scope="module", autouse=True)
def used(address):
    """Something to show in each list."""
    with BudgetClient(address) as client:
        call: dict[str, Any] = {"component": "x", "provider": "openai", "model": "gpt-4o"}
        client.allocate(context_id="c-0", tokens_allocated=5_000, **call)
        client.create_policy(type="warn", period="daily", component="x", token_limit=1_000)
        client.record(context_id="c", input_tokens=1_000, output_tokens=500, **call)
        return client.list_records()["items"][0]


@pytest.mark.parametrize(("words", "titles"), COLUMNS)
def test_each_list_has_tekton_s_columns_and_its_reply_as_json(old, words, titles):
    status, out, err = old(*words)
    assert (status, err) == (exits.DONE, "")
    assert re.split(" {2,}", out.splitlines()[0]) == titles.split("|")
    assert len(out.splitlines()) > 1
    assert json.loads(old(*words, "--format", "json")[1])


def test_amounts_have_tekton_s_digits(old):
    assert "$0.0075" in old("get_usage", "daily")[1]
    assert re.search(r"\$0\.01 +\$5\.00 +0\.2%$", old("status")[1].splitlines()[1])
    assert "$0.0025" in old("prices", "list", "--provider", "openai", "--model", "gpt-4o")[1]
    assert "...  c-0" in old("allocate", "list")[1]


def test_allocations_are_created_and_released(old):
    status, out, _ = old("allocate", "create", *ALLOCATE, "--tokens", "1000")
    assert status == exits.DONE
    said = dict(line.split(": ") for line in out.splitlines())
    assert (said["Tokens"], said["Estimated cost"]) == ("1,000", "$0.0100")
    assert old("allocate", "release", said["Allocation ID"]) == (exits.DONE, "released 1,000 tokens\n", "")


def test_a_limit_is_set_on_the_default_budget(old, budget):
    status, out, _ = old("set_limit", "weekly", "30", "--policy-type", "enforce", "--component", "y")
    assert (status, out) == (exits.DONE, "the weekly limit is $30.00 (hard_limit)\n")
    rows = budget("policies", "list", "--type", "hard_limit", "--format", "json")[1]
    assert json.loads(rows)["items"][0]["cost_limit"] == 30


def test_costs_are_calculated_and_models_recommended(old):
    out = old("calc_cost", "--provider", "openai", "--model", "gpt-4o", "--input-tokens", "1000")[1]
    assert out == "Input cost: $0.0025\nOutput cost: $0.0000\nTotal cost: $0.0025\n"
    found = old("recommend", "--task-type", "code", "--context-size", "4000", "--output-size", "500")[1]
    assert found.startswith("Best match: ")
    assert "Tip: " in found


def test_alerts_are_acknowledged(old):
    alert = json.loads(old("alerts", "list", "--format", "json")[1])["items"][0]["alert_id"]
    assert old("alerts", "acknowledge", alert)[:2] == (exits.DONE, f"alert {alert} is acknowledged\n")
    assert json.loads(old("alerts", "list", "--acknowledged", "--format", "json")[1])["items"][0]["alert_id"] == alert


def test_what_goes_wrong_is_one_line_that_begins_with_error(old):
    status, out, err = old("allocate", "release", "nothing")
    assert (status, out, err.count("\n")) == (exits.FAILED, "", 1)
    assert err.startswith("Error: ")
    assert old("--no-debug", "prices", "update")[0] == exits.DONE


def test_tekton_s_words_stand_in_the_new_command_too(budget):
    for words in (
        ["get-usage", "daily"],
        ["allocate", "list"],
        ["prices", "update"],
        ["alerts", "list", "--unacknowledged"],
    ):
        assert budget(*words)[0] == exits.DONE
