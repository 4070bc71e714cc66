"""Numbers, times and foreign text as people read them, on the screen and in print."""

import math
import re
from collections.abc import Sequence
from datetime import datetime

PROGRESS = "progress: "
"""Begins a line that tells another program what a command does."""
PROGRESS_LINES = "ICOT_TUI_PROGRESS_LINES"
"""Environment variable of a program that wants such lines on standard error."""
UNSAFE = re.compile(
    "[\x00-\x1f\x7f-\x9f"  # control characters
    "\u061c\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069"  # invisible, turning directions
    "\u2028\u2029\ufeff\ud800-\udfff]"  # odd line ends, byte order marks, lone surrogates
)


def number(value: float | None) -> str:
    """Three significant digits: `0.0123`, `1.50`, `76.4`; larger ones whole: `12,345`."""
    if value is None or not math.isfinite(value):
        return "not finite"
    value = float(f"{value:.3g}") if abs(value) < 1000 else value
    size = abs(value)
    if size >= 1e9 or 0 < size < 1e-4:
        return f"{value:.2e}"
    if size == 0 or size >= 100:
        return f"{value:,.0f}"
    return f"{value:.{2 - math.floor(math.log10(size))}f}"


def signed(value: float | None) -> str:
    """A number with its sign: `+0.412`."""
    text = number(value)
    return f"+{text}" if value is not None and value >= 0 and math.isfinite(value) else text


def count(many: int, what: str = "", plural: str | None = None) -> str:
    """`1 step`, `1,240 steps`, `4 losses` with plural="losses"; without `what` only the number."""
    if not what:
        return f"{many:,}"
    return f"{many:,} {what if many == 1 else plural or what + 's'}"


def short_of_all(share: float, least: float) -> float:
    """The share, but `least` away from 0 and 1 unless nothing, or all, is meant."""
    return min(max(share, least), 1 - least) if 0 < share < 1 else share


def percent(share: float | None) -> str:
    """A share as `12.3 %`; `100 %` and `0 %` only where nothing, or all, is meant."""
    if share is None or not math.isfinite(share):
        return "not finite"
    if share in (0, 1):
        return f"{share:.0%}".replace("%", " %")
    return f"{100 * short_of_all(share, 0.001):.1f} %"


def short_percent(share: float) -> str:
    """A share as `12.3%`, for tables and logs; `100.0%` and `0.0%` as in `percent`."""
    return f"{short_of_all(share, 0.001):.1%}"


def confidence(share: float) -> str:
    """A probability as `0.973`; `1.000` and `0.000` only where all, or nothing, is meant."""
    return f"{short_of_all(share, 0.001):.3f}" if math.isfinite(share) else "?"


def whole_share(share: float) -> str:
    """A share as `67%`, in four characters: `>99%` and `<1%` near to all and to nothing."""
    if not math.isfinite(share):
        return "?"
    if 0 < share < 0.005:
        return "<1%"
    return ">99%" if 0.995 <= share < 1 else f"{share:.0%}"


def whole_percent(share: float) -> str:
    """A share of something that moves all the time: `67 %`."""
    return f"{100 * share:.0f} %" if math.isfinite(share) else "unknown"


def duration(seconds: float) -> str:
    """A time span in its two largest units: `12 s`, `3 min 20 s`, `5 h 2 min`, `3 d 4 h`."""
    if not math.isfinite(seconds):
        return "unknown time"
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    if whole < 48 * 3600:
        return f"{whole // 3600} h {whole % 3600 // 60} min"
    return f"{whole // 86400:,} d {whole % 86400 // 3600} h"


def rough(seconds: float) -> str:
    """A forecast, no more exact than forecasts are: `40 s`, `3 min`, `5 h 20 min`, `3 d 4 h`."""
    if not math.isfinite(seconds) or seconds < 60 or seconds >= 48 * 3600:
        return duration(seconds)
    if seconds < 3570:
        return f"{round(seconds / 60)} min"
    return duration(round(seconds / 600) * 600).removesuffix(" 0 min")


def rough_range(least: float, most: float) -> str:
    """A forecast with its bounds: `3 to 8 min`, `40 s to 2 min`, `about 3 min` where they agree."""
    low, high = rough(least), rough(most)
    if low == high:
        return f"about {high}"
    value, unit = low.split(" ", 1)
    return f"{value if high.endswith(f' {unit}') and high.count(' ') == 1 else low} to {high}"


def age(seconds: float) -> str:
    """How long ago: `just now`, `40 s ago`, `3 h ago`."""
    whole = max(0, round(seconds))
    if whole < 5:
        return "just now"
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if whole >= 2 * size or (unit == "min" and whole >= size):
            return f"{whole // size:,} {unit} ago"
    return f"{whole} s ago"


def gigabytes(size: float) -> str:
    """Bytes as `12.4 GB`; small ones as MB."""
    if size < 1e8:
        return f"{number(size / 1e6)} MB"
    return f"{number(size / 1e9)} GB"


def clock(time: float) -> str:
    """The local time of day, `14:03:22`."""
    return _local(time, "%H:%M:%S")


def date_and_time(time: float) -> str:
    """The local date and time of day, `2026-11-23 14:03:22`."""
    return _local(time, "%Y-%m-%d %H:%M:%S")


def moment(time: float, now: float) -> str:
    """The local time, `14:03`, with the date where it is not today's: `23 Nov 14:03`."""
    today = _local(time, "%Y-%j") == _local(now, "%Y-%j")
    return _local(time, "%H:%M" if today else "%d %b %H:%M")


def listed(things: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return " and ".join(filter(None, (", ".join(things[:-1]), *things[-1:])))


def plain_lines(text: str) -> str:
    """As `plain`, but line ends and tabs stay."""
    return UNSAFE.sub(lambda match: match[0] if match[0] in "\n\t" else _escaped(match[0]), text)


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode()


def plain_json(line: bytes) -> bytes:
    """JSON that means the same, in which `plain` finds nothing to escape; without a line's end."""
    if line.isascii() and b"\x7f" not in line:  # escaped by all encoders
        return line
    return UNSAFE.sub(lambda match: f"\\u{ord(match[0]):04x}", line.decode()).encode()


def plain(text: str) -> str:
    """The text on one line, with control characters escaped (`\\x1b`)."""
    return UNSAFE.sub(lambda match: _escaped(match[0]), text)


def _local(time: float, form: str) -> str:
    try:
        return datetime.fromtimestamp(time).strftime(form)
    except (OverflowError, OSError, ValueError):  # a clock that is far off, or a damaged journal
        return "unknown"
