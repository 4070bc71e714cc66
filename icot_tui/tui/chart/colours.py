"""From inks to the terminal's colours: the theme's, mixed with the background."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from rich.segment import Segment
from rich.style import Style
from textual.color import Color, ColorParseError
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget

from icot_tui.tui.chart.canvas import HALF, Frame, Ink
from icot_tui.tui.chart.style import series_colour

_NAMES = ("primary", "secondary", "accent", "success", "warning", "error", "foreground")
_DARK_BLUE = Color.parse("ansi_blue").ansi
"""Hardly visible as a thin line on black in most terminals."""
_SHARES = {"quiet": 0.62, "faint": 0.4}
"""The share of its colour in an ink of this weight; the rest is background."""


@dataclass(frozen=True)
class ThemeColours:
    """The colours of a theme that charts need; equal ones draw equally.

    Attributes:
        names: the theme's colours by name, in its own notation.
        background: behind the chart.
        ansi: only the terminal's own sixteen colours.
        colourless: the app may use no colours.
    """

    names: tuple[tuple[str, str], ...]
    background: Color
    dark: bool
    ansi: bool
    colourless: bool

    @classmethod
    def of(cls, widget: Widget) -> "ThemeColours":
        """Those of the app's present theme."""
        app = widget.app
        theme = app.current_theme
        known = app.theme_variables
        names = tuple((name, known[name]) for name in _NAMES if name in known)
        background = widget.background_colors[1]
        return cls(names, background, theme.dark, app.native_ansi_color, app.no_color)

    @property
    def few(self) -> bool:
        """Can't colours be relied on to tell curves apart?"""
        return self.ansi or self.colourless

    def style(self, ink: Ink) -> Style:
        """The style of an ink."""
        return _style(self, ink)


@lru_cache(maxsize=512)
def _style(colours: ThemeColours, ink: Ink) -> Style:
    bold = ink.weight == "bold"
    known = dict(colours.names)
    if ink.colour.startswith("series") and ink.colour[6:].isdigit():
        number = int(ink.colour[6:])
        own = _parse(known.get("primary", ""))
        rgb = None if own is None else own.rgb
        written = series_colour(number, dark=colours.dark, ansi=colours.ansi, own=rgb)
    else:
        written = known.get(ink.colour, known.get("foreground", "ansi_default"))
    colour = _parse(written) or Color.parse("ansi_default")
    background = colours.background
    if colours.dark and colour.ansi == _DARK_BLUE:
        colour = Color.parse("ansi_bright_blue")
    if colour.ansi is not None or background.ansi is not None:
        return Style(color=colour.rich_color, bold=bold, dim=ink.weight in _SHARES)
    if ink.weight in _SHARES:
        colour = background.blend(colour, _SHARES[ink.weight], 1.0)
    return Style(color=colour.rich_color, bgcolor=background.rich_color, bold=bold)


def _parse(written: str) -> Color | None:
    try:
        return Color.parse(written)
    except ColorParseError:
        return None


def strips_of(frame: Frame, colours: ThemeColours) -> list[Strip]:
    """The frame's lines as Textual's strips."""
    styles = [colours.style(ink) for ink in frame.palette]
    width = frame.cells.shape[1]
    strips = []
    for text, inks in zip(frame.texts(), frame.inks, strict=True):
        starts = [0, *(np.flatnonzero(np.diff(inks)) + 1).tolist()]
        ends = [*starts[1:], width]
        segments = [
            Segment(text[start:end].replace(HALF, ""), styles[number])
            for start, end, number in zip(starts, ends, inks[starts].tolist(), strict=True)
        ]
        strips.append(Strip(segments, width))
    return strips


def changes(before: Frame | None, after: Frame) -> list[Region]:
    """Where two frames differ, as one region a line."""
    height, width = after.cells.shape
    if before is None or before.cells.shape != (height, width) or before.palette != after.palette:
        return [Region(0, y, width, 1) for y in range(height)]
    seen = after.cells != ord(" ")  # the ink of a blank is not
    other = (before.cells != after.cells) | ((before.inks != after.inks) & seen)
    regions = []
    for y in np.flatnonzero(other.any(axis=1)).tolist():
        places = np.flatnonzero(other[y])
        # Whole wide characters: the cell before a right half comes along.
        first, last = max(int(places[0]) - 1, 0), min(int(places[-1]) + 2, width)
        regions.append(Region(first, y, last - first, 1))
    return regions
