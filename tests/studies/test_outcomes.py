"""What became of runs, and how trials become rows of a table."""

from pathlib import Path
from typing import Any

import pytest

from icot_tui import __version__
from icot_tui.engine.journal.events import PhaseBegan
from icot_tui.engine.journal.journal import Journal
from icot_tui.runs.new_run import create_run
from icot_tui.studies import evaluation
from icot_tui.studies.collect import Collector, Row
from icot_tui.studies.folder import StudyFolder
from icot_tui.studies.plan import Plan, make_plan
from icot_tui.studies.results import write_results
from icot_tui.studies.runner import TrialStatus
from tests.studies.history import HISTORY, evaluated, run_with, steps
from tests.studies.small import SMALL, small


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
        checkpoint: Path, everything: bool, other: object = None, split: str | None = None
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
