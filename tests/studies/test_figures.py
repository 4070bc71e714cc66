"""Figures of studies, as files and in characters."""

import math
import sys
from pathlib import Path

import pytest

from icot_tui.cli.plots.look import Look
from icot_tui.cli.plots.study_plot import draw_figure
from icot_tui.errors import UserError
from icot_tui.studies.collect import Collected, Collector
from icot_tui.studies.figure import MISSING, Drawing, Series, make_drawing, write_figures
from icot_tui.studies.folder import StudyFolder
from icot_tui.studies.plan import make_plan
from icot_tui.studies.runner import TrialStatus
from icot_tui.studies.spec import load_study
from icot_tui.studies.table import make_table
from tests.studies.history import HISTORY, run_with
from tests.studies.small import small

DRAWING = Drawing(
    "Cost $5_a$ <b>",
    "speed",
    "exact match",
    (Series("one & two", (0.0, 1.0), (0.1, 0.9), (0.1, 0.0)), Series("", (0.5,), (0.5,), (), 1)),
    True,
)

BARS = Drawing(
    title="B",
    x_label="x",
    y_label="y",
    series=(Series("a", (0.0, 1.0), (1, 2)),),
    joined=False,
    bars=True,
    ticks=("p", "q"),
)


@pytest.mark.slow
@pytest.mark.parametrize("drawing", [DRAWING, BARS])
def test_figures_are_the_same_files_again(tmp_path: Path, drawing: Drawing) -> None:
    svg, png = write_figures(drawing, tmp_path)
    first = svg.read_bytes(), png.read_bytes()
    assert first[1].startswith(b"\x89PNG")
    assert write_figures(drawing, tmp_path) == [svg, png]
    assert (svg.read_bytes(), png.read_bytes()) == first
    assert sorted(path.name for path in tmp_path.iterdir()) == ["figure.png", "figure.svg"]
    if drawing is DRAWING:
        assert "Cost $5_a$ &lt;b&gt;" in svg.read_text()


def test_without_matplotlib_a_sentence_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(UserError) as raised:
        write_figures(DRAWING, tmp_path)
    assert (
        str(raised.value) == MISSING == "figures need matplotlib: pip install 'icot-tui[studies]'"
    )


def test_figures_in_characters() -> None:
    lines = draw_figure(DRAWING, Look(width=40, height=14)).plain.splitlines()
    assert len(lines) == 14
    assert max(map(len, lines)) <= 40
    assert lines[0].strip() == "Cost $5_a$ <b>: exact match"
    assert lines[-1].startswith("A one & two  B")
    assert sum(line.count("A") for line in lines if "│" in line or "┤" in line) == 2
    bars = draw_figure(BARS, Look()).plain.splitlines()
    assert bars[3].startswith("a, q 2┤██")
    gaps = Drawing("t", "x", "y", (Series("s", (0, 1), (math.nan, math.inf)),), True)
    assert draw_figure(gaps, Look()).plain == "there is no finite value to draw"


def test_the_offsets_distribution_needs_no_training(tmp_path: Path) -> None:
    plan = make_plan(load_study("smoothing"), "cpu")
    folder = StudyFolder(tmp_path, plan.name)
    folder.prepare(plan)
    rows = Collector(plan, folder).collect([TrialStatus(trial=trial) for trial in plan.trials]).rows
    table = make_table(rows, plan.study.config.report)
    assert ("4", "0.9817", "0.0187") in table.rows
    assert ("off", "1.0000", "0.0000") in table.rows
    drawing = make_drawing(plan, Collected(rows), table)
    assert drawing is not None
    assert [series.name for series in drawing.series] == ["λ = 1", "λ = 2", "λ = 4", "off"]
    assert drawing.series[2].y[0] == pytest.approx(1 - math.exp(-4))


def test_curves_over_removed_tokens_show_each_stage_as_it_was_left(tmp_path: Path) -> None:
    plan = make_plan(small(tmp_path), "cpu")
    outcome = run_with(tmp_path / "runs", HISTORY)
    collected = Collected(outcomes={plan.trials[1].name: outcome})
    drawing = make_drawing(plan, collected, make_table([], plan.study.config.report))
    assert drawing is not None
    (series,) = drawing.series
    assert (series.name, series.x, series.y) == ("ICoT-SI", (0, 6, 8), (1.0, 0.95, 0.6))
