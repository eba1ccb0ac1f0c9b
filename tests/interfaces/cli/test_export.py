"""`budget export` against a service on a real socket."""

import csv
import io
import json

import httpx
import pytest


@pytest.fixture(scope="module")
def recorded(address):
    """Two records, one of them by a user."""
    usage = {"component": "rhetor", "provider": "acme", "model": "m", "context_id": "c", "input_tokens": 3}
    for user in (None, "grace"):
        sent = {**usage, "output_tokens": 2, "user_id": user}
        assert httpx.post(f"{address}/api/usage/record", json=sent).is_success
    return address


def test_a_file_is_written_whole(run, recorded, tmp_path):
    path = tmp_path / "usage.json"
    assert run("export", "usage", "--api-url", recorded, "--format", "json", "-o", str(path))[0] == 0
    assert [record["total_tokens"] for record in json.loads(path.read_text())] == [5, 5]
    assert list(tmp_path.glob("*.part")) == []


def test_without_a_file_it_goes_to_standard_output(run, recorded):
    status, out, _ = run("export", "focus", "--api-url", recorded, "--component", "rhetor", "--pseudonymise-users")
    assert status == 0
    assert {row["ServiceName"] for row in csv.DictReader(io.StringIO(out))} == {"m"}
    assert "grace" not in out


def test_a_refusal_leaves_no_file_and_says_why(run, recorded, tmp_path):
    status, _, err = run("export", "usage", "--api-url", recorded, "--from", "soon", "-o", str(tmp_path / "x.csv"))
    assert (status, list(tmp_path.iterdir())) == (1, [])
    assert "soon" in err


def test_a_file_that_cannot_be_written_and_a_service_that_is_not_there_are_said(run, recorded, tmp_path):
    status, _, err = run("export", "usage", "--api-url", recorded, "-o", str(tmp_path / "no" / "x.csv"))
    assert status == 2
    assert "--output" in err
    status, _, err = run("export", "usage", "--api-url", "http://127.0.0.1:9", "-o", str(tmp_path / "x.csv"))
    assert (status, list(tmp_path.iterdir())) == (4, [])
