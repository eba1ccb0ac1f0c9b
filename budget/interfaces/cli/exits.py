"""Exit statuses: how a command ends, so that a script can tell why."""

from typing import Final

DONE: Final = 0
FAILED: Final = 1
USAGE: Final = 2
"""The command line is wrong; nothing was sent."""
REFUSED: Final = 3
"""By a limit."""
UNREACHABLE: Final = 4
NOT_ALLOWED: Final = 5
PARTIAL: Final = 6
"""Of a migration: something is missing."""
UNREADABLE: Final = 7
"""Of a migration: nothing could be read."""
INTERRUPTED: Final = 130
"""By Ctrl-C, as shells say it."""
