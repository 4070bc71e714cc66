"""A chart exported as text, as CSV or as SVG."""

import csv
import io
from html import escape

import numpy as np

from icot_tui.formatting import plain
from icot_tui.tui.chart.colours import series_colour
from icot_tui.tui.chart.curves import Downsampled, smoothed, smoothed_value
from icot_tui.tui.chart.data import ChartData, Curve, Span
from icot_tui.tui.chart.draw import draw
from icot_tui.tui.chart.layout import Scale, scale_of
from icot_tui.tui.chart.plot import raw_and_smooth
from icot_tui.tui.chart.style import MARKS, ChartStyle, series_number
from icot_tui.tui.chart.ticks import position_ticks, value_ticks
from icot_tui.tui.chart.viewport import Viewport, nearest, visible


def as_text(
    data: ChartData, view: Viewport, width: int, height: int, style: ChartStyle | None = None
) -> str:
    """The chart as lines of text without trailing blanks."""
    frame, _ = draw(data, view, width, height, style)
    return "\n".join(line.rstrip() for line in frame.lines()) + "\n"


def as_csv(data: ChartData, view: Viewport) -> str:
    """`curve,position,value,smoothed`: every point in the window, a line each, all digits.

    Values that are not finite are written as nan, inf and -inf; without smoothing the last column
    is empty.
    """
    sheet = io.StringIO()
    table = csv.writer(sheet, lineterminator="\n")
    table.writerow(["curve", plain(data.x_label), plain(data.y_label), "smoothed"])
    start, end = visible(view, data.extent) if data.extent else (0.0, 0.0)
    for curve in data.curves:
        first, stop = curve.between(start, end)
        name = plain(curve.name)
        told: list[object] = [""] * (stop - first)
        if curve.smooth and view.smoothing:
            means = smoothed(curve.y[:stop], view.smoothing, view.log)[first:]
            told = ["" if np.isnan(mean) else repr(mean) for mean in means.tolist()]
        values = zip(curve.x[first:stop].tolist(), curve.y[first:stop].tolist(), told, strict=True)
        table.writerows([name, _whole(x), repr(y), mean] for x, y, mean in values)
    return sheet.getvalue()


def _whole(x: float) -> str:
    return str(int(x)) if x == int(x) and abs(x) < 1e15 else repr(x)


WIDTH, HEIGHT = 960, 480
_LEFT, _TOP, _RIGHT, _BOTTOM = 72, 56, 20, 52
_PLOT_WIDTH, _PLOT_HEIGHT = WIDTH - _LEFT - _RIGHT, HEIGHT - _TOP - _BOTTOM
_LEGEND_ROW = 22
_LETTERS_AT = (0.1, 0.4, 0.7)
"""Places of a curve's letters, as shares of the width."""
_COLOURS = {
    "primary": "#1f5fa8",
    "secondary": "#0f7080",
    "accent": "#7a3e9d",
    "success": "#2f7336",
    "warning": "#b06a00",
    "error": "#c0261e",
}
_STYLE = "text{font:13px system-ui,sans-serif;fill:#24292f}.q{fill:#6a737d}path{fill:none}"


def as_svg(data: ChartData, view: Viewport) -> str:
    """The window of the view as an SVG document, 960 pixels wide, with a legend below the plot."""
    legend, rows = _legend(data, view)
    height = HEIGHT + rows * _LEGEND_ROW
    clip = f'<rect x="{_LEFT}" y="{_TOP}" width="{_PLOT_WIDTH}" height="{_PLOT_HEIGHT}"/>'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}"'
        f' width="{WIDTH}" height="{height}"><style>{_STYLE}</style>',
        f'<clipPath id="plot">{clip}</clipPath>',
        f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>',
        _text(_LEFT, 24, f"{data.y_label} over {data.x_label}", "font-weight:600"),
    ]
    with np.errstate(all="ignore"):
        parts += _plot(data, view)
    return "\n".join([*parts, *legend, "</svg>", ""])


def _plot(data: ChartData, view: Viewport) -> list[str]:
    window = visible(view, data.extent) if data.extent else None
    scale = scale_of(data, view, *window) if window else None
    if window is None or scale is None:
        sentence = data.empty if window is None else "no value that can be drawn here"
        return [_text(WIDTH / 2, HEIGHT / 2, sentence, "text-anchor:middle")]
    parts = _axes(data, window, scale) + _marks(data, window)
    for value, label in data.levels:
        if scale.row(value, _PLOT_HEIGHT + 1) is not None:
            y = _y(np.array([value]), scale)[0]
            parts.append(_stroke(f"M{_LEFT} {y:.1f}H{WIDTH - _RIGHT}", "#8a939c", dash="6 4"))
            parts.append(_text(WIDTH - _RIGHT, y - 5, label, "text-anchor:end", quiet=True))
    parts.append('<g clip-path="url(#plot)">')
    for place, curve in reversed(list(enumerate(data.curves))):
        parts += _curve(curve, view, window, scale)
        parts += _letters(data, place, view, window, scale)
    return [*parts, "</g>"]


def _letters(data: ChartData, place: int, view: Viewport, window: Span, scale: Scale) -> list[str]:
    """The curve's letter at three places along it, so that it is known without its colour."""
    curve, letter = data.curves[place], ChartStyle().letter(place, len(data.curves))
    if letter is None or not len(curve.x):
        return []
    parts = []
    for share in _LETTERS_AT:
        shifted = share + 0.3 * place / len(data.curves)
        at = nearest(window[0] + shifted * (window[1] - window[0]), curve.x)
        value = float(curve.y[at or 0])
        if curve.smooth and view.smoothing and np.isfinite(value):
            value = smoothed_value(curve, at or 0, view.smoothing, view.log)
        if scale.row(value, _PLOT_HEIGHT + 1) is not None:
            x = _x(curve.x[at or 0 : (at or 0) + 1], window)[0]
            y = _y(np.array([value]), scale)[0]
            look = f"fill:{_colour(curve.colour)};font-weight:700"
            parts.append(_text(x, y - 5, letter, look))
    return parts


def _axes(data: ChartData, window: Span, scale: Scale) -> list[str]:
    bottom, right = HEIGHT - _BOTTOM, WIDTH - _RIGHT
    parts = []
    for value, label in value_ticks(scale.low, scale.high, 7, scale.log, data.percent):
        y = _y(np.array([value]), scale)[0]
        parts.append(_stroke(f"M{_LEFT} {y:.1f}H{right}", "#e9edf1"))
        parts.append(_text(_LEFT - 8, y + 4, label, "text-anchor:end", quiet=True))
    for value, label in position_ticks(*window, 9, data.x_label, data.whole):
        x = _x(np.array([value]), window)[0]
        parts.append(_stroke(f"M{x:.1f} {bottom}v5", "#8a939c"))
        parts.append(_text(x, bottom + 20, label, "text-anchor:middle", quiet=True))
    parts.append(_stroke(f"M{_LEFT} {_TOP}V{bottom}H{right}", "#8a939c"))
    parts.append(_text(right, HEIGHT - 10, data.x_label, "text-anchor:end", quiet=True))
    return parts


def _marks(data: ChartData, window: Span) -> list[str]:
    parts = []
    part = data.marks_between(*window)
    for x, mark in zip(_x(data.mark_x[part], window), data.marks[part], strict=True):
        path = f"M{x:.1f} {_TOP}V{HEIGHT - _BOTTOM}"
        parts.append(_stroke(path, MARKS[mark.kind].svg, "2 3", mark.label))
    return parts


def _curve(curve: Curve, view: Viewport, window: Span, scale: Scale) -> list[str]:
    colour = _colour(curve.colour)
    columns = 2 * _PLOT_WIDTH
    raw, smooth = raw_and_smooth(curve, view, window, columns)
    if smooth is None:
        parts = [_stroke(_path(raw, scale, columns), colour, wide=1.8)]
    else:
        parts = [
            _stroke(_path(raw, scale, columns), colour, seen=0.3),
            _stroke(_path(smooth, scale, columns), colour, wide=1.8),
        ]
    for column in raw.nonfinite:
        x = _LEFT + (column + 0.5) * _PLOT_WIDTH / columns
        path = f"M{x:.1f} {_TOP}V{HEIGHT - _BOTTOM}"
        parts.append(_stroke(path, "#c0261e", label="not finite", seen=0.5))
    dots = curve.points and len(raw.at) <= 200
    for place in range(len(raw.at)) if dots else np.flatnonzero(raw.alone):
        y = _y(raw.last[place : place + 1], scale)[0]
        x = _LEFT + (raw.at[place] + 0.5) * _PLOT_WIDTH / columns
        if _LEFT <= x <= WIDTH - _RIGHT:
            parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>')
    return parts


def _path(line: Downsampled, scale: Scale, columns: int) -> str:
    """Through the first, lowest, highest and last value of each column; clipped at the sides."""
    if not len(line.at):
        return ""
    inside = (line.at > -1) & (line.at < columns + 1)
    at = np.clip(line.at + 0.5, 0, columns)
    x = _LEFT + at * _PLOT_WIDTH / columns
    steps = [_y(v, scale) for v in (line.first, line.low, line.high, line.last)]
    commands: list[str] = []
    for place in np.flatnonzero(inside):
        heights = dict.fromkeys(f"{values[place]:.1f}" for values in steps)
        begins = not line.joined[place] or not commands
        points = [f"{x[place]:.1f} {height}" for height in heights]
        commands.append(("M" if begins else "L") + "L".join(points))
    return "".join(commands)


def _legend(data: ChartData, view: Viewport) -> tuple[list[str], int]:
    """Curves with letter and colour, then the kinds of marks in view; and its rows."""
    style, many = ChartStyle(), len(data.curves)
    items = [
        (" ".join(filter(None, (style.letter(at, many), plain(curve.name)))),
         _colour(curve.colour), "", 2.5)
        for at, curve in enumerate(data.curves)
    ]  # fmt: skip
    shown = data.marks[data.marks_between(*visible(view, data.extent))] if data.extent else ()
    kinds = {mark.kind for mark in shown}
    items += [(kind, look.svg, "2 3", 1.5) for kind, look in MARKS.items() if kind in kinds]
    parts, x, row = [], float(_LEFT), 1
    for name, colour, dash, wide in items:
        width = 44 + 7.5 * len(name)
        if x + width > WIDTH and x > _LEFT:
            x, row = float(_LEFT), row + 1
        y = HEIGHT + row * _LEGEND_ROW - 12
        parts.append(_stroke(f"M{x:.0f} {y - 4}h18", colour, dash, wide=wide))
        parts.append(_text(x + 24, y, name))
        x += width
    if view.smoothing and any(curve.smooth for curve in data.curves):
        note = f"smoothed over {view.smoothing}"
        parts.append(_text(WIDTH - _RIGHT, 24, note, "text-anchor:end", quiet=True))
    return parts, row if items else 0


def _x(positions: np.ndarray, window: Span) -> np.ndarray:
    start, end = window
    return _LEFT + (positions - start) / (end - start) * _PLOT_WIDTH


def _y(values: np.ndarray, scale: Scale) -> np.ndarray:
    return np.clip(_TOP + scale.rows(values, _PLOT_HEIGHT + 1), -10 * HEIGHT, 10 * HEIGHT)


def _colour(name: str) -> str:
    number = series_number(name)
    if number is None:
        return _COLOURS.get(name, "#24292f")
    return series_colour(number, dark=False, ansi=False, own=(0x1F, 0x5F, 0xA8))


def _text(x: float, y: float, text: str, style: str = "", quiet: bool = False) -> str:
    kind = ' class="q"' if quiet else ""
    look = f' style="{escape(style)}"' if style else ""
    return f'<text x="{x:.1f}" y="{y:.1f}"{kind}{look}>{escape(plain(text))}</text>'


def _stroke(
    path: str, colour: str, dash: str = "", label: str = "", wide: float = 1.0, seen: float = 1.0
) -> str:
    look = f' stroke-dasharray="{dash}"' if dash else ""
    look += f' stroke-opacity="{seen}"' if seen < 1 else ""
    title = f"<title>{escape(plain(label))}</title>" if label else ""
    return f'<path d="{path}" stroke="{colour}" stroke-width="{wide}"{look}>{title}</path>'
