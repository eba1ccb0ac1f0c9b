"""What can go wrong, as few kinds as possible; the interfaces turn a kind into a status.

Each class says in its docstring what happened; `code` is stable and is what programs read.
"""

from typing import Any


class BudgetError(Exception):
    """Something Budget refuses or cannot do."""

    code = "internal_error"

    def __init__(self, message: str = "", **details: Any) -> None:
        super().__init__(message or (type(self).__doc__ or "").strip())
        self.details = details

    @property
    def message(self) -> str:
        """One sentence for people."""
        return str(self.args[0])


class Invalid(BudgetError):
    """The request is wrong: `field` names what, the message says why."""

    code = "invalid_request"

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message, field=field)
        self.field = field


class NotFound(BudgetError):
    """There is nothing with this id."""

    code = "resource_not_found"


class Conflict(BudgetError):
    """The request does not fit what is stored."""

    code = "conflict"


class Gone(BudgetError):
    """What was asked for was there, and is no longer kept."""

    code = "gone"


class KeyReused(BudgetError):
    """This idempotency key was used before with another request."""

    code = "idempotency_key_reused"


class BudgetExceeded(BudgetError):
    """A hard limit refuses the request."""

    code = "insufficient_budget"

    def __init__(self, refusal: Any) -> None:
        super().__init__(refusal.message)
        self.refusal = refusal


class PriceUnknown(BudgetError):
    """The model has no price, and a hard cost limit applies: unpriced is not free."""

    code = "price_unknown"


class Unavailable(BudgetError):
    """The service cannot answer now; nothing was changed. Try again."""

    code = "unavailable"


class TooMany(BudgetError):
    """More requests than the service is set to take."""

    code = "rate_limited"


class NotAuthenticated(BudgetError):
    """This needs an API key that is known, and neither expired nor withdrawn."""

    code = "authentication_error"


class NotAllowed(BudgetError):
    """The caller may not do this."""

    code = "authorization_error"
