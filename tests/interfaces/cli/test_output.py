"""What people see: tables at a fixed width, to the letter."""

import json
from decimal import Decimal

import pytest

from budget.interfaces.cli.output import Output

ROWS = [
    {
        "budget_id": "b-1",
        "record_id": "0192a1b2-c3d4-7000-8000-000000000001",
        "occurred_at": "2026-11-24T22:30:00.000000Z",
        "component": "apollo",
        "model": "gpt-4o",
        "input_tokens": 1_234_567,
        "output_tokens": None,
        "cost": Decimal("0.00000000001"),
        "unpriced": True,
    },
    {
        "budget_id": "b-2",
        "record_id": "0192a1b2-c3d4-7000-8000-000000000002",
        "occurred_at": "2026-11-24T22:30:00.000000Z",
        "component": "翻訳\x1b[31m",
        "model": "llama|3",
        "input_tokens": 1,
        "output_tokens": 2,
        "cost": Decimal("1234.5"),
        "late": True,
    },
]
FIELDS = ("record_id", "occurred_at", "component", "model", "input_tokens", "output_tokens", "cost")
WIDE = """\
record id                             occurred at              component  model    input tokens  output tokens            cost  flags
0192a1b2-c3d4-7000-8000-000000000001  2026-11-24 23:30:00 CET  apollo     gpt-4o      1,234,567              –  $0.00000000001  unpriced
0192a1b2-c3d4-7000-8000-000000000002  2026-11-24 22:30:00 UTC  翻訳·[31m  llama|3             1              2       $1,234.50  late
"""  # noqa: E501 -- as wide as it is
NARROW = """\
record id      0192a1b2-c3d4-7000-8000-000000000001
occurred at    2026-11-24 23:30:00 CET
component      apollo
model          gpt-4o
input tokens   1,234,567
output tokens  –
cost           $0.00000000001
flags          unpriced
"""


@pytest.fixture
def out():
    return lambda shape, quiet=False: Output(
        shape, lambda budget: "Europe/Berlin" if budget == "b-1" else "UTC", quiet=quiet
    )


def test_a_table_is_as_wide_as_it_needs_where_nobody_looks(out, capsys):
    out("table").rows(ROWS, "UsageRecord", FIELDS)
    assert capsys.readouterr().out == WIDE


def test_a_narrow_terminal_gets_each_row_as_lines(out, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "60")
    out("table").rows(ROWS, "UsageRecord", FIELDS)
    shown = capsys.readouterr().out
    assert shown.startswith(NARROW + "\nrecord id")
    assert all(len(line) <= 60 for line in shown.splitlines())


def test_long_words_are_folded_and_never_cut(out, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "30")
    out("table").rows(ROWS, "UsageRecord", FIELDS)
    assert "0192a1b2" in capsys.readouterr().out


def test_markdown_escapes_its_own_signs(out, capsys):
    out("markdown").rows(ROWS, "UsageRecord", FIELDS)
    assert "| llama\\|3 |" in capsys.readouterr().out


def test_csv_and_json_have_every_digit_and_the_service_s_own_times(out, capsys):
    out("csv").rows(ROWS, "UsageRecord", FIELDS)
    first = capsys.readouterr().out.splitlines()[1]
    assert first == f"{ROWS[0]['record_id']},2026-11-24T22:30:00.000000Z,apollo,gpt-4o,1234567,,0.00000000001"
    out("json").rows(ROWS[:1], "UsageRecord", FIELDS)
    (row,) = json.loads(capsys.readouterr().out, parse_float=Decimal)
    assert row["cost"] == Decimal("0.00000000001")


def test_nothing_is_said_beside_an_empty_table(out, capsys):
    out("table").rows([], "UsageRecord", FIELDS)
    said = capsys.readouterr()
    assert (said.out, said.err) == ("", "nothing found\n")


def test_quiet_is_ids_alone(out, capsys):
    out("table", quiet=True).rows(ROWS, "UsageRecord", FIELDS)
    assert capsys.readouterr().out.split() == [row["record_id"] for row in ROWS]


def test_one_thing_is_shown_without_what_says_nothing(out, capsys):
    budget: dict[str, object] = {
        "budget_id": "b-1",
        "owner": None,
        "late": False,
        "metadata": {},
        "created_at": "2026-11-24T00:00:00Z",
    }
    out("table").record(budget, "Budget", tuple(budget))
    assert capsys.readouterr().out == "budget id   b-1\ncreated at  2026-11-24 01:00:00 CET\n"
