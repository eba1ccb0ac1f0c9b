"""Example data: only in an empty ledger, in a budget of its own, marked, and taken back by voiding."""

import httpx

from budget.interfaces.cli.demo import CALLS, DAYS, NAME


def items(address, path, **asked):
    return httpx.get(f"{address}/api{path}", params={"limit": 100, **asked}).json()["items"]


def test_example_data_comes_once_and_goes_and_the_journal_keeps_both(budget, address):
    count = DAYS * len(CALLS)
    status, _, err = budget("demo")
    assert (status, f"{count} calls" in err) == (0, True)
    (made,) = [each for each in items(address, "/budgets") if each["name"] == NAME]
    assert made["metadata"] == {"demo": True}
    records = items(address, "/usage/records")
    assert all(record["metadata"] == {"demo": True} and record["budget_id"] == made["budget_id"] for record in records)
    assert not any(record["unpriced"] for record in records if record["provider"] != "ollama")
    forecasts = [limit["forecast"] for limit in items(address, "/limits", budget_id=made["budget_id"])]
    assert {each["method"] for each in forecasts} == {"weekday"}

    assert budget("demo")[0] != 0

    status, _, err = budget("demo", "--remove")
    assert (status, f"{count} records are voided" in err) == (0, True)
    assert items(address, "/usage/records") == []
    assert httpx.get(f"{address}/api/budgets/{made['budget_id']}").json()["is_active"] is False
    assert items(address, "/events", types="usage.voided", after=0)
    assert budget("demo", "--remove")[0] != 0
