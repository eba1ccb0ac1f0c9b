"""Log lines: their form, where they go, and what must never be in them."""

import json
import logging
from decimal import Decimal

import pytest

from budget import log, settings


@pytest.fixture(autouse=True)
def root_logger_as_it_was():
    root = logging.getLogger()
    level = root.level
    yield
    log._install([], level, "text")


def configure(tmp_path, **variables):
    log.configure(settings.load({"HOME": str(tmp_path), **variables}))


def json_lines(capsys):
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


def test_a_json_line_has_tektons_fields(tmp_path, capsys):
    configure(tmp_path, TEKTON_LOG_FORMAT="json")
    log.get_logger("tracking").info("usage recorded", record_id="r1", cost=Decimal("0.10"), tokens=5)
    (line,) = json_lines(capsys)
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "level": "INFO",
        "component": "tracking",
        "message": "usage recorded",
        "data": {"record_id": "r1", "cost": "0.10", "tokens": 5},
    }


def test_a_text_line_stays_one_line(tmp_path, capsys):
    configure(tmp_path)
    log.get_logger("policy").warning("limit\nreached", budget="a\nb")
    line = capsys.readouterr().err
    assert line.count("\n") == 1
    assert 'WARN  policy: limit\\nreached budget="a\\nb"' in line


def test_an_exception_has_type_message_and_traceback(tmp_path, capsys):
    configure(tmp_path, BUDGET_LOG_FORMAT="json")
    try:
        int("api_key=abcdef")
    except ValueError as error:
        log.get_logger("api").exception("failed")
        log.get_logger("api").error("failed", exc_info=error)
        logging.getLogger("sqlalchemy").exception("failed")
    for line in json_lines(capsys):
        assert line["exception"]["type"] == "ValueError"
        assert line["exception"]["message"].endswith("api_key=[redacted]'")
        assert "test_log.py" in line["exception"]["traceback"]
        assert "abcdef" not in json.dumps(line)


def test_an_exception_follows_its_text_line(tmp_path, capsys):
    configure(tmp_path)
    log.get_logger("api").error("failed", exc_info=ValueError("why"))
    assert capsys.readouterr().err.endswith("api: failed\nValueError: why\n")


def test_lines_of_libraries_take_the_same_way(tmp_path, capsys):
    configure(tmp_path, BUDGET_LOG_FORMAT="json")
    logging.getLogger("uvicorn.access").info("GET %s", "/ws?token=abc123&after=5")
    (line,) = json_lines(capsys)
    assert line["component"] == "uvicorn.access"
    assert line["message"] == "GET /ws?token=[redacted]&after=5"


def test_the_level_decides_what_is_said(tmp_path, capsys):
    for level, said in (("ERROR", ["error", "fatal"]), ("off", []), ("debug", ["debug", "error", "fatal"])):
        configure(tmp_path, BUDGET_LOG_LEVEL=level, BUDGET_LOG_FORMAT="json")
        logger = log.get_logger("api")
        logger.debug("debug")
        logger.error("error")
        logger.critical("fatal")
        assert [line["message"] for line in json_lines(capsys)] == said


def test_the_log_file_gets_the_same_lines(tmp_path, capsys):
    configure(tmp_path, TEKTON_ROOT=str(tmp_path))
    log.get_logger("api").info("hello")
    written = (tmp_path / ".tekton/logs/budget.log").read_text()
    assert written == capsys.readouterr().err


def test_a_log_file_that_cannot_be_written_is_said_and_no_more(tmp_path, capsys):
    configure(tmp_path, TEKTON_LOG_FILE=str(tmp_path))
    assert "the log file cannot be written, stderr only" in capsys.readouterr().err


def test_configuring_again_replaces(tmp_path, capsys):
    configure(tmp_path)
    configure(tmp_path)
    log.get_logger("api").info("once")
    assert capsys.readouterr().err.count("once") == 1


@pytest.mark.parametrize(
    "name",
    [
        "api_key",
        "apiKey",
        "x-api-key",
        "Authorization",
        "password",
        "db_password",
        "client_secret",
        "Cookie",
        "token",
        "key",
        "hermes_token",
    ],
)
def test_values_of_secret_names_are_redacted(name):
    assert log.redact({"headers": [{name: "abc"}]}) == {"headers": [{name: "[redacted]"}]}


@pytest.mark.parametrize(
    "name", ["tokens", "input_tokens", "input_cost_per_token", "key_id", "idempotency_key", "monkey"]
)
def test_budgets_own_words_stay(name):
    assert log.redact({name: "abc"}) == {name: "abc"}


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("postgresql+asyncpg://budget:p@ss@db/budget", "postgresql+asyncpg://budget:[redacted]@db/budget"),
        ("Authorization: Bearer abc.def-ghi", "Authorization: Bearer [redacted]"),
        ("{'api_key': 'abc'}", "{'api_key': '[redacted]'}"),
        ("sent sk-proj-abcdefghijklmnop to it", "sent [redacted] to it"),
        ("used 5 tokens at http://localhost:8001/api", "used 5 tokens at http://localhost:8001/api"),
    ],
)
def test_secrets_in_text_are_redacted(text, shown):
    assert log.redact(text) == shown


def test_depth_is_bounded():
    nested: dict[str, object] = {}
    nested["again"] = nested
    assert "again" in str(log.redact(nested))


def test_what_opens_or_signs_a_webhook_is_redacted_wherever_it_stands():
    said = "Secret(text='whsec_AAA+/A==') address='https://hooks.slack.com/services/T0/x'"
    assert log.redact(said) == "Secret(text='[redacted]') address='https://hooks.slack.com/[redacted]'"
