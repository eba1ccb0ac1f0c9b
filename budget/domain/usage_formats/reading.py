"""Reads a provider's usage object field by field, checks each value, and remembers what nobody asked for."""

from collections.abc import Iterator, Mapping
from decimal import Decimal, InvalidOperation

from budget.domain.money import MAX_NANOCENTS, NANOCENTS_PER_DOLLAR
from budget.domain.usage import UsageError

JsonObject = Mapping[str, object]

MAX_COUNT = 2**53
"""The largest count accepted: beyond it, JSON numbers are no longer exact everywhere."""

_MAX_DOLLARS = MAX_NANOCENTS // NANOCENTS_PER_DOLLAR


class Reader:
    """One object of a usage report. A field may be asked for by several spellings; null counts as absent."""

    def __init__(self, fields: JsonObject, path: str = "usage") -> None:
        """Read `fields`, which stand at `path` of the request."""
        self.path = path
        self._fields = fields
        self._asked: set[str] = set()
        self._children: dict[str, list[Reader]] = {}

    def count(self, *names: str) -> int | None:
        """Give the count under the first of `names` that is present, or None; UsageError if it is not a count."""
        name, value = self._find(names)
        if value is None:
            return None
        if type(value) is not int or not 0 <= value <= MAX_COUNT:
            raise UsageError(self._at(name), "must be a whole number from 0 to 2**53")
        return value

    def number(self, *names: str) -> int:
        """Give the count as `count` does, 0 when absent."""
        return self.count(*names) or 0

    def amount(self, *names: str) -> Decimal | None:
        """Give a non-negative decimal, or None; UsageError if it is none or beyond 92 million.

        JSON decoders hand such numbers over as floats; the shortest text of a float is what the provider wrote.
        """
        name, value = self._find(names)
        if value is None:
            return None
        if type(value) not in {int, float, str, Decimal}:
            raise UsageError(self._at(name), "must be a number")
        try:
            amount = Decimal(str(value))
        except (InvalidOperation, ValueError):  # ValueError: an int too long for str()
            raise UsageError(self._at(name), "must be a number") from None
        if not amount.is_finite() or not 0 <= amount <= _MAX_DOLLARS:
            raise UsageError(self._at(name), f"must be from 0 to {_MAX_DOLLARS}")
        return amount

    def is_true(self, name: str) -> bool:
        """Tell whether the field is JSON's true."""
        return self._find((name,))[1] is True

    def child(self, *names: str) -> "Reader":
        """Give the object under the first of `names` present, an empty one when absent; UsageError if no object."""
        name, value = self._find(names)
        if value is None:
            return Reader({}, self._at(name))
        return self._open(name, value, self._at(name))

    def children(self, *names: str) -> list["Reader"]:
        """Give the objects of a list, none when absent; UsageError if it is no list of objects."""
        name, value = self._find(names)
        if value is None:
            return []
        if not isinstance(value, list):
            raise UsageError(self._at(name), "must be a list")
        return [self._open(name, item, f"{self._at(name)}[{index}]") for index, item in enumerate(value)]

    def text(self, *names: str) -> str:
        """Give a text field, empty when absent or of another kind."""
        value = self._find(names)[1]
        return value if isinstance(value, str) else ""

    def has(self, *names: str) -> bool:
        """Tell whether any of `names` is present and not null."""
        return any(self._fields.get(name) is not None for name in names)

    def is_object(self, name: str) -> bool:
        """Tell whether the field is an object."""
        return isinstance(self._fields.get(name), dict)

    def texts_within(self, name: str, key: str) -> list[str]:
        """Give the text under `key` of each object in a list, empty where there is none."""
        items = self._fields.get(name)
        if not isinstance(items, list):
            return []
        texts = [item.get(key) if isinstance(item, dict) else None for item in items]
        return [text if isinstance(text, str) else "" for text in texts]

    def ignore(self, *names: str) -> None:
        """Note that these fields are known and carry nothing that is priced apart."""
        self._asked.update(names)

    def ignore_rest(self) -> None:
        """Note that nothing else in this object is priced."""
        self._asked.update(self._fields)

    def unread(self) -> Iterator[tuple[str, object]]:
        """Give path and raw value of every field that nobody asked for and that counts something."""
        for name, value in self._fields.items():
            if name not in self._asked and _counts_something(value):
                yield self._at(name).partition(".")[2], value
        for readers in self._children.values():
            for reader in readers:
                yield from reader.unread()

    def _find(self, names: tuple[str, ...]) -> tuple[str, object]:
        self._asked.update(names)
        for name in names:
            value = self._fields.get(name)
            if value is not None:
                return name, value
        return names[0], None

    def _open(self, name: str, value: object, path: str) -> "Reader":
        if not isinstance(value, dict):
            raise UsageError(path, "must be an object")
        reader = Reader(value, path)
        self._children.setdefault(name, []).append(reader)
        return reader

    def _at(self, name: str) -> str:
        return f"{self.path}.{name}"


def _counts_something(value: object) -> bool:
    """Find a positive whole number anywhere inside, without recursion: the depth is the sender's choice."""
    pending = [value]
    while pending:
        item = pending.pop()
        if type(item) is int and item > 0:
            return True
        if isinstance(item, dict):
            pending.extend(item.values())
        elif isinstance(item, list):
            pending.extend(item)
    return False
