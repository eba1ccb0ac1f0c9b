"""Reports as people see them, and as programs add them up: always the ledger."""

import csv
import io
import itertools
import json
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from budget.client import BudgetClient
from budget.interfaces.cli import exits
from budget.interfaces.cli.main import main

FIELDS = ("provider", "model", "component", "task_type", "tier", "budget", "user", "tag:team")


@pytest.fixture(scope="module")
def used(address):
    """A budget in which little was used, long ago."""
    with BudgetClient(address) as client:
        budget_id = client.create_budget(name="Reported", default_policies=False, time_zone="Europe/Berlin")[
            "budget_id"
        ]
        client.create_policy(budget_id=budget_id, type="warn", period="monthly", cost_limit=2)
        for day, model, tokens, cost in (
            (1, "gpt-4o", 1_000, "0.25"),
            (2, "gpt-4o", 3_000, "0.75"),
            (4, "phi", 500, "0.5"),
        ):
            client.record(
                budget_id=budget_id, context_id="c", component="docs", provider="acme", model=model,
                input_tokens=tokens, output_tokens=0, cost=Decimal(cost), occurred_at=f"2026-01-0{day}T12:00:00Z",
            )  # fmt: skip
    return budget_id


SUMMARY = """\
model   input tokens  output tokens  total tokens   cost  count
gpt-4o         4,000              0         4,000  $1.00      2  ████████████████████
phi              500              0           500  $0.50      1  ██████████
total          4,500              0         4,500  $1.50      3
"""
TREND = """\
model   cost by day  input tokens  output tokens  total tokens   cost  count
gpt-4o  ▃█▁▁                4,000              0         4,000  $1.00      2
phi     ▁▁▁█                  500              0           500  $0.50      1
total                       4,500              0         4,500  $1.50      3
"""
TOP = """\
provider  model   input tokens  output tokens  total tokens   cost  count
acme      gpt-4o         4,000              0         4,000  $1.00      2  █████████████
others    –                500              0           500  $0.50      1  ███████
total     –              4,500              0         4,500  $1.50      3
"""
STRETCH = ("--from", "2026-01-01", "--to", "2026-01-04")


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        (("summary", "--by", "model"), SUMMARY),
        (("trend", "--by", "model"), TREND),
        (("top", "--limit", "1"), TOP),
    ],
)
def test_a_report_is_a_table_with_bars_or_lines(budget, used, words, shown):
    status, out, err = budget("report", *words, *STRETCH, "--budget", "Reported")
    assert (status, out) == (exits.DONE, shown)
    assert err.startswith("2026-01-01 00:00:00 CET to 2026-01-05 00:00:00 CET: 4,500 tokens, $1.50; 100% priced")


@pytest.mark.parametrize("kind", ["forecast", "burn-down", "coverage"])
@pytest.mark.parametrize("shape", ["table", "json", "csv", "tsv", "markdown"])
def test_the_others_are_told_in_each_format(budget, used, kind, shape):
    status, out, _ = budget("report", kind, "--budget", used, "--format", shape)
    assert status == exits.DONE
    if shape == "json":
        assert json.loads(out)["coverage"]


def test_a_wrong_report_is_refused_before_it_is_asked_for(budget):
    for words in (["trend", "--bucket", "year"], ["top", "--unit", "pounds"], ["summary", "--by", "colour"]):
        assert budget("report", *words)[0] == exits.USAGE


record = st.fixed_dictionaries(
    {
        "provider": st.sampled_from(["a", "b"]),
        "model": st.sampled_from(["m", "n"]),
        "component": st.sampled_from(["x", "y"]),
        "task_type": st.sampled_from(["chat", "code"]),
        "user_id": st.sampled_from([None, "u"]),
        "tags": st.sampled_from([{}, {"team": "t"}]),
        "input_tokens": st.integers(0, 10**6),
        "output_tokens": st.integers(0, 10**6),
        "cost": st.decimals(0, 100, places=11),
        "days_ago": st.integers(0, 20),
    }
)
names = itertools.count()


@given(st.lists(record, max_size=8), st.lists(st.sampled_from(FIELDS), max_size=2, unique=True), st.booleans())
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_the_grouping_a_report_adds_up_to_the_ledger(address, capfd, records, by, in_days):
    with BudgetClient(address) as client:
        budget_id = client.create_budget(name=f"Random {next(names)}", default_policies=False)["budget_id"]
        sent = [_sent(each, budget_id) for each in records]
        if sent:
            assert client.record_batch(sent)["accepted"] == len(sent)
    capfd.readouterr()
    words = ["report", "summary", "--api-url", address, "--budget", budget_id, "--format", "csv"]
    words += [*(f"--by={field}" for field in by), *(["--bucket", "day"] if in_days else [])]
    assert main(words) == exits.DONE
    rows = list(csv.DictReader(io.StringIO(capfd.readouterr().out)))
    for name in ("input_tokens", "output_tokens", "cost"):
        assert sum(Decimal(row[name]) for row in rows) == sum(Decimal(each[name]) for each in sent)
    assert sum(int(row["count"]) for row in rows) == len(sent)


def _sent(record, budget_id):
    from budget.client import exchange
    from budget.domain import instants

    rest = {name: value for name, value in record.items() if name != "days_ago" and value is not None}
    occurred = instants.iso(exchange.now() - record["days_ago"] * 86_400_000_000)
    return {**rest, "budget_id": budget_id, "context_id": "c", "occurred_at": occurred}
