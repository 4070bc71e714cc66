"""Rows become tables, figures and intervals."""

import csv
import io
import math
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from icot_tui import __version__
from icot_tui.cli.console import print_table
from icot_tui.engine.journal.events import (
    CheckpointSaved,
    Evaluated,
    Event,
    PhaseBegan,
    RunEnded,
    RunResumed,
    RunStarted,
    StepsTrained,
    TokenRemoved,
)
from icot_tui.engine.journal.journal import Journal
from icot_tui.engine.run_folder import RunFolder
from icot_tui.errors import UserError
from icot_tui.runs.new_run import create_run
from icot_tui.studies import evaluation
from icot_tui.studies.collect import CHECKPOINT, DATA, Collected, Collector, Row
from icot_tui.studies.figure import MISSING, Drawing, Series, as_text, make_drawing, write_figures
from icot_tui.studies.folder import StudyEvent, StudyFolder, append_line, read_lines
from icot_tui.studies.outcome import Outcome
from icot_tui.studies.plan import Plan, make_plan
from icot_tui.studies.results import write_results
from icot_tui.studies.runner import TrialStatus
from icot_tui.studies.spec import ReportConfig, load_study
from icot_tui.studies.table import comma_separated, estimate, make_table, markdown, student_t
from tests.studies.small import SMALL, small
from tests.tiny import tiny


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


# --- outcomes ---


def evaluated(step: int, stage: int, right: float, implicit: bool = False) -> Evaluated:
    return Evaluated(
        step=step,
        stage=stage,
        implicit=implicit,
        exact_match=right,
        low=0.0,
        high=1.0,
        examples=10,
        loss=1.0,
        token_accuracy=[right, 1.0],
        best=right,
        seconds=0.1,
        samples="",
    )


def steps(first: int, last: int, stage: int) -> StepsTrained:
    losses: list[float | None] = [1.0] * (last - first + 1)
    return StepsTrained(
        step=last,
        first=first,
        losses=losses,
        gradient_norms=losses,
        stage=stage,
        learning_rate=1e-3,
        supervised_tokens=10,
        dropped_rows=0,
        seconds=0.5 * len(losses),
    )


STARTED = RunStarted(
    step=0,
    name="r",
    method="ICoT-SI",
    version="9.9",
    device="cpu",
    processes=1,
    parameters=1000,
    train_examples=640,
    validation_examples=100,
    steps_per_epoch=10,
    max_cot_tokens=8,
)
HISTORY: list[Event] = [
    STARTED,
    steps(1, 10, 0),
    evaluated(10, 0, 1.0),
    CheckpointSaved(step=10, path="checkpoints/step-00000010", stage=0, bytes=1, seconds=0.1),
    TokenRemoved(step=10, before=0, stage=5, cause="on schedule", everything=False),
    steps(11, 20, 5),
    evaluated(20, 5, 0.9),
    RunResumed(step=10, checkpoint="checkpoints/step-00000010"),
    TokenRemoved(step=10, before=0, stage=6, cause="on schedule", everything=False),
    steps(11, 20, 6),
    evaluated(20, 6, 0.95),
    TokenRemoved(step=20, before=6, stage=8, cause="on schedule", everything=True),
    steps(21, 30, 8),
    evaluated(30, 8, 0.7, True),
    steps(31, 40, 8),
    evaluated(40, 8, 0.6, True),
    RunEnded(step=40, reason="done", finished=True),
]


def run_with(runs: Path, events: list[Event], **sections: object) -> Outcome:
    folder = create_run(tiny(**sections), runs)
    journal = Journal(folder.journal)
    for event in events:
        journal.write(event)
    journal.close()
    return Outcome(folder)


def test_a_journal_tells_what_became_of_a_run(tmp_path: Path) -> None:
    outcome = run_with(tmp_path, HISTORY)
    assert [(p.step, p.removed, p.exact_match) for p in outcome.points] == [
        (10, 0, 1.0),
        (20, 6, 0.95),
        (30, 8, 0.7),
        (40, 8, 0.6),
    ]
    assert outcome.best is not None
    assert outcome.best.step == 30
    assert outcome.internalized_at == (20, 10.0)
    assert (outcome.summary.metrics.step, outcome.seconds, outcome.versions) == (40, 20.0, ("9.9",))
    assert outcome.checkpoint() is None


def test_what_still_writes_its_thoughts_is_no_implicit_result(tmp_path: Path) -> None:
    outcome = run_with(tmp_path, HISTORY[:11])
    assert outcome.best is None
    explicit = run_with(tmp_path, HISTORY[:3], method={"name": "explicit_cot"})
    assert explicit.best is not None
    assert explicit.best.exact_match == 1.0


def test_of_several_trainings_only_the_last_counts(tmp_path: Path) -> None:
    phase = PhaseBegan(
        step=40,
        phase="coupled",
        number=4,
        phases=4,
        title="both",
        unit="nats",
        parameters=1,
        steps_per_epoch=100,
    )
    events = [*HISTORY[:-1], phase, steps(41, 50, 8), evaluated(50, 8, 0.3, True)]
    assert [point.step for point in run_with(tmp_path, events).points] == [50]


# --- trials become rows ---


def finished(plan: Plan, runs: Path, checkpoints: bool = True) -> list[TrialStatus]:
    """Each trial with a run of that history, and a checkpoint that only looks like one."""
    statuses = []
    for trial in plan.trials:
        run = create_run(trial.config, runs)
        journal = Journal(run.journal)
        for event in HISTORY:
            journal.write(event)
        journal.close()
        if checkpoints:
            (run.checkpoints / "step-00000030").mkdir(parents=True)
            (run.checkpoints / "step-00000030" / "manifest.json").write_text(trial.name)
        statuses.append(TrialStatus(trial=trial, state="finished", run=run))
    return statuses


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Instead of being asked, checkpoints are noted here; a No-CoT model makes it a ratio of 2."""
    noted: list[str] = []

    def ask(
        checkpoint: Path, everything: bool, other: object = None
    ) -> evaluation.CheckpointAccuracy:
        noted.append(checkpoint.parent.parent.name)
        return evaluation.CheckpointAccuracy(0.5, 0.4, 0.6, 10, 0.7, "test")

    def time_checkpoint(
        checkpoint: Path, everything: bool, beside: Path | None
    ) -> evaluation.CheckpointSpeed:
        return evaluation.CheckpointSpeed(100.0, None if beside is None else 2.0, "cpu")

    monkeypatch.setattr(evaluation, "measure_accuracy", ask)
    monkeypatch.setattr(evaluation, "measure_relative_speed", time_checkpoint)
    return noted


def rows_of(plan: Plan, statuses: list[TrialStatus], folder: Path) -> list[Row]:
    study = StudyFolder(folder, plan.name)
    study.prepare(plan)
    return Collector(plan, study).collect(statuses).rows


def test_other_weights_or_another_version_are_asked_again(
    tmp_path: Path, answers: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = make_plan(small(tmp_path), "cpu")
    statuses = finished(plan, tmp_path / "runs")
    for _ in range(2):
        rows_of(plan, statuses, tmp_path / "runs")
    assert answers == ["small-cpu-no-cot-s0", "small-cpu-icot-si-s0"]
    assert statuses[1].run is not None
    manifest = statuses[1].run.checkpoints / "step-00000030" / "manifest.json"
    manifest.write_text("trained anew")
    rows_of(plan, statuses, tmp_path / "runs")
    assert answers[2:] == ["small-cpu-icot-si-s0"]
    monkeypatch.setattr(evaluation, "__version__", "9.9")
    rows_of(plan, statuses, tmp_path / "runs")
    assert answers[3:] == answers[:2]


def test_speed_is_not_compared_with_another_model(tmp_path: Path, answers: list[str]) -> None:
    plan = make_plan(small(tmp_path), "cpu")
    same = rows_of(plan, finished(plan, tmp_path / "a"), tmp_path / "a")
    assert [row.values["speed"] for row in same] == [2.0, 2.0]
    assert not any("No-CoT" in row.remark for row in same)
    wider = '[vary.method."ICoT-SI"]\nmodel.width = 32'
    plan = make_plan(small(tmp_path, SMALL.replace('[vary.method."ICoT-SI"]', wider)), "cpu")
    other = rows_of(plan, finished(plan, tmp_path / "b"), tmp_path / "b")
    assert [row.values["speed"] for row in other] == [2.0, None]
    assert "no No-CoT run of the same data and model" in other[1].remark


def test_another_seed_of_the_same_model_will_do(tmp_path: Path, answers: list[str]) -> None:
    plan = make_plan(small(tmp_path), "cpu", seeds=2)
    statuses = finished(plan, tmp_path / "runs")
    statuses[1] = TrialStatus(trial=plan.trials[1], state="failed", reason="no memory")
    rows = rows_of(plan, statuses, tmp_path / "runs")
    assert [row.values.get("speed") for row in rows] == [2.0, None, 2.0, 2.0]
    assert rows[1].note == "failed: no memory"


def test_what_one_trial_has_wrong_costs_no_other_row(
    tmp_path: Path, answers: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = make_plan(small(tmp_path), "cpu", seeds=2)
    statuses = finished(plan, tmp_path / "runs")
    assert statuses[0].run is not None
    statuses[0].run.config.write_text("data = 3")
    ask = evaluation.measure_accuracy

    def short_of_memory(checkpoint: Path, *rest: Any) -> evaluation.CheckpointAccuracy:
        if "icot-si-s1" in str(checkpoint):
            raise RuntimeError("out of memory\nat the third layer")
        return ask(checkpoint, *rest)

    monkeypatch.setattr(evaluation, "measure_accuracy", short_of_memory)
    broken, good, also, without = rows_of(plan, statuses, tmp_path / "runs")
    assert broken.note.startswith("finished: ")
    assert "config.toml" in broken.note
    assert good.values["exact_match"] == also.values["exact_match"] == 0.5
    assert good.bounds == (0.4, 0.6)
    assert (without.note, without.values["exact_match"]) == ("RuntimeError: out of memory", None)
    assert without.values["steps"] == 40


def test_a_trial_without_checkpoints_has_a_row_that_says_so(tmp_path: Path) -> None:
    text = SMALL.replace("measures = [", 'per = "checkpoint"\nmeasures = ["removed_tokens", ')
    plan = make_plan(small(tmp_path, text), "cpu")
    rows = rows_of(plan, finished(plan, tmp_path, checkpoints=False), tmp_path)
    assert [row.note for row in rows] == ["none of its checkpoints is left"] * 2
    run = finished(plan, tmp_path / "damaged")[0].run
    rows = rows_of(
        plan, [TrialStatus(trial=plan.trials[0], state="finished", run=run)], tmp_path / "damaged"
    )
    assert [(row.labels[-1], row.note) for row in rows] == [
        (
            ("method", "No CoT"),
            "checkpoint step-00000030 is left out: cannot read its state.json",
        )
    ]


def test_who_missed_the_target_or_was_trained_otherwise_is_named(tmp_path: Path) -> None:
    aim = '[vary.method."ICoT-SI"]\ntrain.target_accuracy = {}'
    for target, missed in ((0.9, True), (0.7, False)):
        text = SMALL.replace('[vary.method."ICoT-SI"]', aim.format(target))
        plan = make_plan(small(tmp_path, text), "cpu")
        runs = tmp_path / str(target)
        no_cot, stepwise = rows_of(plan, finished(plan, runs, checkpoints=False), runs)
        assert no_cot.remark == f"trained with icot-tui 9.9, measured with {__version__}"
        sentence = "it never reached an exact match of 0.9 (train.target_accuracy): its steps"
        assert stepwise.remark.startswith(sentence) == missed


def test_the_document_says_what_it_rests_on(tmp_path: Path, answers: list[str]) -> None:
    plan = make_plan(small(tmp_path, SMALL.replace("Two methods", r"Two\u001b[31m")), "cpu")
    folder = StudyFolder(tmp_path / "runs", plan.name)
    folder.prepare(plan)
    statuses = [
        *finished(plan, tmp_path / "runs")[:1],
        TrialStatus(trial=plan.trials[1], state="failed"),
    ]
    statuses[1].reason = "killed \x1b]0;x\x07"
    (folder.path / "figure.svg").write_text("of another time")
    collected = Collector(plan, folder).collect(statuses)
    collected.outcomes.clear()  # so that there is nothing to draw
    results = write_results(plan, folder, statuses, collected)
    text = (folder.path / "table.md").read_text()
    assert "\x1b" not in text and r"Two\x1b[31m" in text and r"killed \x1b]0;x" in text
    assert "best checkpoint on the validation examples, evaluated on the test examples" in text
    assert "one question at a time, on cpu." in text
    assert "| No CoT | 0.500 [0.400, 0.600] | 2.00 |" in text
    assert not (folder.path / "figure.svg").exists()
    assert [path.name for path in results.files] == ["results.json", "table.md", "table.csv"]
    write_results(plan, folder, statuses, Collector(plan, folder).collect(statuses))
    assert "; trained with icot-tui 9.9." in (folder.path / "table.md").read_text()
    assert (folder.path / "figure.svg").exists()


# --- figures ---

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
    text = as_text(DRAWING, width=40, height=12)
    assert all(len(line) <= 40 for line in text.splitlines())
    assert "a  one & two" in text
    assert sum(line.count("a") for line in text.splitlines() if "│" in line) == 2
    assert as_text(BARS).splitlines()[2].startswith("a, q  ██")
    gaps = Drawing("t", "x", "y", (Series("s", (0, 1), (math.nan, math.inf)),), True)
    assert as_text(gaps) == ""


# --- a study that trains nothing, and the folder ---


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


def test_a_torn_ledger_line_is_passed_over(tmp_path: Path) -> None:
    plan = make_plan(small(tmp_path), "cpu")
    folder = StudyFolder(tmp_path / "runs", plan.name)
    folder.prepare(plan)
    folder.write(StudyEvent("one", "training"))
    with open(folder.ledger, "a") as file:
        file.write('{"trial": "two", "sta')
    folder.write(StudyEvent("one", "finished", "run-1", reused=True))
    assert folder.events() == [
        StudyEvent("one", "training"),
        StudyEvent("one", "finished", "run-1", reused=True),
    ]
    append_line(tmp_path / "other", {"key": "a"})
    assert list(read_lines(tmp_path / "other")) == [{"key": "a"}]


def test_a_study_runs_once_at_a_time(tmp_path: Path) -> None:
    plan = make_plan(small(tmp_path), "cpu")
    first, second = (StudyFolder(tmp_path / "runs", plan.name) for _ in range(2))
    first.prepare(plan)
    first.lock()
    with pytest.raises(UserError, match=r"this study is being run already by process \d+"):
        second.lock()
    first.unlock()
    second.lock()
    second.unlock()
    assert RunFolder.all(tmp_path / "runs") == []
