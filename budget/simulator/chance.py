"""Chance for one step: all of it from the step's own seed, so that leaving out other steps does not shift it."""

import random
import zlib
from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

T = TypeVar("T")


class Chance:
    """Where a step's decisions come from."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def happens(self, probability: float) -> bool:
        """Whether something of this probability happens."""
        return self._random.random() < probability

    def whole(self, least: int, most: int) -> int:
        """A whole number."""
        return self._random.randint(least, most)

    def one_of(self, things: Sequence[T]) -> T:
        """One of a list that is always the same."""
        return self._random.choice(things)

    def weighted(self, things: Sequence[tuple[int, T]]) -> T:
        """One of these, each as likely as its weight."""
        weights, values = zip(*things, strict=True)
        found: T = self._random.choices(values, weights)[0]
        return found

    def maybe(self, probability: float, things: Sequence[T]) -> T | None:
        """One of these with this probability, else None."""
        return self.one_of(things) if self.happens(probability) else None

    def some_of(self, things: Sequence[T], most: int) -> list[T]:
        """A few of these, in any order."""
        return self._random.sample(things, self._random.randint(0, min(most, len(things))))

    def labelled(self, things: Iterable[T]) -> T:
        """One of what earlier steps made: the same one even when steps that made others are left out."""
        salt = self._random.getrandbits(32)
        return min(things, key=lambda thing: zlib.crc32(f"{salt} {_label(thing)}".encode()))


def _label(thing: Any) -> str:
    return getattr(thing, "label", None) or str(thing)
