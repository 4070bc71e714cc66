"""How plots are drawn on this terminal, and how they are printed."""

import os
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from icot_tui.cli.console import console

if TYPE_CHECKING:
    from rich.text import Text

Quantity = Literal["loss", "parts", "accuracy", "digits", "removed", "grad-norm", "lr", "spikes"]
"""What can be plotted of a run."""
TALLEST = 32
"""Rows of a plot on a tall terminal."""
PROMPT_ROWS = 2
"""Rows of the terminal that are left below a plot."""


@dataclass(frozen=True, kw_only=True)
class Look:
    """How a plot is drawn.

    Attributes:
        width, height: cells of the whole plot.
        log: values are on a logarithmic axis.
        smoothing: over about how many values; on a logarithmic axis, of their logarithms.
        ascii: draw with ASCII characters only.
        colour: colours tell curves apart; without them, letters do.
    """

    width: int = 80
    height: int = 22
    log: bool = False
    smoothing: int = 0
    ascii: bool = False
    colour: bool = False


def look_here(
    width: int | None = None, height: int | None = None, *, log: bool = False, ascii: bool = False
) -> Look:
    """A plot that fits the terminal; 80 x 22 without colours where there is none."""
    screen, usual = console(), Look()
    columns, rows = usual.width, usual.height
    if sys.stdout.isatty():
        columns, rows = screen.width, min(TALLEST, screen.height - PROMPT_ROWS)
    has_braille = "utf" in screen.encoding.lower() and os.environ.get("TERM") != "linux"
    return Look(
        width=width or columns,
        height=height or rows,
        log=log,
        ascii=ascii or not has_braille,
        colour=screen.color_system is not None and not screen.no_color,
    )


def print_plot(plot: "Text") -> None:
    """Print a plot, in colours on a terminal that has them."""
    console().print(plot, soft_wrap=True)
