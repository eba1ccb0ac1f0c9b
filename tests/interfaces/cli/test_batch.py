"""Many records at once: from a file, from stdin, broken off in the middle, and a million of them in little memory."""

import json
import os
import signal
import subprocess
import sys

import pytest

from budget.interfaces.cli import exits

RECORD = {
    "context_id": "c",
    "component": "batch",
    "provider": "openai",
    "model": "gpt-4o-mini",
    "input_tokens": 5,
    "output_tokens": 1,
}
MANY = 1_000_000 if os.environ.get("BUDGET_TEST_FULL") == "1" else 12_000
MOST_MEGABYTES = 200


def lines(count, **fields):
    return "".join(json.dumps({**RECORD, **fields}) + "\n" for _ in range(count))


def totals(budget, component):
    _, out, _ = budget("report", "summary", "--by", "component", "--component", component, "--format", "json")
    return json.loads(out)["totals"]


def test_records_of_a_file_are_booked_once_however_often_it_is_sent(budget, tmp_path):
    file = tmp_path / "usage.ndjson"
    file.write_text(lines(7, component="file"))
    words = ["usage", "batch", str(file), "--batch-id", "b-1", "--at-a-time", "3"]
    assert budget(*words) == (exits.DONE, "7 accepted, 0 duplicates, 0 refused\n", "")
    assert budget(*words) == (exits.DONE, "0 accepted, 7 duplicates, 0 refused\n", "")
    assert totals(budget, "file")["count"] == 7


def test_csv_is_read_by_its_header(budget, tmp_path):
    file = tmp_path / "usage.csv"
    file.write_text(
        "component,provider,model,context_id,input_tokens,output_tokens,cost,tags\n"
        'csv,openai,gpt-4o,c,5,6,0.00000000001,"{""team"": ""a""}"\n'
        "csv,openai,gpt-4o,c,five,6,,\n"
    )
    status, out, err = budget("usage", "batch", str(file))
    assert (status, out) == (exits.FAILED, "1 accepted, 0 duplicates, 1 refused\n")
    assert err.startswith("budget: line 3: input_tokens: ")
    assert totals(budget, "csv")["cost"] == pytest.approx(1e-11)


def test_a_line_that_is_wrong_is_named_and_spoils_no_other(budget, tmp_path):
    file = tmp_path / "usage.ndjson"
    file.write_text('nope\n\n{"component": 5}\n{"a": 1}\n' + lines(1, tier="moon") + lines(1))
    status, out, err = budget("usage", "batch", str(file))
    assert (status, out) == (exits.FAILED, "1 accepted, 0 duplicates, 4 refused\n")
    said = [line.split(": ")[1:3] for line in err.splitlines()]
    assert said == [["line 1", "is not JSON"], ["line 3", "component"], ["line 4", "a"], ["line 5", "tier"]]


def test_what_no_parser_can_read_spoils_no_other_either(budget, tmp_path):
    deep, wide = tmp_path / "deep.ndjson", tmp_path / "wide.csv"
    deep.write_text("[" * 100_000 + "\n" + lines(1))
    wide.write_text(",".join(RECORD) + "\n" + "x" * 200_000 + "\n" + ",".join(map(str, RECORD.values())) + "\n")
    for file, line in ((deep, "line 1"), (wide, "line 2")):
        status, out, err = budget("usage", "batch", str(file))
        assert (status, out, line in err) == (exits.FAILED, "1 accepted, 0 duplicates, 1 refused\n", True)


def test_a_record_that_belongs_to_no_context_is_booked_as_one_alone_would_be(budget, tmp_path):
    file = tmp_path / "usage.ndjson"
    record = {**RECORD, "component": "alone", "request_id": "alone-1"}
    file.write_text(json.dumps({name: value for name, value in record.items() if name != "context_id"}) + "\n")
    assert budget("usage", "batch", str(file))[1] == "1 accepted, 0 duplicates, 0 refused\n"
    assert budget("usage", "batch", str(file))[1] == "0 accepted, 1 duplicates, 0 refused\n"
    fields = [word for name, value in record.items() if name != "context_id" for word in (f"--{name}", str(value))]
    assert budget("usage", "record", *(word.replace("_", "-") for word in fields))[0] == exits.DONE
    assert totals(budget, "alone")["count"] == 1


def test_a_rehearsal_sends_nothing(budget, tmp_path):
    file = tmp_path / "usage.ndjson"
    file.write_text(lines(3, component="rehearsed"))
    assert budget("usage", "batch", str(file), "--dry-run")[:2] == (
        exits.DONE,
        "would be 3 accepted, 0 duplicates, 0 refused\n",
    )
    assert totals(budget, "rehearsed")["count"] == 0


def test_a_file_that_is_not_there_is_a_wrong_command_line(budget):
    assert budget("usage", "batch", "/no/such/file")[0] == exits.USAGE


def test_a_batch_that_meets_no_service_says_how_to_go_on(run, tmp_path):
    file = tmp_path / "usage.ndjson"
    file.write_text(lines(2))
    status, _, err = run("usage", "batch", str(file), "--api-url", "http://127.0.0.1:9")
    assert status == exits.UNREACHABLE
    assert "0 accepted" in err
    assert "--batch-id" in err


@pytest.fixture
def batch(address):
    """A batch in a process of its own, fed through a pipe."""
    process = subprocess.Popen(
        [
            sys.executable,
            "-P",
            "-m",
            "budget",
            "usage",
            "batch",
            "--at-a-time",
            "1000",
            "--batch-id",
            "cut",
            "--verbose",
        ],
        env={**os.environ, "BUDGET_API_URL": address},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    yield process
    process.kill()
    process.communicate()


def test_ctrl_c_in_the_middle_says_what_was_accepted(batch, budget):
    batch.stdin.write(lines(1_500, component="cut"))
    batch.stdin.flush()
    assert "1,000 accepted" in batch.stderr.readline()
    batch.send_signal(signal.SIGINT)
    _, err = batch.communicate(timeout=30)
    assert batch.returncode == exits.INTERRUPTED
    assert "1,000 accepted, 0 duplicates, 0 refused" in err
    assert "Traceback" not in err
    assert totals(budget, "cut")["count"] == 1_000


def test_a_million_records_from_stdin_take_little_memory(budget, address):
    program = (
        "import re, sys, pathlib; from budget.interfaces.cli.main import main; status = main(['usage', 'batch']); "
        # Of this program alone: `getrusage` counts what the process was before it became this one.
        r"print(int(re.search(r'VmHWM:\s+(\d+)', pathlib.Path('/proc/self/status').read_text())[1]) // 1024); "
        "sys.exit(status)"
    )
    with subprocess.Popen(
        [sys.executable, "-P", "-c", program],
        env={**os.environ, "BUDGET_API_URL": address},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin is not None
        thousand = lines(1_000, component="many")
        for _ in range(MANY // 1_000):
            process.stdin.write(thousand)
        out, _ = process.communicate()
    said, megabytes = out.splitlines()
    assert (process.returncode, said) == (exits.DONE, f"{MANY:,} accepted, 0 duplicates, 0 refused")
    assert int(megabytes) < MOST_MEGABYTES
    assert totals(budget, "many")["count"] == MANY
