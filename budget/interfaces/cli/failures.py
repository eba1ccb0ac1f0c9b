"""What a command that fails says, in one sentence with the next step, and the exit status that goes with it."""

import argparse
import sys
from collections.abc import Mapping
from typing import Any

from budget import settings
from budget.domain import errors
from budget.interfaces.cli import exits
from budget.settings import Settings, SettingsError


class Failed(Exception):
    """A command cannot go on: the sentence, and the exit status."""

    def __init__(self, message: str, status: int = exits.FAILED) -> None:
        super().__init__(message)
        self.status = status


def run(given: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """Run the command that was read."""
    try:
        made = _settings(given, environ)
        status: int = given.run(made, given)
    except Failed as failed:
        return fail(str(failed), failed.status, given.says)
    except SettingsError as error:
        return fail(str(error), says=given.says)
    except errors.BudgetError as error:
        return fail(error.message, says=given.says)
    except _of_the_service() as error:
        return _said(error, getattr(given, "format", ""), given.says)
    return status


def fail(message: str, status: int = exits.FAILED, says: str = "budget") -> int:
    """One clear line on stderr, and the exit status for it."""
    print(f"{says}: {' '.join(message.split())}", file=sys.stderr)
    return status


def _settings(given: argparse.Namespace, environ: Mapping[str, str]) -> Settings:
    if getattr(given, "debug", False):
        environ = {**environ, "TEKTON_DEBUG": "true", "TEKTON_LOG_LEVEL": "DEBUG"}
    made = settings.load(environ)
    if made.debug:
        from budget import tracing  # noqa: PLC0415 -- slow to import

        tracing.install()  # before the rest is imported
    return made


def _of_the_service() -> type[Exception]:
    """What the client raises; looked up when something is raised, because the client is slow to import."""
    from budget.client.errors import BudgetError  # noqa: PLC0415

    return BudgetError


def _said(error: Any, shape: str, says: str) -> int:
    from budget.client.errors import NotAllowed, Refused, Unavailable  # noqa: PLC0415 -- loaded by now

    if shape == "json" and error.problem:
        from budget.interfaces.cli.documents import as_json  # noqa: PLC0415 -- likewise

        print(as_json(error.problem))
    message = error.message
    if isinstance(error, Refused):
        return fail(f"{message}{_next_step(error)}", exits.REFUSED, says)
    if isinstance(error, NotAllowed):
        return fail(f"{message}; --api-key, BUDGET_API_KEY or a profile gives a key", exits.NOT_ALLOWED, says)
    return fail(message, exits.UNREACHABLE if isinstance(error, Unavailable) else exits.FAILED, says)


def _next_step(refused: Any) -> str:
    """What would help, of what the refusal offers."""
    steps = []
    for offer in refused.offers:
        request = offer["request"]
        if offer["kind"] == "fewer_tokens":
            steps.append(f"{request['tokens_allocated']:,} tokens would fit")
        elif offer["kind"] == "other_model":
            steps.append(f"{request.get('provider')}/{request.get('model')} would fit")
    if refused.retry_at:
        steps.append(f"it can fit again from {refused.retry_at}")
    explained = f"; `budget decisions explain {refused.decision_id}` says more" if refused.decision_id else ""
    return (f"; {', '.join(steps)}" if steps else "") + explained
