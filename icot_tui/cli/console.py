"""What the commands print with: themed, and safe for any text in data or answers."""

import json
import math
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from icot_tui.formatting import plain

if TYPE_CHECKING:
    from rich.console import Console


def console(*, stderr: bool = False) -> "Console":
    """A rich console in the user's theme.

    Markup, emoji codes and highlighting are off: text from data, prompts and models is printed as
    it is. Style with `style=` or `rich.text.Text`.
    """
    from rich.console import Console

    from icot_tui.themes import rich_theme

    return Console(theme=rich_theme(), stderr=stderr, markup=False, emoji=False, highlight=False)


@contextmanager
def spinner(what: str) -> Iterator[Callable[[str], None]]:
    """Show on a terminal what takes long; yields a function that changes the text."""
    if not sys.stderr.isatty():
        yield lambda text: None
        return
    with console(stderr=True).status(what) as status:
        yield lambda text: status.update(text) if text else None


def print_json(value: Any) -> None:
    """One line of JSON on stdout; pure ASCII, and infinities and NaN as strings."""
    print(json.dumps(_finite(value), allow_nan=False))


def _finite(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    return value


def print_table(
    headers: Sequence[str], rows: Iterable[Sequence[str]], title: str | None = None
) -> None:
    """A table on a terminal, tab-separated lines with a heading elsewhere."""
    if not sys.stdout.isatty():
        for row in (headers, *rows):
            print("\t".join(map(plain, row)))
        return
    from rich import box
    from rich.table import Table

    table = Table(*map(plain, headers), title=title, title_justify="left", box=box.SIMPLE_HEAD)
    for row in rows:
        table.add_row(*map(plain, row))
    console().print(table)


def print_error(text: str) -> None:
    """A line on standard error."""
    print(plain(text), file=sys.stderr)
