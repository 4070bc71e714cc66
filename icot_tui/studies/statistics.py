"""Mean and 95 % interval over seeds."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist, fmean, stdev

_T975 = (
    *(12.7062, 4.3027, 3.1824, 2.7764, 2.5706, 2.4469, 2.3646, 2.3060, 2.2622, 2.2281),
    *(2.2010, 2.1788, 2.1604, 2.1448, 2.1314, 2.1199, 2.1098, 2.1009, 2.0930, 2.0860),
    *(2.0796, 2.0739, 2.0687, 2.0639, 2.0595, 2.0555, 2.0518, 2.0484, 2.0452, 2.0423),
)
"""Student's t for two-sided 95 %, with 1 to 30 degrees of freedom."""


@dataclass(frozen=True)
class Estimate:
    """A mean over `count` values.

    half     half of its 95 % t interval; None for one value
    bounds   a 95 % interval of one value by itself, where there is one
    """

    mean: float
    half: float | None
    count: int
    bounds: tuple[float, float] | None = None


def estimate(values: Sequence[float | None]) -> Estimate | None:
    """Mean and interval of the finite values; None without any."""
    known = [value for value in values if value is not None and math.isfinite(value)]
    if not known:
        return None
    half = None
    if len(known) > 1:
        half = student_t(len(known) - 1) * stdev(known) / math.sqrt(len(known))
    return Estimate(fmean(known), half, len(known))


def student_t(freedom: int) -> float:
    """The 97.5 % point of Student's t; above 30 degrees of freedom by Cornish and Fisher."""
    if freedom <= len(_T975):
        return _T975[freedom - 1]
    z = NormalDist().inv_cdf(0.975)
    first = (z**3 + z) / 4
    second = (5 * z**5 + 16 * z**3 + 3 * z) / 96
    return z + first / freedom + second / freedom**2
