"""The ticks of an axis and their labels."""

import math
from collections.abc import Callable, Iterable
from itertools import pairwise

Tick = tuple[float, str]

_STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)
_SECONDS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200)
LARGEST_STEP = 1e300
"""Larger ones come too near to the largest float to be multiplied."""
_UNITS = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))


def value_ticks(low: float, high: float, most: int, log: bool, percent: bool) -> list[Tick]:
    """Ticks of the y axis, at most `most`, ascending."""
    if log:
        places = _log_places(low, high, most)
        if len(places) >= 2:
            return _distinct(places, lambda value, _: short(value, value, percent))
    return linear_ticks(low, high, most, percent)


def linear_ticks(low: float, high: float, most: int, percent: bool = False) -> list[Tick]:
    """Round numbers between low and high, at most `most`."""
    step = _round_step((high - low) / max(most, 1))
    places = _multiples(low, high, step)
    while len(places) > max(most, 1):
        if step >= LARGEST_STEP:
            places = [low, high][: max(most, 1)]
            break
        step = _round_step(step * 1.01)
        places = _multiples(low, high, step)
    return _distinct(places, lambda value, digits: short(value, step / 10**digits, percent))


def position_ticks(low: float, high: float, most: int, label: str, whole: bool) -> list[Tick]:
    """Ticks of the x axis: times for "hours", whole numbers where `whole`."""
    if label != "hours":
        ticks = linear_ticks(low, high, most)
        if whole:
            places = [place for place, _ in ticks if place == round(place)]
            gap = min((after - before for before, after in pairwise(places)), default=1.0)
            return _distinct(places, lambda value, digits: short(value, max(1.0, gap) / 10**digits))
        return ticks
    wanted = (high - low) * 3600 / max(most, 1)
    if wanted > _SECONDS[-1]:
        days = max(1.0, _round_step(wanted / 86400))
        return _times(_multiples(low, high, 24 * days))
    step = next((step for step in _SECONDS if step >= wanted), _SECONDS[-1])
    return _times(_multiples(low, high, step / 3600))


def short(value: float, step: float, percent: bool = False) -> str:
    """A number in as few characters as tell it from its neighbours one step away: `12k`, `0.25`."""
    if percent:
        return f"{_decimal(100 * value, 100 * step)}%"
    size = abs(value)
    if size >= 1e15 or 0 < size < 1e-3:
        digits = max(0, math.floor(math.log10(size)) - math.floor(math.log10(max(step, 1e-290))))
        mantissa, power = f"{value:.{min(digits, 6)}e}".split("e")
        return f"{_stripped(mantissa)}e{int(power)}"
    for unit, letter in _UNITS:
        if size >= unit:
            return _decimal(value / unit, step / unit) + letter
    return _decimal(value, step)


def time_of_hours(hours: float, exact: bool = False) -> str:
    """`3h20m`, `45m`, `30s`, `2d6h`: the two largest parts; with `exact`, all from hours down."""
    seconds = round(abs(hours) * 3600)
    if not math.isfinite(hours) or seconds > 1e12:
        return f"{hours:.0e}h"
    parts = [(seconds // 86400, "d"), (seconds // 3600 % 24, "h")]
    parts += [(seconds // 60 % 60, "m"), (seconds % 60, "s")]
    told = [f"{many}{unit}" for many, unit in parts if many]
    sign = "-" if hours < 0 and told else ""
    return sign + ((" " if exact else "").join(told[: 3 if exact else 2]) or "0")


def _decimal(value: float, step: float) -> str:
    """With as many decimals as the step has, without trailing zeros."""
    step = abs(step)
    fitting = (digits for digits in range(9) if abs(round(step, digits) - step) <= 1e-6 * step)
    text = _stripped(f"{value:.{next(fitting, 9)}f}")
    return "0" if text == "-0" else text


def _stripped(number: str) -> str:
    return number.rstrip("0").rstrip(".") if "." in number else number


def _round_step(rough: float) -> float:
    """The least of 1, 2, 2.5, 5 times a power of ten that is no less."""
    if not 1e-290 < rough < LARGEST_STEP:
        return 1e-290 if rough <= 1e-290 else LARGEST_STEP
    power = 10.0 ** math.floor(math.log10(rough))
    return next((step * power for step in _STEPS if step * power >= rough * (1 - 1e-9)), 10 * power)


def _multiples(low: float, high: float, step: float) -> list[float]:
    first, last = low / step, high / step
    if not (abs(first) < 1e15 and abs(last) < 1e15 and last - first < 1000):
        return [low, high]
    first, last = math.ceil(first - 1e-9), math.floor(last + 1e-9)
    return [min(max(step * many, low), high) for many in range(first, last + 1)]


def _log_places(low: float, high: float, most: int) -> list[float]:
    """Powers of ten, not all of them where they are many; 2 and 5 times them where they are few."""
    first, last = math.ceil(math.log10(low) - 1e-9), math.floor(math.log10(high) + 1e-9)
    stride = max(1, math.ceil((last - first + 1) / max(most, 1)))
    places = [10.0**power for power in range(first, last + 1, stride) if -290 <= power <= 290]
    for factors in ((1, 2, 5), (1, 3)):
        fine = [f * 10.0**p for p in range(first - 1, last + 1) for f in factors if abs(p) < 290]
        fine = [place for place in fine if low <= place <= high]
        if stride == 1 and len(places) < len(fine) <= most:
            return fine
    return places


def _distinct(places: Iterable[float], label: Callable[[float, int], str]) -> list[Tick]:
    """The places with labels that tell them apart."""
    places = list(dict.fromkeys(places))
    for digits in range(0, 8):
        labels = [label(place, digits) for place in places]
        if len(set(labels)) == len(labels):
            break
    told = {text: place for place, text in zip(reversed(places), reversed(labels), strict=True)}
    return sorted((place, text) for text, place in told.items())


def _times(hours: Iterable[float]) -> list[Tick]:
    return [(hour, time_of_hours(hour)) for hour in hours]
