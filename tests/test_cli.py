"""The `budget` command as a process: it serves, verifies, and says what is wrong in one line."""

import json
import os
import signal
import socket
import subprocess
import sys
import time

import httpx
import pytest


def a_free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture
def variables(tmp_path):
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("BUDGET_", "TEKTON_"))}
    return {
        **kept,
        "HOME": str(tmp_path),
        "BUDGET_DB_PATH": str(tmp_path / "budget.db"),
        "BUDGET_PORT": str(a_free_port()),
    }


def budget(variables, *arguments, **changes):
    command = [sys.executable, "-P", "-m", "budget", *arguments]
    return subprocess.run(
        command, env={**variables, **changes}, capture_output=True, text=True, timeout=60, check=False
    )


def started(process, address):
    """Wait until it answers, at most half a minute."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        assert process.poll() is None, process.communicate()
        try:
            httpx.get(f"{address}/ready", timeout=1)
        except httpx.TransportError:
            time.sleep(0.05)
        else:
            return
    pytest.fail("the service does not answer")


@pytest.fixture
def address(variables):
    return f"http://127.0.0.1:{variables['BUDGET_PORT']}"


@pytest.fixture
def serving(variables, address):
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "budget"],
        env=variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        started(process, address)
        yield process
    finally:
        process.kill()
        process.communicate()


def test_it_serves_and_stops_as_told(serving, address):
    assert httpx.get(f"{address}/ready").json()["ready"] is True
    serving.send_signal(signal.SIGTERM)
    out, _ = serving.communicate(timeout=30)
    assert serving.returncode == 0
    for word in ("/api", "/docs", "budget.db", "command"):
        assert word in out


def test_ctrl_c_stops_it_too(serving):
    serving.send_signal(signal.SIGINT)
    _, err = serving.communicate(timeout=30)
    assert (serving.returncode, "Traceback" in err) == (0, False)


def test_verify_reads_beside_the_running_service(serving, address, variables):
    ask = {"context_id": "c", "component": "apollo", "tokens_allocated": 10}
    assert httpx.post(f"{address}/api/allocations", json=ask).status_code == 201
    found = budget(variables, "verify")
    assert (found.returncode, found.stderr) == (0, "")
    report = json.loads(found.stdout)
    assert report["entries"] > 0
    assert report["balances"] > 0
    assert report["differences"] == 0


def test_a_second_service_on_the_same_port_or_file_says_so(serving, variables):
    for changes, said in (({}, "BUDGET_PORT"), ({"BUDGET_PORT": str(a_free_port())}, "another Budget runs on")):
        refused = budget(variables, "serve", **changes)
        assert refused.returncode == 1
        assert said in refused.stderr
        assert refused.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("name", "value"),
    [("BUDGET_PORT", "eighty"), ("BUDGET_PROT", "80"), ("BUDGET_BIND", "0 0"), ("BUDGET_TIME_ZONE", "Mars")],
)
def test_a_wrong_setting_is_one_line(variables, name, value):
    refused = budget(variables, "serve", **{name: value})
    assert refused.returncode == 1
    assert name in refused.stderr
    assert refused.stderr.count("\n") == 1


def test_verify_without_a_database_says_so(variables, tmp_path):
    refused = budget(variables, "verify")
    assert refused.returncode == 1
    assert "there is no database" in refused.stderr
    assert not (tmp_path / "budget.db").exists()


def test_version_and_help(variables):
    assert budget(variables, "--version").stdout == "budget 0.1.0\n"
    assert "verify" in budget(variables, "--help").stdout
    assert budget(variables, "nonsense").returncode == 2
