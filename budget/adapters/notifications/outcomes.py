"""That a try to deliver did not succeed."""


class Undelivered(Exception):
    """What it met with, in words for those who read the list of deliveries; never an address or a secret."""

    def __init__(self, reason: str, *, status: int | None = None, final: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.status = status
        self.final = final
        """Whether there is no sense in trying again."""
