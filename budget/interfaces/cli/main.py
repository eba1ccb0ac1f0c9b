"""The `budget` command: one command line read, run, and ended with a status that a script can tell apart."""

import contextlib
import os
import sys
from collections.abc import Sequence

from budget.interfaces.cli import exits, parsers


def main(arguments: Sequence[str] | None = None, parser: parsers.Parser | None = None) -> int:
    """Run one command; gives the exit status."""
    try:
        status = _run(arguments, parser or parsers.parser())
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever reads has read enough. Python would complain when it flushes at its end.
        with contextlib.suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return exits.DONE
    except KeyboardInterrupt:
        print("budget: stopped", file=sys.stderr)
        return exits.INTERRUPTED
    return status


def _run(arguments: Sequence[str] | None, parser: parsers.Parser) -> int:
    if "_ARGCOMPLETE" in os.environ:
        from budget.interfaces.cli import completion  # noqa: PLC0415 -- only a shell that completes needs it

        completion.answer(parser)
    given = parser.parse_args(arguments)
    # Here, because nothing may be loaded that `--help` does not need.
    from budget.interfaces.cli import failures  # noqa: PLC0415

    return failures.run(given, os.environ)


if __name__ == "__main__":
    sys.exit(main())
