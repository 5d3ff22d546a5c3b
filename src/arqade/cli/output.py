"""Where a command's answers go: words and tables for a reader, JSON for a program.

Nothing is cut off: a table for a terminal folds what is too long, and one for a pipe is as wide as
it needs to be.
"""

from __future__ import annotations

import json
import sys
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any, TextIO

import click

from arqade._compat import override
from arqade.cli.text import visible

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from contextlib import AbstractContextManager

    from rich.console import Console
    from rich.progress import Progress
    from rich.table import Table

__all__ = ["AS_JSON", "Output", "report"]

AS_JSON = "arqade.cli.as_json"
"""Where click's context says that a program reads the answers."""

STYLES = {
    "aborted": "green",
    "complete": "green",
    "deferred": "cyan",
    "error": "bold red",
    "failed": "red",
    "in_progress": "yellow",
    "info": "cyan",
    "not_found": "red",
    "ok": "green",
    "removed": "green",
    "unconfirmed": "red",
    "warning": "yellow",
}
"""Colours of words that stand alone in a cell."""

GAP = "  "
LEVEL_WIDTH = len("warning") + len(GAP)


class Output:
    """What a command says on standard output, and how it shows its progress on standard error.

    Args:
        as_json: Whether a program reads it.
    """

    def __init__(self, *, as_json: bool) -> None:
        self.as_json = as_json

    def document(self, data: Any) -> None:
        """Write the only JSON document."""
        click.echo(json.dumps(data, indent=2 if sys.stdout.isatty() else None))

    def json_line(self, data: Any) -> None:
        """Write one JSON document of several."""
        click.echo(json.dumps(data))

    def line(self, text: str) -> None:
        """Write a line."""
        click.echo(visible(text))

    def text(self, text: str) -> None:
        """Write a text that is safe to be shown, of one or more lines."""
        click.echo(text)

    def table(
        self, headings: Sequence[str], rows: Sequence[Sequence[str]], *, numbers: Sequence[str] = ()
    ) -> None:
        """Write a table.

        Args:
            headings: One for each column.
            rows: The cells.
            numbers: Headings of the columns that are aligned to the right.
        """
        if sys.stdout.isatty():
            _console(sys.stdout).print(rich_table(headings, rows, numbers))
        else:
            click.echo(plain_table(headings, rows, numbers))

    def entries(self, entries: Iterable[tuple[str, str, str, str]]) -> None:
        """Write what was found: a level, what it is about, a message, and a cure or nothing."""
        rows = [
            (level, [f"{topic}: {message}.", *([f"Cure: {cure}."] if cure else [])])
            for level, topic, message, cure in entries
        ]
        if sys.stdout.isatty():
            _console(sys.stdout).print(_rich_entries(rows))
            return
        for level, lines in rows:
            for head, line in zip((level, ""), lines, strict=False):
                self.line(f"{head:{LEVEL_WIDTH}}{line}")

    @contextmanager
    def live_table(
        self, headings: Sequence[str], numbers: Sequence[str] = ()
    ) -> Iterator[Callable[[Sequence[Sequence[str]], str], None]]:
        """Give what shows rows and a remark below them, each time in place of the last ones.

        Where there is no terminal, they come one after the other.
        """
        if not sys.stdout.isatty():
            yield lambda rows, remark: self.text(
                f"{plain_table(headings, rows, numbers)}\n{visible(remark)}\n"
            )
            return
        from rich.console import Group  # noqa: PLC0415 - rich loads when it is needed
        from rich.live import Live  # noqa: PLC0415
        from rich.text import Text  # noqa: PLC0415

        with Live(console=_console(sys.stdout), auto_refresh=False) as live:
            yield lambda rows, remark: live.update(
                Group(rich_table(headings, rows, numbers), Text(visible(remark), "dim")),
                refresh=True,
            )

    def progress(self, what: str, total: float | None) -> AbstractContextManager[Bar]:
        """Give a bar on standard error; one that is not seen where that is no terminal.

        Args:
            what: What goes on.
            total: How much there is to do, if that is known.
        """
        if self.as_json or not sys.stderr.isatty():
            return nullcontext(Bar())
        return _rich_bar(what, total)


class Bar:
    """A bar of progress that nobody sees."""

    def show(self, done: float, note: str) -> None:
        """Show how much is done, and a note."""


class _RichBar(Bar):
    """A bar of progress in a terminal."""

    def __init__(self, progress: Progress, what: str, total: float | None) -> None:
        self._progress = progress
        self._task = progress.add_task(what, total=total, note="")

    @override
    def show(self, done: float, note: str) -> None:
        self._progress.update(self._task, completed=done, note=note)


@contextmanager
def _rich_bar(what: str, total: float | None) -> Iterator[Bar]:
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn  # noqa: PLC0415

    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=None),
        TextColumn("{task.fields[note]}"),
        TimeElapsedColumn(),
    )
    # Lines on the same terminal go above the bar; those for a file stay where they belong.
    with Progress(
        *columns,
        console=_console(sys.stderr),
        expand=True,
        redirect_stdout=sys.stdout.isatty(),
    ) as progress:
        yield _RichBar(progress, what, total)


def _console(file: TextIO) -> Console:
    from rich.console import Console  # noqa: PLC0415 - rich loads when it is needed

    return Console(file=file, highlight=False, markup=False, emoji=False)


def rich_table(
    headings: Sequence[str], rows: Sequence[Sequence[str]], numbers: Sequence[str] = ()
) -> Table:
    """Make a table for a terminal, in which long cells are folded."""
    from rich.table import Table  # noqa: PLC0415 - as above
    from rich.text import Text  # noqa: PLC0415

    table = Table(box=None, pad_edge=False, padding=(0, len(GAP), 0, 0), header_style="bold")
    for heading in headings:
        justify: Any = "right" if heading in numbers else "left"
        table.add_column(heading, justify=justify, overflow="fold")
    for row in rows:
        table.add_row(*(Text(visible(cell), STYLES.get(cell, "")) for cell in row))
    return table


def _rich_entries(rows: Iterable[tuple[str, list[str]]]) -> Table:
    from rich.table import Table  # noqa: PLC0415 - as above
    from rich.text import Text  # noqa: PLC0415

    table = Table.grid(padding=(0, len(GAP), 0, 0))
    for level, lines in rows:
        words = Text("\n".join(map(visible, lines)), overflow="fold")
        table.add_row(Text(level, STYLES.get(level, "")), words)
    return table


def plain_table(
    headings: Sequence[str], rows: Sequence[Sequence[str]], numbers: Sequence[str] = ()
) -> str:
    """Make a table of any width."""
    lines = [headings, *([visible(cell) for cell in row] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    aligned = (
        GAP.join(
            cell.rjust(width) if heading in numbers else cell.ljust(width)
            for heading, cell, width in zip(headings, line, widths, strict=True)
        ).rstrip()
        for line in lines
    )
    return "\n".join(aligned)


def report(message: str, *, kind: str, job_id: str | None = None) -> None:
    """Say on standard error what went wrong: in words, or as a JSON line if a program reads."""
    if click.get_current_context().meta.get(AS_JSON):
        click.echo(json.dumps({"error": kind, "message": message, "job_id": job_id}), err=True)
    else:
        click.echo(f"Error: {visible(message)}", err=True)
