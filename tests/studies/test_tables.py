"""Rows become tables and intervals."""

import csv
import io
import math
import sys
from dataclasses import replace

import pytest

from icot_tui.cli.console import print_table
from icot_tui.studies.collect import CHECKPOINT, DATA, Row
from icot_tui.studies.spec import ReportConfig
from icot_tui.studies.table import comma_separated, estimate, make_table, markdown, student_t


def row(method: str, size: str, seed: int, right: float | None, fast: float = 1.0) -> Row:
    labels = (("method", method), ("size", size))
    note = "it broke" if right is None else ""
    values = {} if right is None else {"exact_match": right, "speed": fast}
    return Row(labels, seed, values, note)  # type: ignore[arg-type]


ROWS = [
    row("No CoT", "2x2", 0, 0.2),
    row("No CoT", "2x2", 1, 0.4),
    row("ICoT|SI", "2x2", 0, 0.9, 1.01),
    row("ICoT|SI", "3x3", 0, None),
]


def test_a_mean_has_students_interval() -> None:
    found = estimate([1.0, 2.0, 3.0, None, math.nan])
    assert found is not None
    assert found.mean == 2.0
    assert found.half == pytest.approx(2.484, abs=1e-3)  # 4.303 · 1 / √3
    assert found.count == 3
    alone = estimate([0.5])
    assert alone is not None
    assert alone.half is None
    assert estimate([None]) is None


@pytest.mark.parametrize(
    ("freedom", "point"), [(1, 12.706), (30, 2.042), (31, 2.0395), (120, 1.98)]
)
def test_students_points(freedom: int, point: float) -> None:
    assert student_t(freedom) == pytest.approx(point, abs=6e-4)


def test_a_table_over_seeds() -> None:
    table = make_table(ROWS, ReportConfig(measures=["exact_match", "speed"]))
    assert table.headers == ("method", "size", "exact match", "speed (No CoT = 1)")
    assert table.rows[0] == ("No CoT", "2x2", "0.300 ± 1.271", "1.00 ± 0.00")
    assert table.rows[1] == ("ICoT|SI", "2x2", "0.900 (1 of 2)", "1.01 (1 of 2)")
    assert table.rows[2] == ("ICoT|SI", "3x3", "–", "–")
    assert table.notes == ("ICoT|SI, 3x3, seed 0: it broke",)
    assert table.legend == (
        "Mean ± half of the 95 % interval (Student's t) over seeds.",
        "In parentheses: on how many of the 2 seeds a value rests.",
    )
    assert "| ICoT\\|SI | 2x2 |" in markdown(table)
    read = list(csv.DictReader(io.StringIO(comma_separated(table))))
    assert read[0]["seeds"] == "2"
    assert float(read[0]["exact_match"]) == pytest.approx(0.3)
    assert read[1]["exact_match_half_95"] == read[2]["exact_match"] == ""
    assert [line["speed_count"] for line in read] == ["2", "1", "0"]


def test_the_same_note_of_several_seeds_is_one() -> None:
    rows = [Row((("m", "a"), (DATA, d)), s, {}, f"no {d}", "old") for d in "pq" for s in (0, 1)]
    notes = make_table(rows, ReportConfig(measures=["exact_match"])).notes
    assert notes == ("a, p, seeds 0, 1: no p", "a, q, seeds 0, 1: no q", "a, seeds 0, 1: old")
    alone = make_table([Row((), 3, {}, "gone")], ReportConfig(measures=["exact_match"]))
    assert alone.notes == ("seed 3: gone",)


def test_of_one_seed_the_interval_over_questions_is_shown() -> None:
    rows = [Row((), 0, {"exact_match": 0.5, "speed": 2.0}, bounds=(0.4, 0.61))]
    table = make_table(rows, ReportConfig(measures=["exact_match", "speed"]))
    assert table.rows == (("0.500 [0.400, 0.610]", "2.00"),)
    assert table.legend == (
        "In brackets: with one seed, the 95 % interval (Wilson) over questions.",
    )
    several = make_table([*rows, replace(rows[0], seed=1)], ReportConfig(measures=["exact_match"]))
    assert several.rows == (("0.500 ± 0.000",),)


def test_a_heading_is_shown_and_not_obeyed_on_a_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    print_table(("size\x1b]0;x\x07",), [("2x2",)])
    assert r"size\x1b]0;x\x07" in capsys.readouterr().out


def test_an_axis_side_by_side() -> None:
    table = make_table(ROWS, ReportConfig(measures=["exact_match"], across="size"))
    assert table.headers == ("method", "2x2: exact match", "3x3: exact match")
    assert table.rows == (("No CoT", "0.300 ± 1.271", "–"), ("ICoT|SI", "0.900 (1 of 2)", "–"))


def tried(method: str, rate: str, *validated: float | None) -> list[Row]:
    """A row for each seed, with its exact match on validation, and 0.1 less on test."""
    labels = (("method", method), ("rate", rate))
    return [
        Row(labels, seed, {})
        if right is None
        else Row(labels, seed, {"exact_match": right - 0.1, "validation_exact_match": right})
        for seed, right in enumerate(validated)
    ]


def test_of_settings_that_were_tried_the_best_on_validation_is_shown() -> None:
    rows = [
        *tried("No CoT", "low", 0.5, 0.3),
        *tried("No CoT", "high", 0.6, 0.4),
        *tried("SI", "low", 0.9, 0.7),
        *tried("SI", "high", None, 1.0),  # one seed alone does not beat two
    ]
    report = ReportConfig(measures=["exact_match"], best_of="rate")
    table = make_table(rows, report)
    assert table.headers == ("method", "exact match")
    assert [(one[0], one[1][:5]) for one in table.rows] == [("No CoT", "0.400"), ("SI", "0.700")]
    assert table.notes == (
        "No CoT: best rate of 2 by exact match on validation: low 0.400, high 0.500",
        "SI: best rate of 2 by exact match on validation: low 0.800, high 1.000 (1 of 2 seeds)",
    )
    nothing = make_table(tried("SI", "low", None), report)
    assert nothing.notes == ("SI: best rate of 1 by exact match on validation: low –",)


FRONTIER = ReportConfig(measures=["exact_match", "speed"], per="checkpoint", frontier=True)


def stages(*points: tuple[float | None, float | None]) -> list[Row]:
    """A row for each exact match and speed; its stage is its place."""
    return [
        Row(((CHECKPOINT, str(stage)),), 0, {"exact_match": right, "speed": fast})
        for stage, (right, fast) in enumerate(points)
    ]


def test_dominated_points_are_dropped() -> None:
    rows = stages((1.0, 0.3), (0.9, 0.5), (0.8, 0.4), (0.9, 1.0), (0.9, 1.0))
    table = make_table(rows, FRONTIER)
    assert [line[0] for line in table.rows] == ["0", "3", "4"]
    assert table.notes[0].startswith("left out: 2 that others beat in exact match or speed")


def test_a_hundredth_of_speed_is_no_advantage() -> None:
    assert len(make_table(stages((0.9, 1.0), (0.9, 1.01)), FRONTIER).rows) == 2
    assert len(make_table(stages((0.9, 1.0), (0.8, 1.01)), FRONTIER).rows) == 1
    assert len(make_table(stages((0.9, 1.0), (0.8, 1.03)), FRONTIER).rows) == 2
    # Each is hardly slower than the next, but the ends are far apart.
    gradual = stages(*((1 - 0.01 * n, 1 + 0.015 * n) for n in range(7)))
    assert [line[0] for line in make_table(gradual, FRONTIER).rows] == ["0", "2", "4", "6"]


def test_what_nobody_knows_is_not_dropped() -> None:
    failed = Row((("method", "ICoT-SI"),), 0, {}, "failed: no memory")
    table = make_table([*stages((0.9, 1.0), (0.5, None)), failed], FRONTIER)
    assert [line[-2:] for line in table.rows] == [("–", "–"), ("0.900", "1.00"), ("0.500", "–")]
    assert table.notes == (
        "ICoT-SI, seed 0: failed: no memory",
        "2 without exact match or speed: whether others beat them is not known",
    )
