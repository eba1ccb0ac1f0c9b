"""Commands that are operations: against a running service, in each format, with their exit statuses."""

import csv
import io
import json

import pytest

from budget.interfaces.cli import exits, projected
from budget.operations.catalogue import BY_NAME


def made(budget, *words):
    status, out, err = budget(*words, "--format", "json")
    assert status == exits.DONE, err
    return json.loads(out)


def test_every_verb_asks_an_operation_that_there_is_with_fields_that_it_has():
    for verb in projected.VERBS:
        fields = BY_NAME[verb.operation].request.__struct_fields__
        assert {*verb.positional, *verb.asks, *verb.sends} <= set(fields)


def test_a_budget_goes_through_its_life_by_name(budget):
    assert made(budget, "budgets", "create", "Life", "--owner", "ann")["policies"] == []
    assert made(budget, "budgets", "update", "Life", "--time-zone", "Europe/Berlin")["time_zone"] == "Europe/Berlin"
    assert budget("budgets", "delete", "Life")[0] == exits.USAGE
    assert budget("budgets", "delete", "Life", "--yes")[0] == exits.DONE
    assert made(budget, "budgets", "show", "Life")["is_active"] is False


def test_a_hold_is_made_used_and_settled(budget):
    hold = ["--context-id", "c-1", "--component", "docs", "--provider", "openai", "--model", "gpt-4o"]
    status, out, _ = budget("allocations", "hold", *hold, "--tokens", "5,000", "--quiet")
    assert status == exits.DONE
    allocation = out.strip()
    assert made(budget, "allocations", "start", allocation)["state"] == "started"
    assert made(budget, "allocations", "increase", allocation, "10")["tokens_allocated"] == 5010
    settled = made(budget, "allocations", "settle", allocation, "--input-tokens", "7", "--output-tokens", "3")
    assert (settled["total_tokens"], settled["allocation"]["state"]) == (10, "settled")


def test_a_refusal_ends_with_its_status_and_the_next_step(budget):
    assert budget("budgets", "create", "Tight")[0] == exits.DONE
    limit = ["hard_limit", "daily", "--budget", "Tight", "--token-limit", "100"]
    assert budget("limits", "create", *limit)[0] == exits.DONE
    ask = ["--budget", "Tight", "--context-id", "c", "--component", "x", "--tokens"]
    for words in (["allocations", "hold", *ask, "500"], ["allocations", "hold", *ask, "500", "--dry-run"]):
        assert budget(*words)[0] == exits.REFUSED
    assert budget("check", *ask, "500")[0] == exits.REFUSED
    assert budget("check", *ask, "50")[0] == exits.DONE
    _, _, err = budget("allocations", "hold", *ask, "500")
    assert err.count("\n") == 1
    assert "100 tokens would fit" in err
    assert "decisions explain" in err


def test_nothing_is_sent_in_a_rehearsal(budget):
    status, out, err = budget("budgets", "create", "Never", "--dry-run")
    assert (status, json.loads(out)["name"]) == (exits.DONE, "Never")
    assert "nothing was sent" in err
    assert "Never" not in budget("budgets", "list")[1]


def test_programs_get_stable_columns(budget):
    rows = list(csv.DictReader(io.StringIO(budget("budgets", "list", "--format", "csv")[1])))
    assert rows[0]["name"] == "Default Budget"
    assert rows[0]["is_default"] == "true"
    tabbed = budget("budgets", "list", "--format", "tsv")[1].splitlines()
    assert tabbed[0].split("\t")[:2] == ["budget_id", "name"]
    assert budget("budgets", "list", "--format", "markdown")[1].startswith("| budget id | name |")
    assert json.loads(budget("--format", "json", "budgets", "list")[1])["total"] >= 1


def test_all_pages_are_one_list(budget):
    page = budget("policies", "list", "--limit", "2")
    assert "2 of" in page[2]
    assert "--all" in page[2]
    ids = budget("policies", "list", "--all", "--quiet")[1].split()
    assert len(ids) == len(set(ids)) >= 19


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["limits", "create", "deny", "daily"], "'deny' is not one of ignore"),
        (["limits", "create", "warn", "daily", "--cost-limit", "much"], "--cost-limit: 'much'"),
        (["allocations", "hold", "--component", "x", "--tokens", "5"], "--context-id: is required"),
        (["budgets", "shw", "x"], "did you mean show?"),
        (["usage", "list", "--start-date", "soon"], "--start-date: 'soon'"),
        (["budgets", "list", "--nothing"], "--nothing"),
        (["budgets", "create", "A", "--tag", "b"], "--tag"),
    ],
)
def test_a_wrong_command_line_says_in_one_line_what_and_sends_nothing(budget, words, said):
    status, out, err = budget(*words)
    assert (status, out, err.count("\n")) == (exits.USAGE, "", 1)
    assert said in err
    assert "--help" in err


def test_what_is_not_there_is_a_failure(budget):
    status, out, err = budget("budgets", "show", "nobody")
    assert (status, out, err.count("\n")) == (exits.FAILED, "", 1)


def test_underscores_are_hyphens_in_commands(budget):
    assert budget("prices", "show", "openai", "gpt-4o")[0] == exits.DONE
    with_underscores = budget("call", "list_prices", "--provider", "openai", "--model", "gpt-4o")
    assert with_underscores[0] == exits.DONE


def test_after_all_that_the_ledger_is_right(budget, folder, monkeypatch):
    monkeypatch.setenv("BUDGET_DB_PATH", str(folder / "budget.db"))
    usage = [
        "--component",
        "x",
        "--provider",
        "openai",
        "--model",
        "gpt-4o",
        "--input-tokens",
        "5",
        "--output-tokens",
        "1",
    ]
    assert budget("usage", "record", *usage)[0] == exits.DONE
    status, out, _ = budget("verify")
    assert (status, json.loads(out)["differences"]) == (exits.DONE, 0)
