"""The settings: one frozen value, read once from the environment; nothing else in Budget interprets a variable."""

import difflib
import ipaddress
import re
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from budget import variables
from budget.domain.instants import zone_exists

TEKTON_PORTS = (*range(8000, 8017), 8080, 8088, 8097, 8098, 8099)
TEKTON_ORIGINS = tuple(f"http://{host}:{port}" for host in ("localhost", "127.0.0.1") for port in TEKTON_PORTS)
MOST_REPORT_TAGS = 3
MOST_PORT = 65_535

PASSWORD_IN_URL = re.compile(r"(://[^:/@\s]*:)\S+@")

LogLevel = Literal["TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL", "OFF"]


Choice = TypeVar("Choice")


class SettingsError(ValueError):
    """A setting is wrong. The message is one line: the variable, its value, and what is accepted."""


class Settings(BaseModel):
    """Every setting of one running Budget."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    port: int = 8013
    bind: str = "127.0.0.1"
    host: str = "localhost"
    version: str = "0.1.0"
    tekton_root: Path | None = None
    database_url: str = Field(repr=False)
    time_zone: str = "UTC"

    log_level: LogLevel = "INFO"
    debug: bool = False
    log_format: Literal["text", "json"] = "text"
    log_file: Path | None = None

    auth: Literal["auto", "on", "off"] = "auto"
    cors_origins: tuple[str, ...] = TEKTON_ORIGINS
    allowed_hosts: tuple[str, ...] = ()
    rate_per_key: int | None = None
    rate_per_address: int | None = None

    unpriced: Literal["refuse", "hold"] = "refuse"
    unpriced_input_cost_per_token: Decimal | None = None
    unpriced_output_cost_per_token: Decimal | None = None
    limit: Decimal = Decimal(500)
    warning_threshold_usd: Decimal = Decimal(100)
    report_tags: tuple[str, ...] = ()

    synchronous: Literal["FULL", "NORMAL"] = "FULL"
    queue_limit: int = 20_000
    batch_limit: int = 2_000
    event_retention_days: int = 30

    hermes: bool = True
    hermes_url: str = "http://localhost:8001"
    hermes_aliases: tuple[str, ...] = ()
    rhetor_url: str = "http://localhost:8003"
    smtp_url: SecretStr | None = None
    smtp_from: str = "budget@localhost"
    llm_provider: Literal["none", "rhetor", "openai", "anthropic"] = "rhetor"
    llm_url: str | None = None
    llm_model: str | None = None
    llm_api_key: SecretStr | None = None
    llm_timeout_seconds: int = 120

    warnings: tuple[str, ...] = ()
    """What to say at the start: variables that are set and do not do what they name, and settings that open doors."""

    @property
    def database_path(self) -> Path | None:
        """The SQLite file; none when the database is PostgreSQL."""
        scheme, _, path = self.database_url.partition(":///")
        return Path(path) if scheme == "sqlite" else None

    @property
    def on_loopback(self) -> bool:
        """Whether only this machine can reach the service."""
        return _is_loopback(self.bind)

    @property
    def auth_required(self) -> bool:
        """Whether callers need an API key: as `auth` says, and for `auto` on anything but loopback."""
        return self.auth == "on" or (self.auth == "auto" and not self.on_loopback)

    @property
    def cors_credentials(self) -> bool:
        """Whether browsers may send credentials: never with `*`."""
        return "*" not in self.cors_origins

    @property
    def endpoint(self) -> str:
        """The address that is advertised to others."""
        return f"http://{_in_url(self.host)}:{self.port}"


def load(environ: Mapping[str, str]) -> Settings:
    """The settings that these variables make; `SettingsError` when one is wrong, or a `BUDGET_*` is unknown.

    A variable that is set to nothing counts as not set. Where two variables mean the same, Budget's own comes first.
    """
    _refuse_unknown(environ)
    read = _Environment(environ)
    root = read.path("TEKTON_ROOT")
    unpriced = read.choice("BUDGET_UNPRICED", choices=_UNPRICED)
    given = {
        "port": read.whole("BUDGET_PORT", "PENIA_PORT", most=65535),
        "bind": read.matching("BUDGET_BIND", pattern=_HOST, accepted="an IP address or a host name, such as 127.0.0.1"),
        "host": read.matching("BUDGET_HOST", "TEKTON_HOST", pattern=_HOST, accepted="a host name, without port"),
        "version": read.text("BUDGET_VERSION"),
        "tekton_root": root,
        "database_url": _database_url(read, root),
        "time_zone": _time_zone(read),
        "log_level": _log_level(read),
        "debug": read.choice("TEKTON_DEBUG", choices=_YES_OR_NO),
        "log_format": read.choice("BUDGET_LOG_FORMAT", "TEKTON_LOG_FORMAT", choices=_LOG_FORMATS),
        "log_file": read.path("TEKTON_LOG_FILE") or (root and root / ".tekton" / "logs" / "budget.log"),
        "auth": _auth(read),
        "cors_origins": _origins(read),
        "allowed_hosts": _hosts(read),
        "rate_per_key": read.whole("BUDGET_RATE_PER_KEY", most=1_000_000),
        "rate_per_address": read.whole("BUDGET_RATE_PER_ADDRESS", most=1_000_000),
        "unpriced": unpriced,
        "unpriced_input_cost_per_token": _worst_price(read, "BUDGET_UNPRICED_INPUT_COST_PER_TOKEN", unpriced),
        "unpriced_output_cost_per_token": _worst_price(read, "BUDGET_UNPRICED_OUTPUT_COST_PER_TOKEN", unpriced),
        "limit": read.amount("BUDGET_LIMIT"),
        "warning_threshold_usd": read.amount("BUDGET_WARNING_THRESHOLD"),
        "report_tags": _report_tags(read),
        "synchronous": read.choice("BUDGET_SQLITE_SYNCHRONOUS", choices=_SYNCHRONOUS),
        "queue_limit": read.whole("BUDGET_QUEUE_LIMIT", most=1_000_000),
        "batch_limit": read.whole("BUDGET_BATCH_LIMIT", most=100_000),
        "event_retention_days": read.whole("BUDGET_EVENT_RETENTION_DAYS", most=36_500),
        "hermes": read.choice("BUDGET_HERMES", choices=_YES_OR_NO),
        "hermes_aliases": _aliases(read),
        "hermes_url": _neighbour(read, ("HERMES_URL",), "HERMES_HOST", "HERMES_PORT", 8001),
        "rhetor_url": _neighbour(read, ("RHETOR_API_URL", "RHETOR_URL"), "RHETOR_HOST", "RHETOR_PORT", 8003),
        "smtp_url": _mail_server(read),
        "smtp_from": read.matching("BUDGET_SMTP_FROM", pattern=_SENDER, accepted="an e-mail address"),
        "llm_provider": read.choice("BUDGET_LLM_PROVIDER", choices=_LLM_PROVIDERS),
        "llm_url": _url(read, "BUDGET_LLM_URL"),
        "llm_model": read.text("BUDGET_LLM_MODEL"),
        "llm_api_key": read.text("BUDGET_LLM_API_KEY"),
        "llm_timeout_seconds": read.whole("BUDGET_LLM_TIMEOUT_SECONDS", most=3600),
    }
    settings = Settings.model_validate({name: value for name, value in given.items() if value is not None})
    return settings.model_copy(update={"warnings": (*_without_effect(environ), *_open_doors(settings))})


_LOG_LEVELS: Mapping[str, str] = {
    **{level.lower(): level for level in ("TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL", "OFF")},
    "warning": "WARN",
    "critical": "FATAL",
}
_LOG_FORMATS: Mapping[str, str] = {
    "text": "text",
    "json": "json",
    **dict.fromkeys(("compact", "standard", "detailed", "debug", "minimal"), "text"),
}
_AUTH: Mapping[str, str] = {name: name for name in ("auto", "on", "off")}
_UNPRICED: Mapping[str, str] = {name: name for name in ("refuse", "hold")}
_SYNCHRONOUS: Mapping[str, str] = {"full": "FULL", "normal": "NORMAL"}
_LLM_PROVIDERS: Mapping[str, str] = {name: name for name in ("none", "rhetor", "openai", "anthropic")}
_YES_OR_NO: Mapping[str, bool] = {
    **dict.fromkeys(("true", "1", "yes", "on"), True),
    **dict.fromkeys(("false", "0", "no", "off"), False),
}

_AMOUNT = re.compile(r"[0-9]{1,15}(\.[0-9]{0,30})?([eE][+-]?[0-9]{1,2})?")
_HOST = re.compile(r"[A-Za-z0-9_.:-]+")
_SMTP_URL = re.compile(r"smtps?://([^\s/@]+@)?([A-Za-z0-9_.-]+|\[[0-9A-Fa-f:]+\])(:[0-9]{1,5})?/?")
_SENDER = re.compile(r"[^@\s<>,;:]{1,64}@[A-Za-z0-9.-]{1,250}")
_URL = re.compile(r"https?://[^\s/?#]+(/[^\s?#]*)?")
_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://[A-Za-z0-9_.:\[\]-]+/?")
_DATABASE_URL = re.compile(r"sqlite:///(?!:memory:)[^?\s][^?]*|postgresql\+asyncpg://[^\s/]*/[^\s/?]+(\?\S*)?")
_TAG = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,63}")


class _Environment:
    """Reads variables by name: the first of several that is set, or the default."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self.home = Path(environ["HOME"]) if environ.get("HOME") else Path.home()

    def find(self, *names: str) -> tuple[str, str] | None:
        """The first of these variables that is set, and its value; each of them stands in the table."""
        values = ((variables.BY_NAME[name].name, self._environ.get(name, "").strip()) for name in names)
        return next(((name, value) for name, value in values if value), None)

    def text(self, *names: str) -> str | None:
        found = self.find(*names)
        return found[1] if found else None

    def path(self, name: str) -> Path | None:
        value = self.text(name)
        if value is None:
            return None
        return self.home / value[2:] if value.startswith("~/") else Path(value)

    def matching(self, *names: str, pattern: re.Pattern[str], accepted: str) -> str | None:
        found = self.find(*names)
        if found and not pattern.fullmatch(found[1]):
            raise _wrong(*found, accepted)
        return found and found[1]

    def whole(self, *names: str, most: int) -> int | None:
        found = self.find(*names)
        if found and not (re.fullmatch("[0-9]{1,9}", found[1]) and 1 <= int(found[1]) <= most):
            raise _wrong(*found, f"a whole number from 1 to {most}")
        return int(found[1]) if found else None

    def amount(self, name: str) -> Decimal | None:
        value = self.matching(name, pattern=_AMOUNT, accepted="a decimal number, 0 or more")
        return Decimal(value) if value else None

    def choice(self, *names: str, choices: Mapping[str, Choice]) -> Choice | None:
        found = self.find(*names)
        if found and found[1].lower() not in choices:
            raise _wrong(*found, "one of " + ", ".join(choices))
        return choices[found[1].lower()] if found else None


def _refuse_unknown(environ: Mapping[str, str]) -> None:
    for name in sorted(environ):
        if name.startswith("BUDGET_") and name not in variables.BY_NAME and environ[name].strip():
            near = difflib.get_close_matches(
                name, [known for known in variables.BY_NAME if known.startswith("BUDGET_")], n=1
            )
            hint = f"did you mean {near[0]}?" if near else "the settings are listed in the documentation"
            message = f"{name} is not a setting of Budget; {hint}"
            raise SettingsError(message)


def _database_url(read: _Environment, root: Path | None) -> str:
    url = read.text("BUDGET_DATABASE_URL")
    if url is None:
        default = (root or read.home) / ".tekton" / "data" / "budget" / "budget.db"
        return f"sqlite:///{read.path('BUDGET_DB_PATH') or default}"
    if not _DATABASE_URL.fullmatch(url):
        raise _wrong("BUDGET_DATABASE_URL", url, "sqlite:///PATH or postgresql+asyncpg://USER:PASSWORD@HOST/NAME")
    return url


def _time_zone(read: _Environment) -> str | None:
    name = read.text("BUDGET_TIME_ZONE")
    if name and not zone_exists(name):
        raise _wrong("BUDGET_TIME_ZONE", name, "the exact name of an IANA time zone, such as UTC or Europe/Berlin")
    return name


def _log_level(read: _Environment) -> str | None:
    debug = read.choice("TEKTON_DEBUG", choices=_YES_OR_NO)
    return read.choice("BUDGET_LOG_LEVEL", "TEKTON_LOG_LEVEL", choices=_LOG_LEVELS) or ("DEBUG" if debug else None)


def _auth(read: _Environment) -> str | None:
    required = read.choice("BUDGET_API_REQUIRE_AUTH", choices=_YES_OR_NO)
    return read.choice("BUDGET_AUTH", choices=_AUTH) or ("on" if required else None)


def _origins(read: _Environment) -> tuple[str, ...] | None:
    value = read.text("BUDGET_CORS_ORIGINS")
    if value is None:
        return None
    origins = _listed(value)
    if origins != ("*",) and not all(_ORIGIN.fullmatch(origin) for origin in origins):
        raise _wrong("BUDGET_CORS_ORIGINS", value, "* alone, or origins such as http://localhost:8080, comma-separated")
    return tuple(origin.rstrip("/") for origin in origins)


def _hosts(read: _Environment) -> tuple[str, ...]:
    value = read.text("BUDGET_ALLOWED_HOSTS")
    names = _listed(value or "")
    if value and names != ("*",) and not all(_HOST.fullmatch(name) for name in names):
        raise _wrong("BUDGET_ALLOWED_HOSTS", value, "* alone, or host names without ports, comma-separated")
    return names


def _worst_price(read: _Environment, name: str, unpriced: str | None) -> Decimal | None:
    price = read.amount(name)
    if price is None and unpriced == "hold":
        raise _wrong("BUDGET_UNPRICED", "hold", f"{name} with it, in USD per token")
    return price


def _aliases(read: _Environment) -> tuple[str, ...]:
    value = read.text("BUDGET_HERMES_ALIASES")
    names = _listed(value or "")
    if value and not all(_ALIAS.fullmatch(name) for name in names):
        raise _wrong("BUDGET_HERMES_ALIASES", value, "names of lower-case letters, digits, - and _, comma-separated")
    return tuple(dict.fromkeys(name for name in names if name != "budget"))


_ALIAS = re.compile(r"[a-z][a-z0-9_-]{0,63}")


def _report_tags(read: _Environment) -> tuple[str, ...]:
    value = read.text("BUDGET_REPORT_TAGS")
    tags = _listed(value or "")
    if value and (len(set(tags)) > MOST_REPORT_TAGS or not all(_TAG.fullmatch(tag) for tag in tags)):
        raise _wrong("BUDGET_REPORT_TAGS", value, f"up to {MOST_REPORT_TAGS} names of tags, comma-separated")
    return tuple(dict.fromkeys(tags))


def _neighbour(read: _Environment, urls: tuple[str, ...], host: str, port: str, default_port: int) -> str:
    """A neighbour's address without a trailing `/api`: as given, else built from host and port as Tekton does."""
    if url := _url(read, *urls):
        return url.removesuffix("/api")
    number = read.whole(port, most=65535) or default_port
    return f"http://{_in_url(read.text(host, 'TEKTON_HOST') or 'localhost')}:{number}"


def _mail_server(read: _Environment) -> str | None:
    accepted = "smtp://[USER:PASSWORD@]HOST[:PORT], or smtps://…"
    url = read.matching("BUDGET_SMTP_URL", pattern=_SMTP_URL, accepted=accepted)
    port = url and re.search(r":([0-9]+)/?$", url)
    if url and port and not 1 <= int(port[1]) <= MOST_PORT:
        raise _wrong("BUDGET_SMTP_URL", url, accepted)
    return url


def _url(read: _Environment, *names: str) -> str | None:
    found = read.find(*names)
    if found is None:
        return None
    if not _URL.fullmatch(found[1]):
        raise _wrong(*found, "an address such as http://localhost:8001")
    return found[1].rstrip("/")


def _without_effect(environ: Mapping[str, str]) -> list[str]:
    return [
        f"{variable.name} is set and has no effect: {variable.meaning}"
        for variable in variables.KNOWN
        if variable.treatment is variables.Treatment.WARNED and environ.get(variable.name, "").strip()
    ]


def _open_doors(settings: Settings) -> list[str]:
    doors = []
    if not settings.auth_required and not settings.on_loopback:
        doors.append(
            f"BUDGET_AUTH=off with BUDGET_BIND={settings.bind}: whoever reaches the port may change everything"
        )
    if not settings.cors_credentials:
        doors.append("BUDGET_CORS_ORIGINS=*: any web page may call Budget, without credentials")
    return doors


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _in_url(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _listed(text: str) -> tuple[str, ...]:
    return tuple(item.strip() for item in text.split(",") if item.strip())


def _wrong(name: str, value: str, accepted: str) -> SettingsError:
    shown = "(not shown)" if name.endswith("_KEY") else repr(PASSWORD_IN_URL.sub(r"\1[redacted]@", value)[:100])
    return SettingsError(f"{name}={shown}: expected {accepted}")
