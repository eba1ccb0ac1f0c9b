"""The promises that a run checks, and the report of a broken one."""

PROMISES = {
    "P1": "balances are what the journal adds up to",
    "P2": "a hard limit holds, and nothing that fits is refused",
    "P3": "what was answered is durable",
    "P4": "a key makes a command happen exactly once",
    "P5": "money is exact",
    "P6": "unpriced is not free",
    "P7": "tokens are counted once, in disjoint parts",
    "P8": "history stands: prices have dates, corrections leave what was",
    "P9": "a hold ends well",
    "P10": "a refusal helps, and an offer that is taken is granted",
    "P11": "windows are right by the budget's own clock",
    "P12": "one alert per crossing",
}
"""What design.md promises, each in a few words."""

SERVICE = "service"
"""Stands in the place of a promise when a command failed in a way that no promise speaks of."""


class Broken(Exception):
    """A promise was not kept: what was expected, and what was found."""

    def __init__(self, promise: str, what: str, expected: object, found: object) -> None:
        super().__init__(f"{promise} ({PROMISES.get(promise, 'the service works')}): {what}")
        self.promise = promise
        self.what = what
        self.expected = expected
        self.found = found


def agree(promise: str, what: str, expected: object, found: object) -> None:
    """Raise `Broken` unless what was found is what was expected."""
    if expected != found:
        raise Broken(promise, what, expected, found)


def hold_to(promise: str, what: str, kept: bool, found: object = None) -> None:  # noqa: FBT001 -- the condition itself
    """Raise `Broken` unless a condition holds."""
    if not kept:
        raise Broken(promise, what, expected=True, found=found)
