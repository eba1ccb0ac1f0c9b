"""Settings: what each variable does, and the one line that says when one is wrong."""

import re
from decimal import Decimal
from pathlib import Path

import pytest

from budget import settings
from budget.interfaces.cli import profiles
from budget.settings import SettingsError, load
from budget.variables import KNOWN, Treatment


def loaded(**variables):
    return load({"HOME": "/home/ada", **variables})


def test_the_defaults():
    plain = loaded()
    assert (plain.port, plain.bind, plain.host, plain.version) == (8013, "127.0.0.1", "localhost", "0.1.0")
    assert plain.database_url == "sqlite:////home/ada/.tekton/data/budget/budget.db"
    assert plain.database_path == Path("/home/ada/.tekton/data/budget/budget.db")
    assert (plain.time_zone, plain.unpriced, plain.synchronous) == ("UTC", "refuse", "FULL")
    assert (plain.queue_limit, plain.batch_limit) == (20_000, 2_000)
    assert (plain.limit, plain.warning_threshold_usd, plain.report_tags) == (500, 100, ())
    assert (plain.log_level, plain.log_format, plain.log_file) == ("INFO", "text", None)
    assert (plain.hermes_url, plain.rhetor_url) == ("http://localhost:8001", "http://localhost:8003")
    assert plain.endpoint == "http://localhost:8013"
    assert not plain.auth_required
    assert plain.warnings == ()


def test_defaults_on_the_wire_stand_in_the_table_of_variables():
    plain = loaded()
    table = {variable.name: variable.default for variable in KNOWN}
    assert table["BUDGET_PORT"] == str(plain.port)
    assert table["BUDGET_BIND"] == plain.bind
    assert table["BUDGET_VERSION"] == plain.version
    assert table["BUDGET_TIME_ZONE"] == plain.time_zone
    assert table["BUDGET_QUEUE_LIMIT"] == str(plain.queue_limit)
    assert table["BUDGET_BATCH_LIMIT"] == str(plain.batch_limit)
    assert table["BUDGET_LLM_TIMEOUT_SECONDS"] == str(plain.llm_timeout_seconds)
    assert Decimal(table["BUDGET_LIMIT"]) == plain.limit
    assert Decimal(table["BUDGET_WARNING_THRESHOLD"]) == plain.warning_threshold_usd


def test_settings_are_frozen_and_do_not_show_secrets():
    configured = loaded(
        BUDGET_LLM_API_KEY="abcdef", BUDGET_DATABASE_URL="postgresql+asyncpg://budget:hunter2@db:5432/budget"
    )
    assert configured.llm_api_key.get_secret_value() == "abcdef"
    assert configured.database_path is None
    assert not re.search("abcdef|hunter2", repr(configured))
    with pytest.raises(ValueError, match="frozen"):
        configured.port = 1


@pytest.mark.parametrize(
    ("variables", "field", "expected"),
    [
        ({"PENIA_PORT": "8113"}, "port", 8113),
        ({"PENIA_PORT": "8113", "BUDGET_PORT": "8213"}, "port", 8213),
        ({"BUDGET_PORT": " "}, "port", 8013),
        ({"TEKTON_HOST": "tekton.lan"}, "host", "tekton.lan"),
        ({"TEKTON_HOST": "tekton.lan", "BUDGET_HOST": "::1"}, "endpoint", "http://[::1]:8013"),
        ({"TEKTON_ROOT": "/t"}, "database_url", "sqlite:////t/.tekton/data/budget/budget.db"),
        ({"TEKTON_ROOT": "/t"}, "log_file", Path("/t/.tekton/logs/budget.log")),
        ({"TEKTON_ROOT": "/t", "TEKTON_LOG_FILE": "~/b.log"}, "log_file", Path("/home/ada/b.log")),
        ({"BUDGET_DB_PATH": "~/b.db"}, "database_path", Path("/home/ada/b.db")),
        ({"BUDGET_DB_PATH": "b.db"}, "database_url", "sqlite:///b.db"),
        ({"BUDGET_DB_PATH": "b.db", "BUDGET_DATABASE_URL": "sqlite:////c.db"}, "database_path", Path("/c.db")),
        ({"TEKTON_LOG_LEVEL": "warning"}, "log_level", "WARN"),
        ({"TEKTON_LOG_LEVEL": "warning", "BUDGET_LOG_LEVEL": "Trace"}, "log_level", "TRACE"),
        ({"TEKTON_DEBUG": "yes"}, "log_level", "DEBUG"),
        ({"TEKTON_DEBUG": "yes", "TEKTON_LOG_LEVEL": "ERROR"}, "log_level", "ERROR"),
        ({"TEKTON_LOG_FORMAT": "detailed"}, "log_format", "text"),
        ({"TEKTON_LOG_FORMAT": "detailed", "BUDGET_LOG_FORMAT": "JSON"}, "log_format", "json"),
        ({"BUDGET_TIME_ZONE": "Asia/Kathmandu"}, "time_zone", "Asia/Kathmandu"),
        ({"BUDGET_SQLITE_SYNCHRONOUS": "normal"}, "synchronous", "NORMAL"),
        ({"BUDGET_LIMIT": "0.1"}, "limit", Decimal("0.1")),
        ({"BUDGET_REPORT_TAGS": "team, project,team"}, "report_tags", ("team", "project")),
        ({"HERMES_URL": "http://hermes:8001/api"}, "hermes_url", "http://hermes:8001"),
        ({"HERMES_URL": "http://hermes:8001/api/"}, "hermes_url", "http://hermes:8001"),
        ({"HERMES_URL": "https://hermes/tekton/"}, "hermes_url", "https://hermes/tekton"),
        ({"TEKTON_HOST": "tekton.lan", "HERMES_PORT": "9001"}, "hermes_url", "http://tekton.lan:9001"),
        ({"HERMES_HOST": "hermes", "TEKTON_HOST": "tekton.lan"}, "hermes_url", "http://hermes:8001"),
        ({"RHETOR_URL": "http://r:1", "RHETOR_API_URL": "http://s:1/api"}, "rhetor_url", "http://s:1"),
        ({"BUDGET_LLM_URL": "http://llm/v1/", "BUDGET_LLM_PROVIDER": "openai"}, "llm_url", "http://llm/v1"),
        ({"BUDGET_CORS_ORIGINS": "http://a:1/, https://b"}, "cors_origins", ("http://a:1", "https://b")),
    ],
)
def test_a_variable_sets_its_field(variables, field, expected):
    assert getattr(loaded(**variables), field) == expected


@pytest.mark.parametrize(
    ("variables", "required"),
    [
        ({}, False),
        ({"BUDGET_BIND": "localhost"}, False),
        ({"BUDGET_BIND": "127.8.0.1"}, False),
        ({"BUDGET_BIND": "::1"}, False),
        ({"BUDGET_BIND": "0.0.0.0"}, True),
        ({"BUDGET_BIND": "tekton.lan"}, True),
        ({"BUDGET_BIND": "0.0.0.0", "BUDGET_AUTH": "off"}, False),
        ({"BUDGET_BIND": "0.0.0.0", "BUDGET_API_REQUIRE_AUTH": "false"}, True),
        ({"BUDGET_API_REQUIRE_AUTH": "true"}, True),
        ({"BUDGET_API_REQUIRE_AUTH": "true", "BUDGET_AUTH": "off"}, False),
        ({"BUDGET_AUTH": "on"}, True),
    ],
)
def test_who_needs_a_key(variables, required):
    assert loaded(**variables).auth_required is required


def test_doors_left_open_are_warned_of():
    opened = loaded(BUDGET_BIND="0.0.0.0", BUDGET_AUTH="off", BUDGET_CORS_ORIGINS="*")
    assert len(opened.warnings) == 2
    assert not opened.cors_credentials


def test_tektons_own_pages_may_call_by_default():
    assert "http://localhost:8080" in loaded().cors_origins
    assert "http://127.0.0.1:8013" in loaded().cors_origins
    assert loaded().cors_credentials


def test_an_unpriced_model_is_held_only_at_two_known_costs():
    costs = {"BUDGET_UNPRICED_INPUT_COST_PER_TOKEN": "1e-5", "BUDGET_UNPRICED_OUTPUT_COST_PER_TOKEN": "0.00003"}
    held = loaded(BUDGET_UNPRICED="hold", **costs)
    assert held.unpriced_input_cost_per_token == Decimal("0.00001")
    assert held.unpriced_output_cost_per_token == Decimal("0.00003")
    for name in costs:
        with pytest.raises(SettingsError, match=f"BUDGET_UNPRICED='hold': expected {name}"):
            loaded(BUDGET_UNPRICED="hold", **{other: cost for other, cost in costs.items() if other != name})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("BUDGET_PORT", "0"),
        ("BUDGET_PORT", "65536"),
        ("BUDGET_PORT", "tcp://10.0.0.1:8013"),
        ("PENIA_PORT", "٨"),
        ("BUDGET_BIND", "http://localhost"),
        ("BUDGET_HOST", "a b"),
        ("BUDGET_DATABASE_URL", "sqlite://"),
        ("BUDGET_DATABASE_URL", "sqlite:///:memory:"),
        ("BUDGET_DATABASE_URL", "postgresql://budget@db/budget"),
        ("BUDGET_DATABASE_URL", "postgresql+asyncpg://db"),
        ("BUDGET_DATABASE_URL", "mysql://db/budget"),
        ("BUDGET_TIME_ZONE", "europe/berlin"),
        ("BUDGET_AUTH", "maybe"),
        ("BUDGET_API_REQUIRE_AUTH", "maybe"),
        ("BUDGET_CORS_ORIGINS", "*,http://localhost"),
        ("BUDGET_CORS_ORIGINS", "localhost:8080"),
        ("BUDGET_CORS_ORIGINS", "http://localhost:8080/page"),
        ("BUDGET_UNPRICED", "free"),
        ("BUDGET_UNPRICED_INPUT_COST_PER_TOKEN", "-1"),
        ("BUDGET_LIMIT", "NaN"),
        ("BUDGET_LIMIT", "Infinity"),
        ("BUDGET_LIMIT", "$5"),
        ("BUDGET_REPORT_TAGS", "a,b,c,d"),
        ("BUDGET_REPORT_TAGS", "a b"),
        ("BUDGET_SQLITE_SYNCHRONOUS", "off"),
        ("BUDGET_QUEUE_LIMIT", "0"),
        ("BUDGET_BATCH_LIMIT", "-5"),
        ("BUDGET_LOG_LEVEL", "loud"),
        ("TEKTON_LOG_FORMAT", "xml"),
        ("TEKTON_DEBUG", "perhaps"),
        ("HERMES_URL", "hermes:8001"),
        ("HERMES_PORT", "x"),
        ("BUDGET_LLM_PROVIDER", "oracle"),
        ("BUDGET_LLM_TIMEOUT_SECONDS", "0"),
    ],
)
def test_a_wrong_setting_is_named_with_its_value_and_what_is_accepted(name, value):
    with pytest.raises(SettingsError) as raised:
        loaded(**{name: value})
    message = str(raised.value)
    assert message.startswith(f"{name}=")
    assert value.split(",")[0] in message
    assert ": expected " in message
    assert "\n" not in message


def test_an_error_shows_no_password():
    with pytest.raises(SettingsError) as raised:
        loaded(BUDGET_DATABASE_URL="postgresql://budget:hunter2@db/budget")
    assert "hunter2" not in str(raised.value)


def test_an_unknown_variable_of_ours_is_taken_for_a_typo():
    with pytest.raises(
        SettingsError, match="BUDGET_TIMEZONE is not a setting of Budget; did you mean BUDGET_TIME_ZONE"
    ):
        loaded(BUDGET_TIMEZONE="UTC")
    with pytest.raises(SettingsError, match="BUDGET_XQ7 is not a setting"):
        loaded(BUDGET_XQ7="1")


def test_variables_of_others_are_left_alone():
    assert loaded(TEKTON_WHATEVER="1", HERMES_WHATEVER="1", BUDGET_XQ7="") == loaded()


def test_variables_without_effect_are_warned_of_or_ignored():
    for variable in KNOWN:
        if variable.treatment is Treatment.WARNED:
            (warning,) = loaded(**{variable.name: "1"}).warnings
            assert warning == f"{variable.name} is set and has no effect: {variable.meaning}"
        elif variable.treatment is Treatment.IGNORED:
            assert loaded(**{variable.name: "1"}) == loaded()


def test_the_table_names_each_variable_once_and_every_one_that_is_read(monkeypatch):
    names = [variable.name for variable in KNOWN]
    assert len(set(names)) == len(names)
    read: set[str] = set()
    find = settings._Environment.find

    def noting(self, *names):
        read.update(names)
        return find(self, *names)

    monkeypatch.setattr(settings._Environment, "find", noting)
    loaded()
    loaded(BUDGET_UNPRICED="refuse", BUDGET_DATABASE_URL="sqlite:///b.db")
    honoured = {variable.name for variable in KNOWN if variable.treatment is Treatment.HONOURED}
    by_the_scripts = {"BUDGET_VENV", "BUDGET_TEST_FULL"}
    by_the_command = {"BUDGET_PROFILE", "BUDGET_CONFIG", *(setting.variable for setting in profiles.SETTINGS.values())}
    assert read | by_the_scripts | by_the_command | {"HOME"} == honoured
