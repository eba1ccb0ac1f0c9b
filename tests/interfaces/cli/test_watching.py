"""What happens, as it happens: followed by a program, watched on a pseudo-terminal; and the status at one moment."""

import json
import re

import pytest

from budget.interfaces.cli import exits

USAGE = ["--component", "docs", "--provider", "openai", "--model", "gpt-4o"]
USAGE += ["--input-tokens", "20000", "--output-tokens", "10000"]


@pytest.fixture(scope="module")
def used(address):
    """A budget with a limit, a hold, a record and an alert."""
    from budget.client import BudgetClient

    with BudgetClient(address) as client:
        budget_id = client.create_budget(name="Watched", default_policies=False)["budget_id"]
        client.create_policy(budget_id=budget_id, type="hard_limit", period="monthly", cost_limit=1)
        client.create_policy(budget_id=budget_id, type="warn", period="monthly", token_limit=20_000)
        call = {"budget_id": budget_id, "component": "docs", "provider": "openai", "model": "gpt-4o"}
        client.allocate(context_id="chat-1", tokens_allocated=50_000, **call)
        client.record(context_id="chat-2", input_tokens=20_000, output_tokens=10_000, **call)
    return budget_id


STATUS = """\
Budget 0.1.0 at URL: healthy, up TIME

limits
  monthly cost, hard_limit, everything  ███▒▒▒▒▒▒▒▒▒▒░░░░░░░  15%   $0.15 used + $0.50 held of $1.00, $0.35 free; resets in TIME
  monthly tokens, warn, everything      ████████████████████  150%  30,000 used + 50,000 held of 20,000, -60,000 free; resets in TIME

holds
  ID  docs  50,000 tokens, $0.50  open, expires in TIME

alerts
  error  DATE  MESSAGE  ID
  error  DATE  MESSAGE  ID
  warning  DATE  MESSAGE  ID

neighbours
  none
"""  # noqa: E501 -- as wide as it is


def test_the_status_is_one_screen(budget, used, address):
    status, out, _ = budget("status", "--budget", "Watched")
    shown = out.replace(address, "URL")
    shown = re.sub(r"[0-9a-f]{8}-[0-9a-f-]{27}", "ID", shown)
    shown = re.sub(r"\b\d+[dhms]( \d+[hms])?\b", "TIME", shown)
    shown = re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC", "DATE", shown)
    shown = re.sub(r"(  DATE  ).*(  ID)", r"\1MESSAGE\2", shown)
    shown = re.sub(r"^  (error|warning) +DATE", r"  \1  DATE", shown, flags=re.MULTILINE)
    assert (status, shown) == (exits.DONE, STATUS)


def test_limits_of_several_budgets_say_whose_they_are(budget, used):
    out = budget("status")[1]
    assert re.search(r"^  Watched: monthly cost, hard_limit, everything +███", out, re.MULTILINE)
    assert re.search(r"^  Default Budget: daily cost, warn, everything +░", out, re.MULTILINE)


def test_on_a_narrow_terminal_a_limit_is_still_one_line(terminal, used, address):
    screen = terminal("status", "--budget", "Watched", "--api-url", address, COLUMNS="80", PYTHONIOENCODING="utf-8")
    screen.until("monthly cost, hard_limit, everything  █▒▒▒░░  $0.15 + $0.50 of $1.00")
    screen.until("monthly tokens, warn, everything      ██████  30,000 + 50,000 of 20,000")
    assert screen.ended() == exits.DONE


def test_the_status_is_there_for_programs(budget, used):
    found = json.loads(budget("status", "--budget", used, "--format", "json")[1])
    assert [limit["unit"] for limit in found["limits"]] == ["cost", "tokens"]
    assert found["holds"][0]["remaining_tokens"] == 50_000
    narrowed = budget("status", "--budget", used, "--period", "daily", "--format", "csv")[1]
    assert narrowed.count("\n") == 1


@pytest.mark.parametrize(
    ("shape", "line"),
    [
        ("json", '{"seq":1,"type":"budget.created"'),
        ("csv", "seq,time,type,severity"),
        ("tsv", "seq\ttime\ttype"),
        ("markdown", "| seq | time | type | what |"),
        ("table", "     1  20"),
    ],
)
def test_events_are_followed_in_each_format(budget, shape, line):
    status, out, _ = budget("events", "follow", "--after", "0", "--count", "2", "--format", shape)
    assert status == exits.DONE
    assert out.startswith(line)
    if shape == "json":
        assert [json.loads(each)["seq"] for each in out.splitlines()] == [1, 2]


def test_alerts_are_followed_alone(budget, used):
    words = ["alerts", "follow", "--after", "0", "--count", "2", "--budget", "Watched", "--format", "json"]
    kinds = [json.loads(each)["type"] for each in budget(*words)[1].splitlines()]
    assert {kind.partition(".")[0] for kind in kinds} == {"limit"}


def test_a_live_screen_shows_what_happens(terminal, budget, used, address):
    screen = terminal("watch", "--api-url", address, "--budget", "Watched", LINES="60", COLUMNS="160")
    screen.until("nothing yet")
    assert budget("usage", "record", "--budget", used, *USAGE, "-q")[0] == exits.DONE
    screen.until("$0.30 used")
    screen.until("usage.recorded")
    screen.type("\x03")
    assert screen.ended() == exits.DONE


def test_a_live_screen_needs_a_terminal(budget):
    status, _, err = budget("watch")
    assert (status, "needs a terminal" in err) == (exits.USAGE, True)


def test_colour_is_for_terminals_and_not_for_those_who_want_none(terminal, address, used):
    coloured = terminal("alerts", "list", "--api-url", address, COLUMNS="200")
    assert coloured.ended() == exits.DONE
    assert "\x1b[1;31merror" in coloured.seen
    plain = terminal("alerts", "list", "--api-url", address, COLUMNS="200", NO_COLOR="1")
    assert plain.ended() == exits.DONE
    assert "\x1b[1;31m" not in plain.seen
