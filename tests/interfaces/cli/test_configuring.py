"""The command line's own settings: option before environment before file before default, and no secret shown."""

import json
from pathlib import Path

import pytest

from budget.interfaces.cli import exits, profiles


@pytest.fixture
def config(run, tmp_path):
    def config(*words):
        status, out, err = run("config", *words)
        assert status == exits.DONE, err
        return out

    return config


def found(config, *words):
    return {row["name"]: (row["value"], row["from"]) for row in json.loads(config("list", "--format", "json", *words))}


def test_each_value_says_where_it_comes_from(config, monkeypatch):
    assert found(config)["api_url"] == ("http://localhost:8013", "default")
    config("set", "api_url", "http://localhost:1", "--profile", "work")
    config("set", "profile", "work")
    assert found(config)["profile"] == ("work", "file")
    assert found(config)["api_url"] == ("http://localhost:1", "profile work")
    monkeypatch.setenv("BUDGET_API_URL", "http://localhost:2")
    assert found(config)["api_url"] == ("http://localhost:2", "BUDGET_API_URL")
    assert found(config)["format"] == ("json", "option")
    assert config("get", "api_url") == "http://localhost:2\n"


def test_a_profile_is_asked_by_name(config, budget, address, monkeypatch):
    monkeypatch.delenv("BUDGET_API_URL")
    config("set", "api_url", address, "--profile", "here")
    assert budget("--profile", "here", "budgets", "list", "-q")[0] == exits.DONE
    monkeypatch.setenv("BUDGET_PROFILE", "here")
    assert budget("budgets", "list", "-q")[0] == exits.DONE
    status, _, err = budget("budgets", "list", "--profile", "there")
    assert (status, "it has: here" in err) == (exits.USAGE, True)


def test_a_secret_is_kept_for_its_owner_and_never_shown(config):
    config("set", "api_key", "bk-secret")
    file = Path(config("path").strip())
    assert file.stat().st_mode & 0o777 == 0o600
    assert "bk-secret" in file.read_text()
    shown = config("list") + config("get", "api_key") + config("list", "--service", "--format", "csv")
    assert "bk-secret" not in shown
    assert "not shown" in shown


def test_what_is_taken_out_is_its_default_again(config, run):
    config("set", "utc", "true")
    config("unset", "utc")
    assert found(config)["utc"] == ("false", "default")
    assert run("config", "unset", "utc")[0] == exits.FAILED
    config("unset", "profile")


@pytest.mark.parametrize(
    ("name", "value"),
    [("api_url", "here"), ("format", "xml"), ("utc", "yes"), ("timeout_seconds", "0"), ("timeout_seconds", "9999"),
     ("api_key", "a b"), ("profile", "nobody")],
)  # fmt: skip
def test_a_value_that_cannot_be_is_refused(run, name, value):
    status, _, err = run("config", "set", name, value)
    assert (status, err.count("\n")) == (exits.USAGE, 1)


def test_the_service_s_variables_are_listed_with_theirs(config, monkeypatch):
    monkeypatch.setenv("BUDGET_PORT", "8113")
    assert found(config, "--service")["BUDGET_PORT"] == ("8113", "environment")


@pytest.mark.parametrize("content", ["colour = 1", "[profiles.a]\nport = 1", "=", "profile = 5"])
def test_a_file_that_is_wrong_is_named(run, content, tmp_path, monkeypatch):
    monkeypatch.setenv("BUDGET_CONFIG", str(tmp_path / "own.toml"))
    (tmp_path / "own.toml").write_text(content)
    status, _, err = run("budgets", "list")
    assert status == exits.FAILED
    assert "own.toml" in err


def test_what_is_written_is_read_again(tmp_path):
    tables = {"a-1": {"api_key": 'q"uo\\te', "utc": "true"}}
    profiles.write(tmp_path / "x" / "c.toml", "a-1", tables)
    assert profiles.read(tmp_path / "x" / "c.toml") == ("a-1", tables)
