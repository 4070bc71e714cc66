"""What the commands print with: themed, and safe for any text in data or answers."""

import json
import math
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from icot_tui.formatting import PROGRESS, PROGRESS_LINES, plain, plain_json, plain_lines
from icot_tui.output import say

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text


def console(**options: Any) -> "Console":
    """A rich console in the user's theme; `options` are more of rich's.

    Markup, emoji codes and highlighting are off: text from data, prompts and models is printed as
    it is. Style with `style=` or `rich.text.Text`.
    """
    from rich.console import Console, ConsoleOptions, RenderableType
    from rich.segment import Segment

    from icot_tui.themes import rich_theme

    class SafeConsole(Console):
        """Shows control characters instead of obeying them, whatever it is given."""

        def render(
            self, renderable: RenderableType, options: ConsoleOptions | None = None
        ) -> Iterator[Segment]:
            for segment in super().render(renderable, options):
                text, style, control = segment
                yield segment if control else Segment(plain_lines(text), style)

    return SafeConsole(theme=rich_theme(), markup=False, emoji=False, highlight=False, **options)


@contextmanager
def spinner(what: str) -> Iterator[Callable[[str], None]]:
    """Show on a terminal what takes long; yields a function that changes the text.

    A program that asked for it in its environment gets a line `progress: TEXT` for each new text.
    """
    if not sys.stderr.isatty():
        yield _line_printer() if os.environ.get(PROGRESS_LINES) else lambda text: None
        return
    with console(stderr=True).status(what) as status:
        yield lambda text: status.update(text) if text else None


def _line_printer() -> Callable[[str], None]:
    last = [""]

    def tell(text: str) -> None:
        if text and text != last[0]:
            last[0] = text
            say(f"{PROGRESS}{plain(text)}", error=True, flush=True)

    return tell


def print_json(value: Any) -> None:
    """One line of JSON on stdout; pure ASCII, and paths, infinities and NaN as strings."""
    text = json.dumps(_finite(value), allow_nan=False, default=os.fspath)
    say(plain_json(text.encode()).decode())


def _finite(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    return value


def print_table(
    headers: "Sequence[str | Text]",
    rows: "Iterable[Sequence[str | Text]]",
    title: str | None = None,
    *,
    label_width: int = 0,
    cell_width: int = 0,
    dispensable: "Sequence[str]" = (),
    **column: Any,
) -> None:
    """A table on a terminal, tab-separated lines with a heading elsewhere.

    Args:
        title: for a terminal only.
        label_width, cell_width: columns of the terminal for the first column, and for each other
            one; those that do not fit go below. 0: all are side by side.
        dispensable: headings of columns that are left out, one after the other, until a row fits
            into a line of the terminal.
        column: more about the columns, for rich.
    """
    rows = list(rows)
    if not sys.stdout.isatty():
        for row in (headers, *rows):
            say("\t".join(plain(str(cell)) for cell in row))
        return
    from rich import box
    from rich.table import Table

    screen = console()
    missing = _left_out(headers, rows, dispensable, screen.width)
    kept = [place for place, name in enumerate(headers) if name not in missing]
    headers, rows = [headers[place] for place in kept], [[r[place] for place in kept] for r in rows]
    beside = max(1, (screen.width - label_width) // cell_width) if cell_width else len(headers)
    for begin in range(1, max(2, len(headers)), beside):
        some = slice(begin, begin + beside)
        table = Table(title=title and plain(title), title_justify="left", box=box.SIMPLE_HEAD)
        for name in (headers[0], *headers[some]):
            table.add_column(_safe(name), **column)
        for row in rows:
            table.add_row(*map(_safe, (row[0], *row[some])))
        screen.print(table)
    if missing:
        say(f"Left out, for want of room: {', '.join(missing)}")


def _left_out(
    headers: "Sequence[str | Text]",
    rows: "Sequence[Sequence[str | Text]]",
    dispensable: "Sequence[str]",
    room: int,
) -> list[str]:
    """The headings of those columns that must go for the others to stand in one line."""
    from rich.cells import cell_len

    columns = zip(headers, *rows, strict=True)
    # A column has a blank on either side and one before the next; one more begins the line.
    widths = {str(one[0]): max(cell_len(str(cell)) for cell in one) + 3 for one in columns}
    missing: list[str] = []
    for name in dispensable:
        if name in widths and sum(widths.values()) + 1 > room:
            del widths[name]
            missing.append(name)
    return missing


def _safe(cell: "str | Text") -> "str | Text":
    return plain(cell) if isinstance(cell, str) else cell


def print_error(text: str) -> None:
    """A line on standard error."""
    say(plain(text), error=True)
