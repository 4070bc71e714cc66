"""From values in columns to dots in cells. A braille cell has 2 x 4 dots."""

import numpy as np
from numpy.typing import NDArray

from icot_tui.tui.chart.data import Floats
from icot_tui.tui.chart.downsample import Downsampled

Rows = NDArray[np.int64]
Dots = NDArray[np.uint8]
BRAILLE = 0x2800

_LEFT_DOTS, _RIGHT_DOTS = (0x01, 0x02, 0x04, 0x40), (0x08, 0x10, 0x20, 0x80)


def _spans(dots: tuple[int, ...]) -> Dots:
    """At index 5 * first + end: the dots from first up to and without end."""
    pairs = [sum(dots[first:end]) for first in range(5) for end in range(5)]
    return np.array(pairs, np.uint8)


_LEFT, _RIGHT = _spans(_LEFT_DOTS), _spans(_RIGHT_DOTS)
FAINT = np.array([[0x01 | 0x20, 0x08 | 0x04]], np.uint8)
"""A sparse pattern that makes curves look faint without colour."""


def strokes(line: Downsampled, columns: int) -> tuple[Rows, Rows]:
    """The first and last row of dots in each column; empty where the first is greater.

    The values of `line` are rows already, counted from the top. Lines between columns are straight;
    each column has the rows whose centre the line crosses, so that a line is one dot wide.
    """
    top, bottom = np.full(columns, np.inf), np.full(columns, -np.inf)
    inside = (line.at >= 0) & (line.at < columns) & (line.at == np.floor(line.at))
    at = line.at[inside].astype(np.int64)
    top[at] = np.minimum(line.low[inside], line.high[inside])
    bottom[at] = np.maximum(line.low[inside], line.high[inside])
    crossing = _crossings(line, columns)
    for edge in (crossing[:-1], crossing[1:]):
        top, bottom = np.fmin(top, edge), np.fmax(bottom, edge)
    empty = top > bottom
    top[empty], bottom[empty] = 1.0, 0.0
    first, last = np.ceil(top).astype(np.int64), np.floor(bottom).astype(np.int64)
    between = ~empty & (first > last)
    first[between] = last[between] = np.rint((top[between] + bottom[between]) / 2).astype(np.int64)
    return first, last


def braille(first: Rows, last: Rows, rows: int) -> Dots:
    """The dots of strokes in two columns a cell, as the low byte of braille characters."""
    top = 4 * np.arange(rows)[:, None]
    span = 5 * np.clip(first - top, 0, 4) + np.clip(last + 1 - top, 0, 4)
    dots: Dots = _LEFT[span[:, ::2]] | _RIGHT[span[:, 1::2]]
    return dots


def thirds(first: Rows, last: Rows, rows: int) -> Dots:
    """The same with three rows and one column a cell: bits 1, 2 and 4 from the top."""
    top = 3 * np.arange(rows)[:, None]
    begin, end = np.clip(first - top, 0, 3), np.clip(last + 1 - top, 0, 3)
    bits = np.where(begin < end, (1 << end) - (1 << begin), 0)
    return bits.astype(np.uint8)


def _crossings(line: Downsampled, columns: int) -> Floats:
    """Where the line crosses the columns + 1 borders; NaN where it does not."""
    crossing = np.full(columns + 1, np.nan)
    if len(line.at) < 2:
        return crossing
    border = np.arange(columns + 1) - 0.5
    left = np.searchsorted(line.at, border, "right") - 1
    on = (left >= 0) & (left < len(line.at) - 1)
    on[on] = line.joined[left[on] + 1]
    left, border = left[on], border[on]
    begin, end = line.at[left], line.at[left + 1]
    share = (border - begin) / (end - begin)
    crossing[on] = line.last[left] * (1 - share) + line.first[left + 1] * share
    return crossing
