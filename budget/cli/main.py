"""`python -m budget.cli.main`: Tekton's commands as its scripts call them, beside Budget's own."""

import sys
from collections.abc import Sequence

from budget.interfaces.cli import main as cli
from budget.interfaces.cli import parsers, tekton


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; what goes wrong is one line that begins with `Error:`."""
    parser = parsers.parser(groups=tekton.groups())
    parser.set_defaults(says="Error")
    return cli.main(arguments, parser)


if __name__ == "__main__":
    sys.exit(main())
