"""What can go wrong with a database, in Budget's words; both backends translate their drivers' errors into these."""

from typing import Any

from budget.domain.errors import BudgetError, Unavailable


class Locked(BudgetError):
    """Another process owns this database file."""

    code = "database_locked"


class KeyTaken(Exception):
    """A command of the batch has a key that an earlier one claimed: decide again, knowing which."""


class Collided(Unavailable):
    """Another writer was in the way (a deadlock, a lock that did not come): nothing was written; try again."""

    def __init__(self) -> None:
        super().__init__("another writer was in the way; try again")


class OutcomeUnknown(Unavailable):
    """The connection was lost while a commit was under way: it may have been carried out, or not."""

    def __init__(self, result: Any) -> None:
        super().__init__("the database was lost while this was being committed; ask again with the same key")
        self.result = result
        """What the function gave whose transaction it was."""
