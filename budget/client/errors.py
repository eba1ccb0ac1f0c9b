"""What a client raises: one base class, and a kind for each thing a caller can do about it."""

from typing import Any


class BudgetError(Exception):
    """Budget could not do it. `code` is stable, `problem` is the whole problem document."""

    def __init__(self, message: str, *, status: int | None = None, problem: dict[str, Any] | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.problem = problem or {}

    @property
    def code(self) -> str | None:
        """The service's word for it, such as `insufficient_budget`."""
        return self.problem.get("code")


class Refused(BudgetError):
    """A hard limit refuses the request: the arithmetic, when it fits again, and what would fit now."""

    path: str = "/allocations"
    """Where the refused request went, and where `take_offer` sends an offer."""

    @property
    def limits(self) -> list[dict[str, Any]]:
        """The limits that refuse, each with `limit`, `used`, `held` and `asked` in its own `unit`."""
        return self.problem.get("limits") or []

    @property
    def offers(self) -> list[dict[str, Any]]:
        """What would be granted: `take_offer` sends one."""
        return self.problem.get("offers") or []

    @property
    def retryable(self) -> bool:
        """Whether the same request can fit later."""
        return bool(self.problem.get("retryable"))

    @property
    def retry_at(self) -> str | None:
        """When, in ISO 8601, if that is known."""
        return self.problem.get("retry_at")

    @property
    def decision_id(self) -> str | None:
        """What `explain` takes."""
        return self.problem.get("decision_id")


class Invalid(BudgetError):
    """The request is wrong: `field` names what."""

    @property
    def field(self) -> str | None:
        """The first field that is wrong, if one is named."""
        errors: list[dict[str, str]] = self.problem.get("errors") or [{}]
        return errors[0].get("field")


class NotFound(BudgetError):
    """There is nothing with this id."""


class Conflict(BudgetError):
    """The request does not fit what is stored, such as settling a hold twice."""


class Gone(BudgetError):
    """Events after the number that was given are no longer kept: read the snapshot, and go on after its number."""

    @property
    def oldest_seq(self) -> int:
        """The oldest event that is kept."""
        return int(self.problem.get("oldest_seq", 0))

    @property
    def snapshot(self) -> str:
        """The path of the snapshot."""
        return str(self.problem.get("snapshot", ""))


class NotAllowed(BudgetError):
    """The API key is missing, wrong, or may not do this."""


class Unavailable(BudgetError):
    """No answer after all tries, so the outcome is not known; sent again with `idempotency_key` it is done once."""

    idempotency_key: str | None = None
