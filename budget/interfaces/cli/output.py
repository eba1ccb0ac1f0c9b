"""How an answer is printed: a table for people, or one of the formats for programs."""

import os
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

from rich.cells import cell_len
from rich.console import Console
from rich.measure import Measurement
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from budget.interfaces.cli import columns, documents

_WIDE: Final = 10_000
"""Columns where nobody reads on a terminal: a line stays a line."""
_STYLES: Final = {"error": "bold red", "hard_limit": "bold", "warning": "yellow", "exceeded": "red", "refused": "red"}

Row = Mapping[str, Any]


class Output:
    """Where a command prints."""

    def __init__(self, shape: str, zone: Callable[[Any], str], *, quiet: bool = False) -> None:
        self.shape = shape
        self.zone = zone
        self.quiet = quiet

    def rows(self, rows: Sequence[Row], noun: str, fields: Sequence[str], whole: Any = None) -> None:
        """A list of one noun; `whole` is the answer that JSON shows."""
        if self.quiet:
            self.ids(rows, fields)
        elif self.shape == "json":
            self.json(rows if whole is None else whole)
        elif self.shape in ("csv", "tsv"):
            self.text(documents.separated(rows, fields, "," if self.shape == "csv" else "\t"))
        else:
            names = columns.shown(noun, tuple(fields))
            cells = [[columns.written(row, name, self.zone) for name in names] for row in rows]
            numeric = [any(columns.is_number(row.get(name)) for row in rows) for name in names]
            self.table(cells, [columns.title(name) for name in names], numeric)

    def record(self, value: Row, noun: str, fields: Sequence[str]) -> None:
        """One noun, field by field."""
        if self.quiet:
            self.ids([value], fields)
        elif self.shape == "json":
            self.json(value)
        elif self.shape in ("csv", "tsv"):
            self.text(documents.separated([value], fields, "," if self.shape == "csv" else "\t"))
        else:
            self._fields(columns.opened(value), noun)

    def table(self, cells: Sequence[Sequence[str]], titles: Sequence[str], numeric: Sequence[bool] = ()) -> None:
        """Cells that are already text."""
        if self.shape == "markdown":
            self.text(documents.markdown(cells, titles))
            return
        if not cells:
            self.remark("nothing found")
            return
        made, out = table(cells, titles, numeric), console()
        if Measurement.get(out, out.options.update(width=_WIDE), made).minimum <= out.width:
            draw(made)
            return
        for at, row in enumerate(cells):  # too narrow for columns: each row as lines of its own
            self.text("\n" if at else "")
            draw(table(list(zip(titles, row, strict=True)), ("", ""), bare=True))

    def json(self, value: Any) -> None:
        """The answer as the service gave it."""
        self.text(documents.as_json(value) + "\n")

    def text(self, text: str) -> None:
        """Text that is already as it should be."""
        sys.stdout.write(text)

    def flush(self) -> None:
        """Show now what was printed."""
        sys.stdout.flush()

    def ids(self, rows: Iterable[Row], fields: Sequence[str]) -> None:
        """The id of each, one a line: the first field that is one."""
        name = next((field for field in fields if field.endswith("_id") or field == "seq"), None)
        if name is not None:
            self.text("".join(f"{documents.plain(row.get(name))}\n" for row in rows))

    def remark(self, text: str) -> None:
        """A line beside the answer."""
        if not self.quiet:
            print(text, file=sys.stderr)

    def _fields(self, value: Row, noun: str) -> None:
        said = {
            name: item
            for name, item in value.items()
            if columns.says_something(name, item) and columns.INSIDE.get(f"{noun}.{name}") != ""
        }
        cells = [
            [columns.title(name), columns.written(value, name, self.zone)]
            for name, item in said.items()
            if not _is_table(item)
        ]
        if self.shape == "markdown":
            self.text(documents.markdown(cells, ("field", "value")))
        else:
            draw(table(cells, ("", ""), bare=True))
        for name, item in said.items():
            if _is_table(item):
                self.text(f"\n{columns.title(name)}\n")
                told = columns.INSIDE.get(f"{noun}.{name}")
                self.rows(
                    item, name, told.split() if told else tuple(dict.fromkeys(key for row in item for key in row))
                )


def table(
    cells: Sequence[Sequence[str]], titles: Sequence[str], numeric: Sequence[bool] = (), *, bare: bool = False
) -> Table:
    """A table without lines, which greps well."""
    made = Table(box=None, padding=(0, 2, 0, 0), show_header=not bare, header_style="bold", pad_edge=False)
    for at, title in enumerate(titles):
        number = at < len(numeric) and numeric[at]
        whole = number or (bare and at == 0)
        made.add_column(
            Text(title), justify="right" if number else "left", no_wrap=whole, overflow="fold",
            min_width=None if whole else min(12, max((cell_len(row[at]) for row in cells), default=1)),
        )  # fmt: skip
    for row in cells:
        made.add_row(*(Text(cell, style=_STYLES.get(cell, "")) for cell in row))
    return made


def draw(content: Any) -> None:
    """Print it; elsewhere than on a terminal without the blanks that fill a line."""
    out = console()
    if out.is_terminal:
        out.print(content)
        return
    with out.capture() as captured:
        out.print(content)
    sys.stdout.write("".join(f"{line.rstrip()}\n" for line in captured.get().splitlines()))


def console(*, stderr: bool = False) -> Console:
    """A console on stdout as it is now: colour on a terminal only, and lines as long as they are elsewhere."""
    file = sys.stderr if stderr else sys.stdout
    told = os.environ.get("COLUMNS", "")
    width = None if file.isatty() else int(told) if told.isdecimal() and int(told) else _WIDE
    return Console(file=file, highlight=False, markup=False, emoji=False, width=width)


def indented(content: Any) -> Padding:
    """What stands below a heading."""
    return Padding(content, (0, 0, 0, 2))


def _is_table(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(item, dict) for item in value)
