"""A loss gate that counts the rows at the scheduled stage alone (`curriculum.gate_rows`)."""

import numpy as np
import pytest
import torch

from icot_tui.config.loading import dump_toml
from icot_tui.curriculum.curriculum import Curriculum
from icot_tui.engine.loop.update import Update
from tests.engine.ranks import run_ranks
from tests.tiny import (
    assert_same,
    assert_same_run,
    copy_until,
    final_state,
    final_tensors,
    news,
    tiny,
    train,
    train_new,
)

pytestmark = pytest.mark.slow
GATE = {
    **{"schedule": "loss_gated", "gate_rows": "scheduled", "gate_per": "example"},
    **{"gate_loss": 1e-6, "gate_window": 3, "min_steps": 2, "max_steps": 6},
    **{"smoothing": 0.5, "keep_positions": True},
}


def gated(**sections):
    sections["curriculum"] = GATE | sections.get("curriculum", {})
    return tiny(**sections)


def removals(folder):
    return [line for line in news(folder) if line["event"] == "TokenRemoved"]


def losses_row_by_row(update, batch):
    """Of each row alone: its loss, its supervised tokens, and what is removed of it."""
    found = []
    for row in range(len(batch)):
        one = batch.rows(slice(row, row + 1))
        with torch.no_grad():
            loss = float(update.objective(*update.tensors(one))[0])
        found.append((loss, one.supervised_tokens, int(one.scheduled[0])))
    return np.array(found)


@pytest.mark.parametrize("gate_per", ["example", "token"])
@pytest.mark.parametrize("micro_batch_size", [None, 3])
@pytest.mark.parametrize("mixed_stages", [0.0, 0.4])
def test_the_gate_is_told_the_mean_over_the_rows_at_the_stage(
    gate_per, micro_batch_size, mixed_stages, tmp_path, monkeypatch
):
    """However the batch is divided; the steps without such a row are left out."""
    seen, told = [], []
    call, add, begin = Update.__call__, Curriculum.add_losses, Curriculum.begin_step
    stage = [0]

    def recorded(update, batch, rate):
        rows = losses_row_by_row(update, batch)
        rows = rows[rows[:, 2] == stage[0]]
        if len(rows):
            seen.append(rows[:, 0].sum() / (rows[:, 1].sum() if gate_per == "token" else len(rows)))
        return call(update, batch, rate)

    def added(curriculum, losses):
        losses = list(losses)
        told.extend(losses)
        add(curriculum, losses)

    def begun(curriculum):
        change = begin(curriculum)
        stage[0] = curriculum.stage
        return change

    monkeypatch.setattr(Update, "__call__", recorded)
    monkeypatch.setattr(Curriculum, "add_losses", added)
    monkeypatch.setattr(Curriculum, "begin_step", begun)
    config = gated(
        data={"options": {"digits": "1-2x1-2"}},
        model={"dropout": 0.0},
        curriculum={"gate_per": gate_per, "mixed_stages": mixed_stages},
        train={"micro_batch_size": micro_batch_size, "batch_size": 4, "max_steps": 40},
    )
    train_new(tmp_path, config)
    assert stage[0] >= 3 and 20 < len(seen) < 40
    assert told == pytest.approx(seen, rel=1e-4)


def test_without_smoothing_it_is_the_same_gate(tmp_path):
    """Every row is at the stage then."""
    runs = {
        rows: train_new(
            tmp_path / rows,
            gated(curriculum={"gate_rows": rows, "smoothing": float("inf"), "gate_loss": 30.0}),
        )
        for rows in ("all", "scheduled")
    }
    ours, theirs = (final_state(runs[rows])["curriculum"] for rows in ("scheduled", "all"))
    assert ours.pop("losses") == pytest.approx(theirs.pop("losses"), rel=1e-5)
    assert ours == theirs and ours["stage"] > 2
    assert removals(runs["all"]) == removals(runs["scheduled"])


@pytest.fixture(scope="module")
def every_step(tmp_path_factory):
    """A run that saves at every step, and whose gate opens by the loss."""
    config = gated(
        curriculum={"gate_loss": 32.0, "max_steps": 100},
        train={"observe_every": 4},
        checkpoints={"keep": 1000, "every_steps": 1},
    )
    return train_new(tmp_path_factory.mktemp("every"), config)


@pytest.mark.parametrize("step", range(1, 30, 4))
def test_resume_at_any_step_is_exact(every_step, tmp_path, step):
    folder = copy_until(step, every_step, tmp_path / "copy")
    train(folder)
    assert_same_run(folder, every_step)
    assert removals(folder)


def test_saving_changes_nothing(every_step, tmp_path):
    config = gated(curriculum={"gate_loss": 32.0, "max_steps": 100}, train={"observe_every": 4})
    folder = train_new(tmp_path, config)
    assert_same(final_tensors(folder), final_tensors(every_step))


def test_two_processes_are_told_the_same_as_one(tmp_path):
    config = gated(model={"dropout": 0.0}, train={"micro_batch_size": None, "batch_size": 9})
    path = tmp_path / "config.toml"
    path.write_text(dump_toml(config))
    run_ranks("train", str(path), "--runs", str(tmp_path / "two"))
    one = train_new(tmp_path / "one", config)
    two = type(one)(tmp_path / "two" / "tiny")
    ours, theirs = (final_state(run)["curriculum"] for run in (two, one))
    assert ours["losses"] and ours.pop("losses") == pytest.approx(theirs.pop("losses"), rel=1e-4)
    assert ours == theirs
