"""`python -m budget`: serves, as Tekton's launcher expects, or runs the command that follows."""

import sys

from budget.interfaces.cli.main import main

sys.exit(main(sys.argv[1:] or ["serve"]))
