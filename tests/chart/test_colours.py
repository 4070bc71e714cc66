"""The colours of overlays are told apart by people of all kinds of colour vision."""

from itertools import combinations

import numpy as np
import pytest
from textual.color import Color

from icot_tui.tui.chart.colours import DARK, LIGHT
from icot_tui.tui.chart.data import ChartData, Curve, Mark
from icot_tui.tui.chart.export import as_svg
from icot_tui.tui.chart.viewport import Viewport

# What remains of linear RGB: Machado, Oliveira, Fernandes 2009, severity 1.
VISION = {
    "normal": np.eye(3),
    "protanopia": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216],
         [-0.003882, -0.048116, 1.051998]]
    ),
    "deuteranopia": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413],
         [-0.011820, 0.042940, 0.968881]]
    ),
    "tritanopia": np.array(
        [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602],
         [0.004733, 0.691367, 0.303900]]
    ),
}  # fmt: skip
XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
WHITE = XYZ.sum(axis=1)
CLEARLY = 20.0
"""CIE76 distance; about 2.3 is just noticeable side by side, thin lines need far more."""


def linear(colour: str) -> np.ndarray:
    share = np.array(Color.parse(colour).rgb) / 255
    return np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)


def lab(colour: str, vision: str) -> np.ndarray:
    x = XYZ @ np.clip(VISION[vision] @ linear(colour), 0, 1) / WHITE
    f = np.where(x > 0.008856, np.cbrt(x), 7.787 * x + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


@pytest.mark.parametrize("vision", VISION)
@pytest.mark.parametrize("palette", [DARK, LIGHT])
def test_any_two_colours_are_clearly_apart(palette: tuple[str, ...], vision: str) -> None:
    seen = {colour: lab(colour, vision) for colour in palette}
    near = min(np.linalg.norm(seen[a] - seen[b]) for a, b in combinations(palette, 2))
    assert near >= CLEARLY


def contrast(colour: str, other: str) -> float:
    """WCAG 2's ratio."""
    low, high = sorted(float(XYZ[1] @ linear(one)) for one in (colour, other))
    return (high + 0.05) / (low + 0.05)


def test_all_stand_out_from_the_background() -> None:
    assert min(contrast(colour, "#1a1b26") for colour in DARK) >= 3
    assert min(contrast(colour, "#ffffff") for colour in LIGHT) >= 3


def test_the_svg_names_curves_by_letter_and_marks_by_kind() -> None:
    x = np.arange(200)
    curves = tuple(
        Curve(f"run {at} with a long name of its own", x, x + 1.0 + at, f"series{at}")
        for at in range(8)
    )
    marks = (Mark(50, "removal", "token 1 removed"), Mark(60, "spike", "spike"))
    data = ChartData(curves=curves, marks=marks, x_label="step", y_label="loss", version=1)
    svg = as_svg(data, Viewport())
    assert ">A run 0 with a long name of its own</text>" in svg
    assert ">removal</text>" in svg and ">spike</text>" in svg and ">reset</text>" not in svg
    assert svg.count(">B</text>") == 3
    height = float(svg.split('height="')[1].split('"')[0])
    texts = [float(part.split('y="')[1].split('"')[0]) for part in svg.split("<text")[1:]]
    assert max(texts) < height
    alone = ChartData(curves=curves[:1], x_label="step", y_label="loss", version=1)
    assert ">A" not in as_svg(alone, Viewport())


def test_what_lies_beyond_the_chosen_values_is_cut_off() -> None:
    data = ChartData(
        curves=(Curve("loss", np.arange(9), np.arange(9.0), smooth=False),),
        x_label="step", y_label="loss", version=1,
    )  # fmt: skip
    svg = as_svg(data, Viewport(values=(0.0, 4.0)))
    assert '<g clip-path="url(#plot)">' in svg and "8</text>" in svg
