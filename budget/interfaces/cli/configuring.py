"""`budget config`: the command line's own settings, where each comes from, and profiles for several services."""

import argparse
import os
from typing import Any

from budget.interfaces.cli import exits, profiles
from budget.interfaces.cli.failures import Failed
from budget.interfaces.cli.parsers import FORMATS, Parser
from budget.interfaces.cli.profiles import SECRETS, SETTINGS, Value
from budget.settings import Settings
from budget.variables import KNOWN, Treatment


def add_commands(parser: Parser) -> None:
    """The commands of `budget config`."""
    commands = parser.commands()
    listing = commands.add("list", "every setting, and where it comes from")
    listing.add_argument("--service", action="store_true", help="the variables of `budget serve` as well")
    listing.set_defaults(run=_list)
    get = commands.add("get", "one setting")
    get.add_argument("name", choices=("profile", *SETTINGS))
    get.set_defaults(run=_get)
    put = commands.add("set", "keep a setting in a profile of the file; `set profile NAME` chooses one")
    put.add_argument("name", choices=("profile", *SETTINGS))
    put.add_argument("value")
    put.set_defaults(run=_set)
    unset = commands.add("unset", "take a setting out of a profile of the file")
    unset.add_argument("name", choices=("profile", *SETTINGS))
    unset.set_defaults(run=_unset)
    for each in (listing, get, put, unset):
        each.add_argument("--profile", metavar="NAME", default=argparse.SUPPRESS, help="the profile in question")
    for each in (listing, get):
        each.add_argument("--format", choices=FORMATS, default=argparse.SUPPRESS, help="how to print (default: table)")
    commands.add("path", "where the file is, or would be").set_defaults(run=_path)


def _list(settings: Settings, given: argparse.Namespace) -> int:
    found = profiles.resolved(_options(given), os.environ, settings.endpoint)
    rows = [_row(name, value) for name, value in found.items()]
    if given.service:
        rows += [
            _row(each.name, _of_service(each.name, each.default))
            for each in KNOWN
            if each.treatment is Treatment.HONOURED
        ]
    _output(found).rows(rows, "Setting", ("name", "value", "from"))
    return exits.DONE


def _get(settings: Settings, given: argparse.Namespace) -> int:
    found = profiles.resolved(_options(given), os.environ, settings.endpoint)
    row = _row(given.name, found[given.name])
    shape = found["format"].value
    if shape in (None, "table"):
        print(row["value"])
    else:
        _output(found).rows([row], "Setting", ("name", "value", "from"))
    return exits.DONE


def _set(_: Settings, given: argparse.Namespace) -> int:
    file = profiles.path(os.environ)
    active, tables = profiles.read(file)
    if given.name == "profile":
        if given.value not in (profiles.DEFAULT, *tables):
            raise Failed(f"there is no profile {given.value!r}: `budget config set NAME VALUE --profile` makes one", 2)
        profiles.write(file, given.value, tables)
        return exits.DONE
    profiles.checked(given.name, Value(given.value, "given"))
    name = profiles.profile_name(getattr(given, "profile", None) or active or profiles.DEFAULT)
    profiles.write(file, active, {**tables, name: {**tables.get(name, {}), given.name: given.value}})
    return exits.DONE


def _unset(_: Settings, given: argparse.Namespace) -> int:
    file = profiles.path(os.environ)
    active, tables = profiles.read(file)
    if given.name == "profile":
        profiles.write(file, None, tables)
        return exits.DONE
    name = getattr(given, "profile", None) or active or profiles.DEFAULT
    if given.name not in tables.get(name, {}):
        raise Failed(f"{given.name} is not set in the profile {name!r} of {file}")
    rest = {key: value for key, value in tables[name].items() if key != given.name}
    kept = {each: table for each, table in {**tables, name: rest}.items() if table}
    profiles.write(file, active if active in kept else None, kept)
    return exits.DONE


def _path(_: Settings, __: argparse.Namespace) -> int:
    print(profiles.path(os.environ))
    return exits.DONE


def _options(given: argparse.Namespace) -> dict[str, Any]:
    """Those that settings are; `name` and `value` are this command's own."""
    return {name: value for name, value in vars(given).items() if name in ("profile", *SETTINGS)}


def _row(name: str, value: Value) -> dict[str, Any]:
    hidden = value.value is not None and (name in SECRETS or (name.endswith(("_KEY", "_URL")) and "@" in value.value))
    return {"name": name, "value": "(set; not shown)" if hidden else value.value, "from": value.source}


def _of_service(name: str, default: str) -> Value:
    given = os.environ.get(name, "").strip()
    hidden = bool(given) and name.endswith("_API_KEY")
    return Value("(set; not shown)" if hidden else given or default, "environment" if given else "default")


def _output(found: dict[str, Value]) -> Any:
    from budget.interfaces.cli.output import Output  # noqa: PLC0415 -- slow to import

    return Output(str(found["format"].value), lambda _: "UTC")
