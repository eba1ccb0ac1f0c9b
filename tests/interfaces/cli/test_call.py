"""`budget call`: options from the catalogue, answers as JSON, statuses that a script can tell apart."""

import json

import pytest

from budget.interfaces.cli import exits
from budget.interfaces.cli.main import main


def said(capsys):
    return json.loads(capsys.readouterr().out)


def test_without_an_operation_it_lists_them(capsys):
    assert main(["call"]) == 0
    assert "record_usage" in capsys.readouterr().out


def test_an_operation_explains_its_options(capsys):
    with pytest.raises(SystemExit, match="0"):
        main(["call", "allocate", "--help"])
    shown = capsys.readouterr().out
    assert "--tokens-allocated INTEGER" in shown
    assert "(required)" in shown


def test_options_go_over_the_object(address, capsys):
    words = ["call", "--api-url", address, "create_budget", "--json", '{"name": "a", "default_policies": false}']
    assert main([*words, "--name", "b"]) == 0
    assert said(capsys)["name"] == "b"


def test_a_refusal_is_told_with_its_document(address, capsys):
    policy = '{"type": "hard_limit", "period": "daily", "component": "x", "token_limit": 5}'
    assert main(["call", "--api-url", address, "create-policy", "--json", policy]) == 0
    capsys.readouterr()
    asked = ["--context-id", "c", "--component", "x", "--tokens-allocated", "10"]
    assert main(["call", "--api-url", address, "allocate", *asked]) == exits.REFUSED
    assert said(capsys)["limits"][0]["limit"] == 5


@pytest.mark.parametrize(
    ("words", "status"),
    [
        (["dance"], 2),
        (["get_budget", "--budget-id", "none"], exits.FAILED),
    ],
)
def test_what_cannot_be_done_ends_with_one_line(address, capsys, words, status):
    assert main(["call", "--api-url", address, *words]) == status
    assert capsys.readouterr().err.startswith("budget: ")


@pytest.mark.parametrize(
    "words",
    [
        ["allocate", "--tokens-allocated", "many"],
        ["allocate", "--json", "["],
        ["get_budget", "--budget-id", ""],
        ["list_budgets", "--limit", "1000"],
    ],
)
def test_a_wrong_option_is_named_before_anything_is_sent(capsys, words):
    with pytest.raises(SystemExit, match="2"):
        main(["call", "--api-url", "http://127.0.0.1:9", *words])
    assert capsys.readouterr().err.startswith(f"budget: {words[1]}")


def test_a_service_that_does_not_run_is_said(capsys):
    assert main(["call", "--api-url", "http://127.0.0.1:9", "list_budgets"]) == exits.UNREACHABLE
    assert "does it run" in capsys.readouterr().err
