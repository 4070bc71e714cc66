"""Charts in the colours of the app's theme: inks as styles, frames as Textual's strips."""

from dataclasses import dataclass
from functools import lru_cache
from math import dist

import numpy as np
from rich.segment import Segment
from rich.style import Style
from textual.color import Color, ColorParseError
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget

from icot_tui.tui.chart.canvas import HALF, Frame, Ink
from icot_tui.tui.chart.style import ANSI, series_number

# Found by a search for eight colours that are as far apart as can be in CIELAB for people of all
# kinds of colour vision (tests/chart/test_colours.py): light ones for dark backgrounds, dark ones
# for light backgrounds. Red is left to errors.
DARK = ("#f0a5ff", "#e1961e", "#78ffc3", "#e14bff", "#5aa55a", "#f0f000", "#969696", "#c3ff87")
LIGHT = ("#a5781e", "#e13ca5", "#003c3c", "#a55af0", "#69875a", "#5a2d00", "#001eff", "#4b0f87")
SAME_COLOUR = 75
"""Colours at most so far apart, of 255 a channel, can't be told apart."""


def series_colour(
    number: int, *, dark: bool, ansi: bool, own: tuple[int, int, int] | None = None
) -> str:
    """A colour of the palette in a theme's notation; after the last comes the first again.

    Args:
        own: red, green and blue of the run's own curve; colours like it come last.
    """
    if ansi:
        return f"ansi_{ANSI[number % len(ANSI)]}"

    def alike(colour: str) -> bool:
        return own is not None and dist(Color.parse(colour).rgb, own) < SAME_COLOUR

    palette = sorted(DARK if dark else LIGHT, key=alike)
    return palette[number % len(palette)]


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
        app, known = widget.app, widget.app.theme_variables
        names = tuple((name, known[name]) for name in _NAMES if name in known)
        background, dark = widget.background_colors[1], app.current_theme.dark
        return cls(names, background, dark, app.native_ansi_color, app.no_color)


@lru_cache(maxsize=512)
def _style(colours: ThemeColours, ink: Ink) -> Style:
    bold = ink.weight == "bold"
    known, background = dict(colours.names), colours.background
    number = series_number(ink.colour)
    if number is None:
        written = known.get(ink.colour, known.get("foreground", "ansi_default"))
    else:
        own = _parse(known.get("primary", ""))
        rgb = None if own is None else own.rgb
        written = series_colour(number, dark=colours.dark, ansi=colours.ansi, own=rgb)
    colour = _parse(written) or Color.parse("ansi_default")
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
    styles = [_style(colours, ink) for ink in frame.palette]
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
