"""Apollo's folder: its limits, records in several files that repeat each other, an export of allocations."""

import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

from budget.adapters.migration import apollo_limits, apollo_records, json_lists
from budget.adapters.migration.local_times import LocalTimes
from budget.adapters.migration.old_texts import real_path
from budget.domain.migrations import FoundPolicy, Holds, Rejected, SourceFailed, SourceMissing, Usage

POLICIES = "budget_policies.json"
ALLOCATIONS = "allocations_export.json"
_USAGE = re.compile(r"usage_records_([0-9]+)\.json")

Item = TypeVar("Item")


class Folder:
    """A folder that should be Apollo's, or one file of it."""

    def __init__(self, path: str, *, named: bool = True) -> None:
        self.path = path
        self.named = named

    def open(self, zone: str, now: int) -> "Opened":
        """See what is in it; `SourceFailed` when there is nothing of Apollo's."""
        path = Path(real_path(self.path))
        if not os.path.exists(path):  # noqa: PTH110 -- unlike Path's it takes any text
            raise SourceMissing("there is no such folder")
        try:
            files = sorted(path.iterdir()) if path.is_dir() else [path]
        except OSError as error:
            raise SourceFailed(f"it cannot be read: {error.strerror}") from error
        ours = [file for file in files if file.name in (POLICIES, ALLOCATIONS) or _USAGE.fullmatch(file.name)]
        if files and not ours:
            raise SourceFailed(f"it is not Apollo's: there is no {POLICIES}, usage_records_….json or {ALLOCATIONS}")
        return Opened(ours, [file.name for file in files if file not in ours], zone, now)


class Opened:
    """The files of a folder of Apollo's, each read when it is its turn."""

    def __init__(self, files: Sequence[Path], strangers: Sequence[str], zone: str, now: int) -> None:
        self.notes: list[str] = []
        self.is_whole = True
        self._files = sorted(files, key=lambda file: (_written(file), file.name))
        self._times = LocalTimes(zone)
        self._now = now
        if not files:
            self.notes.append("there is nothing in it")
        if strangers:
            self.notes.append(f"not Apollo's, and left alone: {', '.join(strangers[:20])}")
        if files and not any(file.name == ALLOCATIONS for file in files):
            self.notes.append(
                f"Apollo kept allocations in memory only, and there is no {ALLOCATIONS}: none are imported"
            )

    def usage(self) -> Iterator[tuple[str, list[Usage]]]:
        """The records, oldest file first."""
        for file in self._files:
            if _USAGE.fullmatch(file.name):
                records = self._read(file, lambda fields: apollo_records.usage(fields, self._times))
                yield file.name, _each_once(records)

    def holds(self) -> Iterator[tuple[str, list[Holds]]]:
        """The allocations, where somebody exported them."""
        for file in self._files:
            if file.name == ALLOCATIONS:
                holds = self._read(file, lambda fields: apollo_records.hold(fields, self._times))
                yield file.name, _each_once(holds)

    def policies(self) -> Iterable[FoundPolicy | Rejected]:
        """The limits."""
        for file in self._files:
            if file.name == POLICIES:
                found = self._read(file, lambda fields: apollo_limits.limit(fields, self._times, self._now))
                self.notes.extend(apollo_limits.notes_on(found))
                yield from found

    def close(self) -> None:
        """Nothing is kept open."""

    def _read(self, file: Path, translate: Callable[[Any], Item]) -> list[Item | Rejected]:
        try:
            entries, state = json_lists.read(file)
        except SourceFailed as error:
            self.is_whole = False
            self.notes.append(error.message)
            return []
        if state == "empty":
            self.notes.append(f"{file.name} is empty")
        elif state == "cut":
            self.is_whole = False
            self.notes.append(f"{file.name} breaks off: {len(entries)} complete entries before that were recovered")
        found: list[Item | Rejected] = []
        for at, entry in enumerate(entries, 1):
            try:
                found.append(translate(json_lists.fields_of(entry)))
            except ValueError as error:
                found.append(Rejected(f"{file.name} entry {at}{_named(entry)}", str(error)))
        return found


def sources(paths: Sequence[str], default_places: Sequence[str]) -> list[Folder]:
    """The folders at these paths; without any, the places where Apollo had them."""
    found = {real_path(path): Folder(path) for path in paths}
    return list(found.values()) or [Folder(place, named=False) for place in default_places]


def _written(file: Path) -> int:
    found = _USAGE.fullmatch(file.name)
    return int(found[1]) if found else 0


def _each_once(items: Sequence[Any]) -> list[Any]:
    """Without those that come again in the same file, which are named."""
    seen: set[str] = set()
    kept: list[Any] = []
    for item in items:
        is_repeated = not isinstance(item, Rejected) and item.key in seen
        if not isinstance(item, Rejected):
            seen.add(item.key)
        kept.append(Rejected(item.key, "it stands twice in its file", skipped=True) if is_repeated else item)
    return kept


def _named(entry: Any) -> str:
    if isinstance(entry, dict):
        for name in ("record_id", "policy_id", "allocation_id", "recordId", "policyId", "allocationId"):
            if isinstance(entry.get(name), str):
                return f" ({entry[name][:80]})"
    return ""
