"""`docs/asyncapi.yaml` as a judge: every frame that a test gets must be as it says."""

from functools import cache
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]  # it ships no types
import yaml  # type: ignore[import-untyped]  # likewise

PATH = Path(__file__).parents[1] / "docs" / "asyncapi.yaml"


@cache
def document() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(PATH.read_text())
    return found


@cache
def judge(message: str) -> Any:
    """The validator of a message by its name, which for a frame of the service is its type."""
    schema = {**document()["components"]["messages"][message]["payload"], "components": document()["components"]}
    checker = jsonschema.Draft202012Validator.FORMAT_CHECKER
    return jsonschema.Draft202012Validator(schema, format_checker=checker)


def check(frame: dict[str, Any]) -> dict[str, Any]:
    """The same frame, which is as the document says."""
    judge(frame["type"]).validate(frame)
    return frame
