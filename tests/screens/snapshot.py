"""Pictures of the screen as text files: what stands there, and below it in which styles.

`ICOT_TUI_SNAPSHOTS=write pytest tests/screens/test_snapshots.py` draws them anew.
"""

import difflib
import os
from itertools import groupby
from pathlib import Path

import pytest
from rich.cells import cell_len
from rich.style import Style
from textual.color import Color, ColorParseError
from textual.pilot import Pilot

from icot_tui.tui.app.app import WorkbenchApp
from icot_tui.tui.session.run_app import ExitChoice

FOLDER = Path(__file__).with_name("snapshots")
NAMES = ("background", "foreground", "primary", "secondary", "accent", "success", "warning",
         "error", "panel", "surface")  # fmt: skip
ATTRIBUTES = ("bold", "dim", "italic", "underline", "reverse", "strike")


def check(name: str, app: WorkbenchApp) -> None:
    """Compare the screen with the picture of this name."""
    path, now = FOLDER / f"{name}.txt", picture(app)
    if os.environ.get("ICOT_TUI_SNAPSHOTS") == "write":
        path.parent.mkdir(exist_ok=True)
        path.write_text(now, encoding="utf-8")
        return
    then = path.read_text(encoding="utf-8") if path.exists() else ""
    if now != then:
        lines = difflib.unified_diff(then.splitlines(), now.splitlines(), "then", "now", n=1)
        how = "If it is meant to be so: ICOT_TUI_SNAPSHOTS=write, and look at git diff."
        pytest.fail(f"{name} looks different. {how}\n" + "\n".join(lines), pytrace=False)


async def still(pilot: Pilot[ExitChoice], app: WorkbenchApp) -> None:
    """Wait until nothing moves any more: scroll bars follow their contents a moment later."""
    before = ""
    for _ in range(50):
        await pilot.pause(0.05)
        before, now = picture(app), before
        if before == now:
            return


def picture(app: WorkbenchApp) -> str:
    """The rows, and the styles of each: `3-4: 0-9 bold primary` are the same in both."""
    strips = app.screen._compositor.render_strips()
    for one in app._filters:
        if one.enabled:
            background = app.screen.styles.background
            strips = [strip.apply_filter(one, background) for strip in strips]
    names = _names(app)
    rows = ["".join(segment.text for segment in strip).rstrip() for strip in strips]
    styles = [_runs([(text, style) for text, style, _ in strip], names) for strip in strips]
    told = []
    for row, group in groupby(range(len(rows)), key=lambda at: styles[at]):
        at = list(group)
        where = f"{at[0]}" if len(at) == 1 else f"{at[0]}-{at[-1]}"
        told += [f"{where}: {row}"] if row else []
    return "\n".join([*rows, "", *told, ""])


def _names(app: WorkbenchApp) -> dict[str, str]:
    found = {}
    for name in reversed(NAMES):
        try:
            found[_written(Color.parse(app.theme_variables[name]).rich_color)] = name
        except (KeyError, ColorParseError):
            continue
    return found


def _written(colour: object) -> str:
    triplet = getattr(colour, "triplet", None)
    return triplet.hex if triplet is not None else str(getattr(colour, "name", ""))


def _runs(pieces: list[tuple[str, Style | None]], names: dict[str, str]) -> str:
    """`0-9 bold primary on panel, ...`; plain text on the background goes without saying."""
    told, x = [], 0
    cells = []
    for text, style in pieces:
        seen = _style(style, names, blank=not text.strip())
        cells.append((seen, cell_len(text)))
    for seen, group in groupby(cells, key=lambda each: each[0]):
        width = sum(size for _, size in group)
        if seen:
            told.append(f"{x}-{x + width - 1} {seen}")
        x += width
    return ", ".join(told)


def _style(style: Style | None, names: dict[str, str], blank: bool) -> str:
    if style is None:
        return ""
    words = [word for word in ATTRIBUTES if getattr(style, word)]
    if blank:
        words = [word for word in words if word in ("underline", "reverse", "strike")]
    if style.color is not None and not blank:
        name = names.get(_written(style.color), _written(style.color))
        words += [name] if name not in ("foreground", "default") else []
    if style.bgcolor is not None:
        name = names.get(_written(style.bgcolor), _written(style.bgcolor))
        words += [f"on {name}"] if name not in ("background", "default") else []
    return " ".join(words)
