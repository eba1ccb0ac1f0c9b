"""Every command that only reads, against a running service, in every format."""

import csv
import io
import json
from decimal import Decimal

import pytest

from budget.client import BudgetClient
from budget.interfaces.cli import exits, projected
from budget.interfaces.cli.parsers import FORMATS
from budget.operations.catalogue import BY_NAME
from tests.serving import serving

READS = [verb for verb in projected.VERBS if BY_NAME[verb.operation].kind == "reads"]
NONE = {"delivery_id", "key_id", "migration_id", "receiver_id"}
"""Of these there is none."""
MORE = {
    "list_prices": ["--provider", "acme"],
    "check_allocation": [
        "--context-id",
        "c",
        "--component",
        "x",
        "--tokens",
        "5",
        "--provider",
        "acme",
        "--model",
        "m",
    ],
    "calculate_cost": ["--input-tokens", "5"],
    "route_request": ["--provider", "acme", "--model", "m"],
    "recommend_models": ["--provider", "openai", "--model", "gpt-4o", "--context-size", "500"],
}


@pytest.fixture(scope="module")
def ids(address):
    """One of everything."""
    with BudgetClient(address) as client:
        client.set_price(provider="acme", model="m", input_cost_per_token=Decimal("0.001"), output_cost_per_token=0)
        policy = client.create_policy(type="warn", period="daily", component="x", token_limit=5)
        call = {"component": "x", "provider": "acme", "model": "m"}
        hold = client.call("allocate", context_id="c-1", tokens_allocated=100, **call)
        record = client.call("record_usage", context_id="c-2", input_tokens=10, output_tokens=1, **call)
        client.call("set_model", provider="acme", model="m", tier="local_midweight")
        return {
            "budget_id": policy["budget_id"],
            "policy_id": policy["policy_id"],
            "allocation_id": hold["allocation_id"],
            "decision_id": hold["allocation_id"],
            "context_id": "c-1",
            "record_id": record["record_id"],
            "alert_id": client.call("list_alerts")["items"][0]["alert_id"],
            "provider": "acme",
            "model": "m",
            "period": "daily",
        }


def words_of(verb, ids):
    return [
        *(word for word in (verb.group, verb.word) if word),
        *(ids[name] for name in verb.positional),
        *MORE.get(verb.operation, ()),
    ]


@pytest.mark.parametrize("verb", [verb for verb in READS if not {*verb.positional} & NONE], ids=str)
def test_it_is_shown_in_every_format(budget, ids, verb):
    for shape in FORMATS:
        status, out, err = budget(*words_of(verb, ids), "--format", shape)
        assert status == exits.DONE, err
        if shape == "json":
            assert isinstance(json.loads(out), dict | list)
        elif shape in ("csv", "tsv"):
            rows = list(csv.reader(io.StringIO(out), delimiter="," if shape == "csv" else "\t"))
            assert len({len(row) for row in rows}) == 1
        elif shape == "markdown":
            assert all(line.startswith("| ") for line in out.splitlines() if line and " " in line and "|" in line)
        else:
            assert all(line == line.rstrip() for line in out.splitlines())


def test_a_key_that_is_unknown_is_not_allowed_by_a_service_that_wants_one(new_database, tmp_path, run):
    with serving(new_database, tmp_path / "closed", variables={"BUDGET_AUTH": "on"}) as closed:
        for words in (["budgets", "list"], ["status"], ["events", "follow"]):
            status, out, err = run(*words, "--api-url", closed.address, "--api-key", "bk-nobody")
            assert (status, out, err.count("\n")) == (exits.NOT_ALLOWED, "", 1)
            assert "bk-nobody" not in err
