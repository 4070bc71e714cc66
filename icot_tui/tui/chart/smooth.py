"""Exponential smoothing without a loop over the values."""

import numpy as np

from icot_tui.tui.chart.data import Floats, Numbers
from icot_tui.tui.chart.prepare import PreparedCurve, bounded

WINDOWS = (0, 5, 25, 100, 500)
"""The choices of about how many values to smooth over; 0: none."""
REACH = 8
"""Values this many windows back weigh less than 0.04 %."""
_BLOCKS = 4096  # more than any screen has columns


def exponential(values: Numbers, weight: float) -> Floats:
    """Each value's mean with all before it, the weight falling by `weight` (0 to 1) a step back.

    The first values are not pulled towards zero, and what is not finite is skipped and stays NaN.
    Sums over 1, 2, 4, ... values, each made of two of the last, until the weights have faded out.
    """
    finite = np.isfinite(values)
    total = np.where(finite, bounded(values), 0.0)
    largest = float(np.abs(total).max(initial=0.0)) or 1.0
    total = total / largest
    share = finite.astype(np.float64)
    reach = 1
    while reach < len(total) and weight**reach > 1e-4:
        fading = weight**reach
        total[reach:] += fading * total[:-reach]
        share[reach:] += fading * share[:-reach]
        reach *= 2
    share[~finite] = np.nan
    return total / share * largest


def smoothed_line(line: PreparedCurve, first: int, end: int, window: int) -> tuple[Floats, Floats]:
    """Positions and smoothed values of the points `first` to `end`, and one beyond on each side.

    Of a great many points, blocks are averaged first: their borders don't depend on what is seen,
    so that nothing flickers while the view moves.
    """
    block = 1 << max(0, ((end - first) // _BLOCKS).bit_length())
    begin = max(0, first - block - REACH * window) // block * block
    end = min(len(line.x), (end // block + 2) * block)
    ends = np.minimum(np.arange(begin + block, end + block, block), end) - 1
    x = line.x[ends]
    y = _block_means(line.y[begin:end], block)
    smooth = exponential(y, (1 - 1 / window) ** block)
    skipped = max(0, int(np.searchsorted(x, line.x[first])) - 1) if first < len(line.x) else 0
    return x[skipped:], smooth[skipped:]


def smoothed_value(line: PreparedCurve, index: int, window: int) -> float:
    """The smoothed value at one point, exactly."""
    begin = max(0, index + 1 - REACH * window)
    return float(exponential(line.y[begin : index + 1], 1 - 1 / window)[-1])


def _block_means(values: Numbers, block: int) -> Floats:
    finite = np.isfinite(values)
    if block == 1:
        return bounded(values) if finite.all() else np.where(finite, bounded(values), np.nan)
    starts = np.arange(0, len(values), block)
    many = np.diff(np.append(starts, len(values))).astype(np.float64)
    if not finite.all():
        values = np.where(finite, values, values.dtype.type(0))
        many = np.add.reduceat(finite, starts, dtype=np.float64)
        many[many == 0] = np.nan
    return bounded(np.add.reduceat(values, starts, dtype=np.float64) / many)
