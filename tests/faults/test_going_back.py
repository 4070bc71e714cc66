"""Non-finite losses, collapses and rollbacks: a run goes back and on."""

import itertools
import json
import math
import shutil

import pytest
import torch

from icot_tui.engine.checkpoints.checkpoint import (
    list_checkpoints,
)
from icot_tui.engine.journal.events import (
    Collapsed,
    Paused,
    RolledBack,
    TokenRemoved,
)
from icot_tui.engine.loop.commands import (
    CommandQueue,
    Rollback,
    Stop,
)
from tests.tiny import final_tensors, news, read_lines, tiny, train, train_new

pytestmark = pytest.mark.slow


class Poison:
    """Makes the loss non-finite at some steps, through the real objective."""

    def __init__(self, monkeypatch, steps):
        from icot_tui.engine.loop.update import Update

        original = Update.__call__
        self.updates = 0

        def poisoned(update, batch, learning_rate):
            weight = next(iter(update.objective.parameters()))
            if self.updates in steps:
                hook = update.objective.register_forward_hook(
                    lambda *arguments: arguments[-1] * math.nan
                )
            before = weight.detach().clone()
            result = original(update, batch, learning_rate)
            if self.updates in steps:
                hook.remove()
                assert torch.equal(weight, before)
            self.updates += 1
            return result

        monkeypatch.setattr(Update, "__call__", poisoned)


def test_non_finite_update_is_skipped(tmp_path, monkeypatch):
    Poison(monkeypatch, {5, 9})
    folder = train_new(tmp_path, tiny())
    lines = news(folder)
    skipped = [line for line in lines if line["event"] == "UpdatesSkipped"]
    assert [line["skipped"] for line in skipped] == [1, 1]
    losses = [loss for line in lines if line["event"] == "StepsTrained" for loss in line["losses"]]
    assert [step for step, loss in enumerate(losses) if loss is None] == [5, 9]
    assert all(torch.isfinite(tensor).all() for tensor in final_tensors(folder).values())


def test_too_many_non_finite_updates_go_back(tmp_path, monkeypatch):
    Poison(monkeypatch, set(range(9, 13)))
    folder = train_new(tmp_path, tiny(train={"max_skipped": 3}))
    back = [line for line in news(folder) if line["event"] == "RolledBack"]
    assert [line["checkpoint"] for line in back] == ["step-00000007"]
    assert read_lines(folder)[-1]["finished"]


def test_never_finite_again_pauses(tmp_path, monkeypatch):
    Poison(monkeypatch, set(range(9, 1000)))
    commands = CommandQueue()

    def listen(event):
        if isinstance(event, Paused):
            commands.put(Stop())

    folder = train_new(tmp_path, tiny(train={"max_skipped": 2, "max_steps": 200}), commands, listen)
    paused = [line for line in read_lines(folder) if line["event"] == "Paused"]
    assert "not finite" in paused[0]["reason"]


def test_rollback_by_command_and_by_policy(tmp_path):
    """Step and data go on, weights and stage go back, and a kill right after changes nothing."""
    commands = CommandQueue()

    def listen(event):
        if isinstance(event, TokenRemoved) and event.stage == 3:
            commands.put(Rollback())

    folder = train_new(tmp_path, tiny(checkpoints={"before_removal": True}), commands, listen)
    lines = news(folder)
    back = next(line for line in lines if line["event"] == "RolledBack")
    assert back["stage"] == 2
    names = [line["path"] for line in lines if line["event"] == "CheckpointSaved"]
    assert f"step-{back['step']:08d}-r1" in names
    steps = [line["step"] for line in lines]
    assert steps == sorted(steps)


def test_steps_that_a_rollback_gives_up_are_told_all_the_same(tmp_path):
    commands = CommandQueue()

    def listen(event):
        if isinstance(event, TokenRemoved) and event.stage == 3:
            commands.put(Rollback())

    config = tiny(checkpoints={"before_removal": True}, train={"observe_every": 50})
    lines = read_lines(train_new(tmp_path, config, commands, listen))
    told = [line for line in lines if line["event"] == "StepsTrained"]
    assert all(b["first"] == a["step"] + 1 for a, b in itertools.pairwise(told))
    back = {line["step"] for line in lines if line["event"] == "RolledBack"}
    assert back and back <= {line["step"] for line in told}


def test_collapse_rolls_back_and_goes_on_more_slowly(tmp_path, monkeypatch):
    from icot_tui.engine.loop.spikes import SpikeDetector

    original = SpikeDetector.add_loss
    told = []

    def add_loss(detector, step, loss):
        if step == 17 and not told:
            told.append(step)
            return [Collapsed(step=step, spike=1, removal=4, height=1.0, steps=5)]
        return original(detector, step, loss)

    monkeypatch.setattr(SpikeDetector, "add_loss", add_loss)
    config = tiny(spikes={"policy": "rollback", "slow_down": 2.0})
    heard = []
    folder = train_new(tmp_path, config, listen=heard.append)
    back = next(event for event in heard if isinstance(event, RolledBack))
    assert back.stage == 3 and back.cause == "collapse"
    later = [e.step for e in heard if isinstance(e, TokenRemoved) and e.step > back.step]
    earlier = [e.step for e in heard if isinstance(e, TokenRemoved) and e.step < back.step]
    assert min(b - a for a, b in itertools.pairwise(later)) >= 4
    assert max(b - a for a, b in itertools.pairwise(earlier)) <= 3
    state = json.loads((list_checkpoints(folder.checkpoints)[-1].path / "state.json").read_text())
    assert state["curriculum"]["pace"] == 2.0
    # The abandoned weights never come back: a resume goes on from the rollback's own checkpoint.
    for checkpoint in list_checkpoints(folder.checkpoints):
        if (checkpoint.step, checkpoint.rollbacks) > (back.step, 1):
            shutil.rmtree(checkpoint.path)
    before = final_tensors(folder)
    train(folder)
    assert before.keys() == final_tensors(folder).keys()
    assert news(folder)[-1]["finished"]
