"""What the commands print with: themed, and safe for any text in data or answers."""

import json
import math
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from icot_tui.formatting import PROGRESS, PROGRESS_LINES, plain, plain_json, plain_lines
from icot_tui.output import say

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

    from icot_tui.cli.columns import Column


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
    least: int = 0,
    dispensable: "Sequence[str]" = (),
) -> None:
    """A table on a terminal, tab-separated lines with a heading elsewhere.

    Columns that do not fit beside the others go below them, after the first one once more.

    Args:
        title: for a terminal only.
        least: cells that a column with longer texts gets; 0: those of its longest word.
        dispensable: headings of columns that are left out, one after the other, until a row fits
            into a line of the terminal.
    """
    rows = list(rows)
    if not sys.stdout.isatty():
        for row in (headers, *rows):
            say("\t".join(plain(str(cell)) for cell in row))
        return
    from rich import box
    from rich.table import Table

    from icot_tui.cli.columns import groups, widths

    screen = console()
    lines = [[_safe(cell) for cell in row] for row in (headers, *rows)]
    columns = _measured(lines, least)
    missing = _left_out(
        dict(zip(map(str, headers), columns, strict=True)), dispensable, screen.width
    )
    kept = [place for place, name in enumerate(headers) if str(name) not in missing]
    for group in groups([columns[place] for place in kept], screen.width):
        places = [kept[at] for at in group]
        table = Table(
            title=title and plain(title),
            title_justify="left",
            box=box.SIMPLE_HEAD,
            padding=(0, 1, 0, 0),
        )
        cells = widths([columns[place] for place in places], screen.width)
        for place, width in zip(places, cells, strict=True):
            table.add_column(lines[0][place], width=width, overflow="fold")
        for line in lines[1:]:
            table.add_row(*(line[place] for place in places))
        screen.print(table)
    if missing:
        say(f"Left out, for want of room: {', '.join(missing)}")


def fits(headers: "Sequence[str | Text]", rows: "Sequence[Sequence[str | Text]]") -> bool:
    """Would all columns stand side by side? Without a terminal they do."""
    if not sys.stdout.isatty():
        return True
    from icot_tui.cli.columns import groups

    lines = [[_safe(cell) for cell in row] for row in (headers, *rows)]
    return len(groups(_measured(lines), console().width)) == 1


def _measured(lines: "Sequence[Sequence[str | Text]]", least: int = 0) -> "list[Column]":
    from icot_tui.cli.columns import Column

    return [Column.of([str(cell) for cell in cells], least) for cells in zip(*lines, strict=True)]


def _left_out(
    columns: "Mapping[str, Column]", dispensable: "Sequence[str]", room: int
) -> list[str]:
    """The headings of those columns that must go for the others to stand in one line."""
    from icot_tui.cli.columns import line_width

    left = {name: column.natural for name, column in columns.items()}
    missing: list[str] = []
    for name in dispensable:
        if name in left and line_width(list(left.values())) > room:
            del left[name]
            missing.append(name)
    return missing


def _safe(cell: "str | Text") -> "str | Text":
    return plain(cell) if isinstance(cell, str) else cell


def print_error(text: str) -> None:
    """A line on standard error."""
    say(plain(text), error=True)
