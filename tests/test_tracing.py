"""TEKTON_DEBUG: every public function of every module is told of, with its duration and without secrets."""

import json
import subprocess
import sys

import httpx
import pytest

from benchmarks.service import Service
from budget import tracing

EVERYTHING = """
import importlib, inspect, json, pkgutil, sys
from budget import tracing
if sys.argv[1] == "on":
    tracing.install()
missing, found, untagged = [], 0, []
for package in ("engine", "storage", "operations", "adapters", "interfaces"):
    root = importlib.import_module(f"budget.{package}")
    for info in [root, *pkgutil.walk_packages(root.__path__, root.__name__ + ".")]:
        module = importlib.import_module(getattr(info, "name", getattr(info, "__name__", "")))
        if module.__name__ in tracing._QUIET or not hasattr(module, "__file__"):
            continue
        for name, value in vars(module).items():
            if name.startswith("_") or getattr(value, "__module__", None) != module.__name__:
                continue
            members = {name: value}
            if inspect.isclass(value):
                members = {f"{name}.{key}": member for key, member in vars(value).items() if not key.startswith("_")}
            for key, member in members.items():
                if inspect.isfunction(member) and member.__module__ == module.__name__:
                    found += 1
                    if tracing.tag_of(module.__name__) is None:
                        untagged.append(module.__name__)
                    if member.__code__.co_name not in ("told", "told_async"):
                        missing.append(f"{module.__name__}.{key}")
print(json.dumps({"found": found, "missing": missing, "untagged": sorted(set(untagged))}))
"""


def walk(state):
    run = subprocess.run([sys.executable, "-c", EVERYTHING, state], capture_output=True, text=True, check=True)
    return json.loads(run.stdout.splitlines()[-1])  # what was called while importing is told above


def test_every_public_function_of_every_module_is_traced():
    walked = walk("on")
    assert walked["untagged"] == [], "give the package a name in tracing.TAGS"
    assert walked["missing"] == []
    assert walked["found"] > 300


def test_without_it_no_function_is_wrapped():
    walked = walk("off")
    assert len(walked["missing"]) == walked["found"]


@pytest.fixture(scope="module")
def lines(tmp_path_factory):
    """What a service says of one record, one refused request and one reading, each with a secret in it."""
    folder = tmp_path_factory.mktemp("traced")
    log = folder / "budget.log"
    environment = {
        "TEKTON_DEBUG": "true",
        "BUDGET_LOG_LEVEL": "DEBUG",
        "TEKTON_LOG_FORMAT": "json",
        "TEKTON_LOG_FILE": str(log),
    }
    with Service(folder, environment=environment) as service, httpx.Client(base_url=service.url) as client:
        usage = {"context_id": "c", "component": "apollo", "provider": "openai", "model": "gpt-4o"}
        headers = {"X-Request-Id": "trace-1", "Authorization": "Bearer sk-verysecretkey123"}
        counts = {"input_tokens": 1, "output_tokens": 1, "metadata": {"api_key": "sk-verysecretkey123"}}
        answer = client.post("/api/usage/record", json={**usage, **counts}, headers=headers)
        assert (answer.status_code, answer.headers["x-request-id"]) == (201, "trace-1")
        client.get("/api/usage/records/none", headers={"X-Request-Id": "trace-2"})
    return [json.loads(line) for line in log.read_text().splitlines() if line.startswith("{")]


def of_request(lines, request_id):
    return [line for line in lines if line.get("data", {}).get("request_id") == request_id]


def test_a_call_is_told_with_its_arguments_and_how_long_it_took(lines):
    calls = [line for line in lines if line["message"] == "call"]
    assert {"budget_engine", "budget_repository", "budget_api"} <= {line["component"] for line in calls}
    (saved, *_) = [line for line in calls if line["data"]["function"] == "storage.journal.save"]
    assert set(saved["data"]["arguments"]) == {"connection", "state", "decisions", "written"}
    returns = [line for line in lines if line["message"] == "return"]
    assert all(line["data"]["milliseconds"] >= 0 for line in returns)


def test_what_was_written_is_told(lines):
    written = [line["data"] for line in lines if line["message"] == "written"]
    assert any(line["kinds"] == {"used": 1} for line in written)


def test_a_request_is_followed_by_its_id_from_in_to_out(lines):
    told = of_request(lines, "trace-1")
    assert [told[0]["message"], told[-1]["message"]] == ["request", "answer"]
    assert told[-1]["data"]["status"] == 201
    refused = of_request(lines, "trace-2")
    assert any(line["message"] == "raise" and "NotFound" in line["data"]["error"] for line in refused)
    assert any(line["component"] == "budget_repository" for line in refused), "the reader's thread knows it, too"


def test_no_secret_is_told(lines):
    assert "verysecret" not in json.dumps(lines)


def test_the_longest_package_gives_the_name():
    assert tracing.tag_of("budget.interfaces.ws.routes") == "budget_websocket"
    assert tracing.tag_of("budget.domain.money") is None
