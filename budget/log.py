"""Logs: one line per thing that happened, as text or JSON, to stderr and the log file, with no secret in it.

The wiring calls `configure(settings)` once. Everyone else takes a logger by the name of its part,
`get_logger("tracking")`, and says `.info("usage recorded", record_id=…)`. Lines of libraries take the same way.
The JSON line is Tekton's (wire contract 13): timestamp, level, component, message, then `data` and `exception` if any.
"""

import json
import logging
import re
import sys
import traceback
from collections.abc import Mapping
from contextvars import ContextVar
from logging.handlers import WatchedFileHandler
from pathlib import Path
from typing import Final, Literal, cast

import structlog
from structlog.stdlib import BoundLogger, ProcessorFormatter
from structlog.typing import EventDict, WrappedLogger

from budget.domain import instants
from budget.settings import PASSWORD_IN_URL, Settings

REDACTED: Final = "[redacted]"

request_id: Final[ContextVar[str | None]] = ContextVar("request_id", default=None)
"""The id of the request that this is done for; every line carries it."""

_LEVELS: Final[Mapping[str, int]] = {
    "TRACE": 5,
    "DEBUG": logging.DEBUG,
    "INFO": logging.INFO,
    "WARN": logging.WARNING,
    "ERROR": logging.ERROR,
    "FATAL": logging.CRITICAL,
    "OFF": 60,
}
_NAMES: Final = {number: name for name, number in _LEVELS.items()}
_OUR_HANDLERS: Final = "budget-"
_DEEPEST: Final = 6

# Names whose values are secret. Many of Budget's own end in "token" or "key" and are not: cost_per_token, key_id,
# idempotency_key.
_SECRET_NAME: Final = re.compile(
    r"key|token"
    r"|(.*[_-])?(api[_-]?key|authorization|cookie|credentials?|passw(or)?d|secret)"
    r"|.*(access|auth|bearer|hermes|refresh|registration|session)[_-]token",
    re.IGNORECASE,
)
_SECRET_TEXT: Final = (
    (PASSWORD_IN_URL, rf"\g<1>{REDACTED}@"),
    (re.compile(r"\b(bearer|basic)\s+[A-Za-z0-9._~+/=-]{6,}", re.IGNORECASE), rf"\g<1> {REDACTED}"),
    (re.compile(r"([?&](?:api_?key|key|token|access_token|secret)=)[^&\s\"']+", re.IGNORECASE), rf"\g<1>{REDACTED}"),
    (
        re.compile(r"((?:api[_-]?key|password|secret)[\"']?\s*[=:]\s*[\"']?)[^\s,&\"'}\]]+", re.IGNORECASE),
        rf"\g<1>{REDACTED}",
    ),
    (re.compile(r"\bwhsec_[A-Za-z0-9+/=]+"), REDACTED),
    (re.compile(r"(https?://hooks\.[^/\s]+/)[^\s\"']+"), rf"\g<1>{REDACTED}"),  # what follows is Slack's secret
    (re.compile(r"\b[sp]k-[A-Za-z0-9_-]{12,}"), REDACTED),
)


def configure(settings: Settings) -> None:
    """Sends every log line of this process where the settings say; when called again, the last call counts."""
    handlers: list[logging.Handler] = [logging.StreamHandler(sys.stderr)]
    problem = None
    if settings.log_file:
        try:
            handlers.append(_file(settings.log_file))
        except OSError as error:  # a full or foreign disk must not keep the service from starting
            problem = error
    _install(handlers, _LEVELS[settings.log_level], settings.log_format)
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, ProcessorFormatter.wrap_for_formatter],
        wrapper_class=BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
    )
    if problem:
        get_logger("api").warning("the log file cannot be written, stderr only", reason=str(problem))


def get_logger(component: str) -> BoundLogger:
    """The logger of one part of Budget, by its name in wire contract 13, such as `tracking` or `price_manager`."""
    return cast("BoundLogger", structlog.get_logger("tekton", component=component))


def redact(value: object, depth: int = 0) -> object:
    """The value without what looks like a secret, by the names in it and by its text.

    >>> redact({"api_key": "abc", "tokens": 5, "url": "postgresql://budget:pw@db/budget"})
    {'api_key': '[redacted]', 'tokens': 5, 'url': 'postgresql://budget:[redacted]@db/budget'}
    """
    match value:
        case str():
            for pattern, replacement in _SECRET_TEXT:
                value = pattern.sub(replacement, value)
            return value
        case None | bool() | int() | float():
            return value
        case Mapping() if depth < _DEEPEST:
            return {
                str(name): REDACTED if _SECRET_NAME.fullmatch(str(name)) else redact(item, depth + 1)
                for name, item in value.items()
            }
        case list() | tuple() if depth < _DEEPEST:
            return [redact(item, depth + 1) for item in value]
        case _:
            return redact(str(value), depth)


def _file(path: Path) -> logging.Handler:
    path.parent.mkdir(parents=True, exist_ok=True)
    return WatchedFileHandler(path, encoding="utf-8")  # goes on when the file is rotated away


def _install(handlers: list[logging.Handler], level: int, log_format: Literal["text", "json"]) -> None:
    root = logging.getLogger()
    for handler in root.handlers[:]:
        if (handler.name or "").startswith(_OUR_HANDLERS):
            root.removeHandler(handler)
            handler.close()
    render = _as_json if log_format == "json" else _as_text
    for number, handler in enumerate(handlers):
        handler.set_name(f"{_OUR_HANDLERS}{number}")
        handler.setFormatter(ProcessorFormatter(processors=[_line, render], keep_exc_info=False))
        root.addHandler(handler)
    root.setLevel(level)
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):  # through the root, like everything else
        logging.getLogger(name).handlers.clear()
        logging.getLogger(name).propagate = True


def _line(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """The parts of a line, in Tekton's names and order, without secrets."""
    record = cast("logging.LogRecord", event.pop("_record"))
    event.pop("_from_structlog")
    error = _exception(event.pop("exc_info", None))
    line: EventDict = {
        "timestamp": instants.iso(int(record.created * instants.MICROSECONDS_PER_SECOND)),
        "level": _NAMES.get(record.levelno, record.levelname),
        "component": event.pop("component", record.name),
        "message": redact(str(event.pop("event", ""))),
    }
    asked = request_id.get()
    if asked is not None:
        event.setdefault("request_id", asked)
    if event:
        line["data"] = redact(event)
    if error:
        line["exception"] = {
            "type": type(error).__name__,
            "message": redact(str(error)),
            "traceback": redact("".join(traceback.format_exception(error))),
        }
    return line


def _as_json(_logger: WrappedLogger, _method: str, line: EventDict) -> str:
    return json.dumps(line, ensure_ascii=False)


def _as_text(_logger: WrappedLogger, _method: str, line: EventDict) -> str:
    message = str(line["message"]).replace("\n", "\\n").replace("\r", "\\r")
    data = "".join(
        f" {name}={json.dumps(value, ensure_ascii=False)}" for name, value in dict(line.get("data", {})).items()
    )
    text = f"{line['timestamp']} {line['level']:<5} {line['component']}: {message}{data}"
    return text + "\n" + line["exception"]["traceback"].rstrip() if "exception" in line else text


def _exception(given: object) -> BaseException | None:
    """The exception of `exc_info`, in whichever of its forms it came."""
    match given:
        case BaseException():
            return given
        case (_, BaseException() as error, _):
            return error
        case True:
            return sys.exc_info()[1]
        case _:
            return None
