"""Runs as flat tables."""

import csv
import random
from pathlib import Path

import pytest
from pyarrow import parquet

from icot_tui.engine.journal.events import Event, PhaseBegan, RunResumed
from icot_tui.studies import step_rows
from icot_tui.studies.exporting import write_csv, write_parquet
from icot_tui.studies.step_rows import COLUMNS, exported, loss_parts
from tests.events import STARTED, evaluated, probed, saved, trained
from tests.watch.runs import any_run, make


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


def test_parts_of_a_loss_are_columns_of_the_runs_that_have_them(tmp_path: Path) -> None:
    one = [
        STARTED,
        trained(2, losses=[1.0, 3.0], loss_parts={"student": 1.25, "teacher": 0.75}),
        evaluated(3, 0.5),
        trained(3, losses=[None], loss_parts={"student": None, "teacher": None}),
    ]
    other = [STARTED, trained(1, loss_parts={"teacher": 0.5, 'a,"b"': 0.5})]
    runs = [make(tmp_path, name, events) for name, events in {"one": one, "two": other}.items()]
    write_csv([*runs, make(tmp_path, "three", [STARTED, trained(1)])], tmp_path / "runs.csv")
    header, *rows = csv.reader((tmp_path / "runs.csv").open())
    assert header == [*COLUMNS, "loss/student", "loss/teacher", 'loss/a,"b"']
    assert [(row[0], row[1], *row[-3:]) for row in rows] == [
        ("one", "1", "", "", ""), ("one", "2", "1.25", "0.75", ""), ("one", "3", "", "", ""),
        ("two", "1", "", "0.5", "0.5"), ("three", "1", "", "", ""),
    ]  # fmt: skip
    write_parquet(runs[:1], tmp_path / "run.parquet")
    names = parquet.read_schema(tmp_path / "run.parquet").names
    assert names == [*COLUMNS, "loss/student", "loss/teacher"]
    write_csv(runs[2:], tmp_path / "none.csv")
    assert (tmp_path / "none.csv").read_text() == ",".join(COLUMNS) + "\n"


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


@pytest.mark.parametrize("seed", range(3))
def test_rows_do_not_depend_on_how_many_are_made_at_once(
    seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make(tmp_path, events=any_run(random.Random(seed), 600))
    parts = loss_parts([run])
    whole = exported(run, parts)
    write_csv([run], tmp_path / "whole.csv")
    assert len(whole) > 100
    monkeypatch.setattr(step_rows, "BATCH", 7)
    assert exported(run, parts).to_pylist() == whole.to_pylist()
    write_csv([run], tmp_path / "in-batches.csv")
    assert (tmp_path / "in-batches.csv").read_text() == (tmp_path / "whole.csv").read_text()
    rows = list(csv.DictReader((tmp_path / "whole.csv").open()))
    assert [int(row["step"]) for row in rows] == whole["step"].to_pylist()
