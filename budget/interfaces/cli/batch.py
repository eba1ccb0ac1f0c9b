"""`budget usage batch`: any number of usage records from a file or from stdin, some thousands at a time."""

import argparse
import codecs
import csv
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from decimal import Decimal
from pathlib import Path
from typing import IO, Any, Final, NamedTuple

import msgspec

from budget.domain.commands import RecordUsage
from budget.domain.configuration import generated
from budget.interfaces.cli import exits
from budget.interfaces.cli.failures import Failed
from budget.interfaces.cli.parsers import Commands
from budget.interfaces.cli.values import whole
from budget.operations import bodies
from budget.settings import Settings

AT_A_TIME: Final = 5_000
LONGEST_LINE: Final = 1024 * 1024
LISTED: Final = 20
"""Problems that are told one by one; the others are counted."""


class Line(NamedTuple):
    """A record and where it stands, or what is wrong with it."""

    number: int
    record: dict[str, Any]
    problem: str | None = None


class Tally:
    """What became of the records so far."""

    def __init__(self, batch_id: str) -> None:
        self.batch_id = batch_id
        self.accepted = self.duplicates = self.refused = self.pending = 0
        self.problems: list[dict[str, Any]] = []

    def refuse(self, number: int, problem: str) -> None:
        """Count a record that is not booked."""
        self.refused += 1
        if len(self.problems) < LISTED:
            self.problems.append({"line": number, "problem": problem})

    def answered(self, lines: list[Line], answer: dict[str, Any]) -> None:
        """Count what the service says of some lines."""
        self.accepted += answer["accepted"]
        self.duplicates += answer["duplicates"]
        self.pending = 0
        for result in answer["results"]:
            if result["error"] is not None:
                wrong = result["error"]
                place = f"{wrong['field']}: " if wrong["field"] else ""
                self.refuse(lines[result["index"]].number, place + wrong["message"])

    def said(self) -> dict[str, Any]:
        """The whole, as JSON shows it."""
        counts = {"accepted": self.accepted, "duplicates": self.duplicates, "refused": self.refused}
        return {**counts, "batch_id": self.batch_id, "problems": self.problems}


def add_to(commands: Commands) -> None:
    """The command."""
    parser = commands.add("batch", "book many records: a file or stdin of JSON lines, or of CSV")
    parser.add_argument("file", nargs="?", default="-", metavar="FILE", help="default: stdin; .csv is read as CSV")
    parser.add_argument("--csv", action="store_true", help="read CSV; columns are the fields of a usage record")
    parser.add_argument(
        "--batch-id", metavar="ID",
        help="record N without a request_id gets ID:N for one; the same again then counts nothing twice",
    )  # fmt: skip
    parser.add_argument(
        "--at-a-time", type=lambda text: whole(text, 1, 10_000), default=AT_A_TIME, metavar="N",
        help=f"records in one commit, at most 10,000 (default: {AT_A_TIME:,})",
    )  # fmt: skip
    parser.add_argument("--dry-run", action="store_true", help="read and check every record, and send none")
    parser.set_defaults(run=run)


def run(settings: Settings, given: argparse.Namespace) -> int:
    """Send them all; what was accepted is said, whatever ends it."""
    from budget.client import BudgetError, exchange  # noqa: PLC0415 -- slow to import
    from budget.interfaces.cli.session import Session  # noqa: PLC0415 -- likewise

    tally = Tally(given.batch_id or exchange.new_key())
    with Session(settings, given) as session, ExitStack() as stack:
        stream = _opened(given.file, stack)
        lines = _lines(stream, is_csv=given.csv or given.file.endswith(".csv"))
        advance = _progress(session.out.quiet, given.file, stack)
        try:
            for chunk in _chunks(lines, given.at_a_time, tally):
                tally.pending = len(chunk)
                answer = (
                    _nothing(chunk) if given.dry_run else session.client.record_batch(_keyed(chunk, tally.batch_id))
                )
                tally.answered(chunk, answer)
                session.say(_counts(tally))
                advance(stream, tally)
        except KeyboardInterrupt:
            _broken_off(tally, given)
            return exits.INTERRUPTED
        except BudgetError as error:
            _broken_off(tally, given)
            raise session.explained(error) from error
        stack.close()  # the progress is over before the result is told
        _tell(session.out, tally, dry_run=given.dry_run)
    return exits.FAILED if tally.refused else exits.DONE


def _opened(file: str, stack: ExitStack) -> IO[bytes]:
    if file == "-":
        return sys.stdin.buffer
    try:
        return stack.enter_context(Path(file).open("rb"))
    except OSError as error:
        raise Failed(f"{file} cannot be read: {error.strerror}", exits.USAGE) from None


def _lines(stream: IO[bytes], *, is_csv: bool) -> Iterator[Line]:
    return _of_csv(stream) if is_csv else _of_json(stream)


def _of_json(stream: IO[bytes]) -> Iterator[Line]:
    number = 0
    while line := stream.readline(LONGEST_LINE):
        number += 1
        if not line.strip():
            continue
        try:
            record = msgspec.json.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            yield Line(number, {}, f"is not JSON: {error}")
        else:
            yield _checked(number, record)


def _of_csv(stream: IO[bytes]) -> Iterator[Line]:
    rows = csv.DictReader(codecs.iterdecode(stream, "utf-8-sig", "replace"))
    for row in _readable(rows):
        if row is None:
            yield Line(
                rows.reader.line_num, {}, f"is not CSV: a field is longer than {csv.field_size_limit():,} characters"
            )
            continue
        given = {name: text for name, text in row.items() if name and text and isinstance(text, str)}
        try:
            for name in ("tags", "metadata", "usage"):
                if name in given:
                    given[name] = msgspec.json.decode(given[name])
        except (msgspec.DecodeError, RecursionError) as error:
            yield Line(rows.line_num, {}, f"is not JSON in a column: {error}")
        else:
            yield _checked(rows.line_num, given, of_texts=True)


def _readable(rows: Iterator[dict[str, Any]]) -> Iterator[dict[str, Any] | None]:
    """The rows; None for one that cannot be read, which ends no batch."""
    while True:
        try:
            yield next(rows)
        except StopIteration:
            return
        except csv.Error:
            yield None


def _checked(number: int, record: Any, *, of_texts: bool = False) -> Line:
    """The record, if the service could read it: it is looked at by the service's own type."""
    try:
        read = msgspec.convert(record, RecordUsage, strict=not of_texts)
    except msgspec.ValidationError as error:
        wrong = bodies.refusal(error)
        return Line(number, {}, f"{wrong.details.get('field', 'record')}: {wrong.message}")
    return Line(number, msgspec.to_builtins(read, builtin_types=(Decimal,)) if of_texts else record)


def _chunks(lines: Iterator[Line], size: int, tally: Tally) -> Iterator[list[Line]]:
    chunk: list[Line] = []
    for line in lines:
        if line.problem is not None:
            tally.refuse(line.number, line.problem)
            continue
        chunk.append(line)
        if len(chunk) == size:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def _keyed(chunk: list[Line], batch_id: str) -> list[dict[str, Any]]:
    return [_complete(line.record, f"{batch_id}:{line.number}") for line in chunk]


def _complete(record: dict[str, Any], key: str) -> dict[str, Any]:
    """With a key, and where it belongs to nothing with a context, as `budget usage record` gives it one."""
    key = record.get("request_id") or key
    if record.get("context_id") is None and record.get("allocation_id") is None:
        return {**record, "request_id": key, "context_id": generated(key)}
    return {**record, "request_id": key}


def _nothing(chunk: list[Line]) -> dict[str, Any]:
    return {"accepted": len(chunk), "duplicates": 0, "results": []}


# What is said


def _broken_off(tally: Tally, given: argparse.Namespace) -> None:
    print(
        f"budget: broken off: {_counts(tally)}; {tally.pending:,} more were on their way. "
        f"`budget usage batch {given.file} --batch-id {tally.batch_id}` sends the same again and counts nothing twice",
        file=sys.stderr,
    )


def _counts(tally: Tally) -> str:
    return f"{tally.accepted:,} accepted, {tally.duplicates:,} duplicates, {tally.refused:,} refused"


def _tell(out: Any, tally: Tally, *, dry_run: bool) -> None:
    for each in tally.problems if out.shape != "json" else ():
        print(f"budget: line {each['line']:,}: {each['problem']}", file=sys.stderr)
    unlisted = tally.refused - len(tally.problems)
    if unlisted and out.shape != "json":
        print(f"budget: … and {unlisted:,} more", file=sys.stderr)
    if out.shape == "json":
        out.json(tally.said())
    elif not out.quiet:
        out.text(f"{'would be ' if dry_run else ''}{_counts(tally)}\n")


def _progress(quiet: bool, file: str, stack: ExitStack) -> Any:  # noqa: FBT001 -- one caller
    """A bar on stderr for somebody who waits there; of stdin nobody knows how long it is."""
    if quiet or not sys.stderr.isatty():
        return lambda *_: None
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn  # noqa: PLC0415 -- on a terminal only

    from budget.interfaces.cli.output import console  # noqa: PLC0415 -- likewise

    shown = Progress(TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), console=console(stderr=True))
    progress = stack.enter_context(shown)
    task = progress.add_task("sending", total=None if file == "-" else Path(file).stat().st_size)

    def advance(stream: IO[bytes], tally: Tally) -> None:
        progress.update(task, description=_counts(tally), completed=0 if file == "-" else stream.tell())

    return advance
