"""Runs as flat tables."""

from pathlib import Path

from icot_tui.engine.journal.events import Event, PhaseBegan, RunResumed
from icot_tui.studies.exporting import exported
from tests.events import STARTED, evaluated, probed, saved, trained
from tests.watch.runs import make


def test_each_step_is_of_its_training_also_where_a_resume_went_back(tmp_path: Path) -> None:
    def begun(step: int, number: int, phase: str) -> Event:
        return PhaseBegan(
            step=step,
            phase=phase,
            number=number,
            phases=4,
            title=phase,
            unit="nats",
            parameters=100,
            steps_per_epoch=10,
        )

    events = [
        STARTED,
        begun(0, 1, "teacher"), trained(1), begun(1, 2, "student"), trained(2), saved(2),
        begun(2, 3, "emulator"), trained(3),
        RunResumed(step=2, checkpoint=saved(2).path), trained(3),
    ]  # fmt: skip
    rows = exported(make(tmp_path, events=events)).to_pylist()
    assert [(row["step"], row["phase"]) for row in rows] == [
        (1, "teacher"), (2, "student"), (3, "student"),
    ]  # fmt: skip


def test_a_step_that_was_evaluated_before_its_loss_was_told_has_one_row(tmp_path: Path) -> None:
    """An evaluation by command comes between two reports of losses."""
    events = [STARTED, trained(1), evaluated(3, 0.5), trained(3, losses=[1.0, 1.0])]
    rows = exported(make(tmp_path, events=events)).to_pylist()
    assert [(row["step"], row["exact_match"]) for row in rows] == [(1, None), (2, None), (3, 0.5)]
    assert all(row["loss"] is not None for row in rows)


def test_how_well_the_next_tokens_are_read_stands_at_its_step(tmp_path: Path) -> None:
    events = [STARTED, trained(1), trained(2), probed(2, 0), trained(3), probed(3, 0, None)]
    rows = exported(make(tmp_path, events=events)).to_pylist()
    names = ("step", "readable", "readable_shuffled", "readable_majority", "stage", "phase")
    assert [tuple(row[name] for name in names) for row in rows] == [
        (1, None, None, None, 0, ""), (2, 0.75, 0.21, 0.29, 0, ""), (3, None, None, None, 0, ""),
    ]  # fmt: skip
    assert all(row["loss"] is not None for row in rows)


def test_a_look_before_the_first_step_has_a_row(tmp_path: Path) -> None:
    rows = exported(make(tmp_path, events=[STARTED, probed(0, 0), trained(1)])).to_pylist()
    assert [(row["step"], row["readable"]) for row in rows] == [(0, 0.75), (1, None)]
