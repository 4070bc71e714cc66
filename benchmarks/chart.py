"""What it costs to draw a chart: from new data to lines ready for the screen.

    python benchmarks/chart.py [--repeats 200] [--plotext]

Every drawing has a new version of the data; the curves are smoothed, with marks. With --plotext,
the same curves as plotext draws them, thinned alike and without smoothing and marks.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np
from textual.color import Color

from icot_tui.tui.chart.colours import ThemeColours, strips_of
from icot_tui.tui.chart.data import ChartData, Curve, Mark
from icot_tui.tui.chart.draw import draw
from icot_tui.tui.chart.viewport import Viewport

CASES = [(78, 10, 200, 1), (118, 30, 200, 1), (118, 30, 4_000, 4), (200, 40, 200_000, 1)]
CASES += [(200, 40, 200_000, 3), (200, 40, 1_000_000, 1)]
NAMES = (("primary", "#7aa2f7"), ("foreground", "#c0caf5"), ("warning", "#e0af68"))
COLOURS = ThemeColours(NAMES, Color.parse("#16161e"), dark=True, ansi=False, colourless=False)


def example(points: int, curves: int, version: int) -> ChartData:
    random = np.random.default_rng(version)
    x = np.arange(points)
    lines = tuple(
        Curve(
            f"run {number}",
            x,
            (np.exp(-x / points * 3) + random.random(points) / 5 + number / 3).astype(np.float32),
            f"series{number}",
        )
        for number in range(curves)
    )
    marks = tuple(Mark(points * k / 20, "removal", f"removal {k}") for k in range(1, 20))
    return ChartData(
        curves=lines,
        marks=marks,
        x_label="step",
        y_label="loss",
        version=version,
        empty="nothing yet",
    )


def ours(data: ChartData, width: int, height: int) -> None:
    data = replace(data, curves=tuple(map(replace, data.curves)))  # sorted anew, as new data are
    frame, _ = draw(data, Viewport(), width, height)
    strips_of(frame, COLOURS)


def plotext(data: ChartData, width: int, height: int) -> None:
    import plotext as library

    from icot_tui.tui.chart.curves import downsample

    library.terminal.limit(False, False)
    figure = library.figure
    figure.clear()
    figure.theme("colorless")
    figure.plot_size(width, height)
    for line in data.curves:
        kept = downsample(line.x, line.y, line.x[0], line.x[-1], width, False)
        x, y = np.repeat(kept.at, 2), np.column_stack([kept.low, kept.high]).ravel()
        figure.draw(figure.signal(x.tolist(), y.tolist(), marker="braille").lines(True))
    str(figure.build())


def medians(
    drawing: Callable[[ChartData, int, int], None], case: tuple[int, int, int, int], repeats: int
) -> tuple[float, float]:
    """Milliseconds on the clock, and of the processor (the same on a busy machine)."""
    width, height, points, curves = case
    data = [example(points, curves, version) for version in range(4)]
    walls, busy = [], []
    for number in range(repeats):
        wall, cpu = time.perf_counter(), time.thread_time()
        drawing(data[number % 4], width, height)
        walls.append(1e3 * (time.perf_counter() - wall))
        busy.append(1e3 * (time.thread_time() - cpu))
    return statistics.median(walls), statistics.median(busy)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=200)
    parser.add_argument("--plotext", action="store_true")
    arguments = parser.parse_args()
    drawings = {"this": ours} | ({"plotext": plotext} if arguments.plotext else {})
    print("| cells | points | curves |", *(f"{name}, ms | CPU ms |" for name in drawings))
    print("|---" * (3 + 2 * len(drawings)) + "|")
    for case in CASES:
        width, height, points, curves = case
        row = [f"{width}x{height}", f"{points:,}", str(curves)]
        for drawing in drawings.values():
            row += [f"{taken:.1f}" for taken in medians(drawing, case, arguments.repeats)]
        print(f"| {' | '.join(row)} |")


if __name__ == "__main__":
    main()
