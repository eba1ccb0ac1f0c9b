"""Asking on the terminal for what a request still needs, one field at a time, until each is right."""

import argparse
import sys
from collections.abc import Collection
from typing import Any

from budget.interfaces.cli import options, values


def completed(operation: Any, request: dict[str, Any], more: Collection[str]) -> dict[str, Any]:
    """The request with what must be there; with nothing given at all, also what one mostly wants to say."""
    schema = options.schema_of(operation)
    wanted = list(schema["required"]) + ([] if request else [name for name in more if name not in schema["required"]])
    for name in wanted:
        if name not in request:
            value = _ask(operation.name, name, schema["properties"][name], required=name in schema["required"])
            if value is not None:
                request = {**request, name: value}
    return request


def _ask(operation: str, name: str, schema: dict[str, Any], *, required: bool) -> Any:
    reader = values.reader(operation, name, schema)
    remark = "" if required else " (empty for none)"
    while True:
        print(f"{name.replace('_', ' ')}{remark}: ", end="", file=sys.stderr, flush=True)
        line = sys.stdin.readline()
        if not line:
            raise KeyboardInterrupt  # Ctrl-D at a question ends the command, too
        text = line.strip()
        if not text and not required:
            return None
        try:
            return reader(text)
        except argparse.ArgumentTypeError as error:
            print(f"  {error}", file=sys.stderr)
