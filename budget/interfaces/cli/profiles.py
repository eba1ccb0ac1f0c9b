"""The command line's own settings: from options, the environment, a profile of its file, or the default.

The file is `$XDG_CONFIG_HOME/budget/config.toml` (else below `~/.config`), or what BUDGET_CONFIG names:

    profile = "work"

    [profiles.work]
    api_url = "https://budget.example.org"
"""

import json
import os
import re
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

from budget.interfaces.cli.failures import Failed
from budget.interfaces.cli.parsers import FORMATS

DEFAULT: Final = "default"
"""The profile that counts where none is named."""
_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,40}")
_URL: Final = re.compile(r"https?://[^\s/?#]+(/[^\s?#]*)?")
MOST_SECONDS: Final = 3600

Tables = dict[str, dict[str, str]]


class Value(NamedTuple):
    """A setting, and where it comes from."""

    value: str | None
    source: str


class Setting(NamedTuple):
    """A setting of the command line: its check gives what is accepted where a text is not."""

    variable: str
    meaning: str
    wrong: Callable[[str], str | None]


def _address(text: str) -> str | None:
    return None if _URL.fullmatch(text) else "an address such as http://localhost:8013"


def _seconds(text: str) -> str | None:
    right = re.fullmatch(r"[0-9]{1,4}(\.[0-9]{1,3})?", text) and 0 < float(text) <= MOST_SECONDS
    return None if right else f"seconds above 0, at most {MOST_SECONDS}"


def _secret(text: str) -> str | None:
    return None if text.isascii() and text.isprintable() and " " not in text else "printable ASCII without spaces"


def _one_of(*words: str) -> Callable[[str], str | None]:
    return lambda text: None if text in words else f"one of {', '.join(words)}"


SETTINGS: Final[Mapping[str, Setting]] = {
    "api_url": Setting("BUDGET_API_URL", "the service", _address),
    "api_key": Setting("BUDGET_API_KEY", "the API key to send", _secret),
    "format": Setting("BUDGET_FORMAT", "how to print", _one_of(*FORMATS)),
    "utc": Setting("BUDGET_UTC", "times in UTC", _one_of("true", "false")),
    "timeout_seconds": Setting("BUDGET_TIMEOUT", "for one answer", _seconds),
}
SECRETS: Final = ("api_key",)


def path(environ: Mapping[str, str]) -> Path:
    """Where the file is, or would be."""
    if environ.get("BUDGET_CONFIG"):
        return Path(environ["BUDGET_CONFIG"]).expanduser()
    folder = environ.get("XDG_CONFIG_HOME") or Path(environ.get("HOME") or Path.home()) / ".config"
    return Path(folder) / "budget" / "config.toml"


def resolved(options: Mapping[str, Any], environ: Mapping[str, str], endpoint: str) -> dict[str, Value]:
    """Each setting with where it comes from."""
    profile, tables = chosen(options, environ)
    known = tables.get(profile.value or DEFAULT, {})
    defaults = {"api_url": endpoint, "format": "table", "utc": "false", "timeout_seconds": "10"}
    found = {"profile": profile}
    for name, setting in SETTINGS.items():
        if options.get(name) is not None:
            given = options[name]
            value = Value(str(given).lower() if isinstance(given, bool) else str(given), "option")
        elif environ.get(setting.variable, "").strip():
            value = Value(environ[setting.variable].strip(), setting.variable)
        elif name in known:
            value = Value(known[name], f"profile {profile.value}")
        else:
            value = Value(defaults.get(name), "default")
        found[name] = checked(name, value)
    return found


def chosen(options: Mapping[str, Any], environ: Mapping[str, str]) -> tuple[Value, Tables]:
    """The profile that counts, and all of them."""
    file = path(environ)
    active, tables = read(file)
    if options.get("profile"):
        value = Value(options["profile"], "option")
    elif environ.get("BUDGET_PROFILE"):
        value = Value(environ["BUDGET_PROFILE"], "BUDGET_PROFILE")
    else:
        value = Value(active or DEFAULT, "file" if active else "default")
    if value.value not in (DEFAULT, *tables):
        there = ", ".join(sorted(tables)) or "none yet"
        raise Failed(f"there is no profile {value.value!r} in {file}; it has: {there}", 2)
    return value, tables


def checked(name: str, value: Value) -> Value:
    """The value itself; `Failed` where it cannot be one."""
    accepted = None if value.value is None else SETTINGS[name].wrong(value.value)
    if accepted is None:
        return value
    shown = "the value" if name in SECRETS else repr(value.value)
    raise Failed(f"{name} ({value.source}): {shown} is not {accepted}", 2)


def read(file: Path) -> tuple[str | None, Tables]:
    """The active profile, if one is named, and the profiles; nothing where there is no file."""
    try:
        document = tomllib.loads(file.read_text("utf-8"))
    except FileNotFoundError:
        return None, {}
    except (OSError, ValueError) as error:
        raise Failed(f"{file} cannot be read: {error}") from None
    active, tables = document.pop("profile", None), document.pop("profiles", {})
    odd = [
        *document,
        *(f"profiles.{name}.{key}" for name, table in tables.items() for key in table if key not in SETTINGS),
    ]
    if odd or not isinstance(active, str | None):
        raise Failed(f"{file}: {', '.join(odd) or 'profile'} is not a setting; there are {', '.join(SETTINGS)}")
    return active, {name: {key: _text(value) for key, value in table.items()} for name, table in tables.items()}


def write(file: Path, active: str | None, tables: Tables) -> None:
    """The file anew, readable by its owner alone: it may hold keys."""
    lines = ["# Written by `budget config set`."]
    lines += [] if active is None else [f"profile = {json.dumps(active)}"]
    for name, table in sorted(tables.items()):
        lines += ["", f"[profiles.{name}]", *(f"{key} = {json.dumps(value)}" for key, value in sorted(table.items()))]
    file.parent.mkdir(parents=True, exist_ok=True)
    beside = file.with_name(file.name + ".new")
    with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as made:
        made.write("\n".join(lines) + "\n")
    beside.replace(file)


def profile_name(text: str) -> str:
    """A name for a profile."""
    if not _NAME.fullmatch(text):
        raise Failed(f"{text[:60]!r} is not a profile's name: letters, digits, - and _", 2)
    return text


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
