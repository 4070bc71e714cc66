"""The losses of single rows, and runs whose examples lose tokens as each of them is learnt."""

import pytest
import torch

from icot_tui.config.loading import dump_toml
from icot_tui.curriculum.mastery import ExampleStages
from icot_tui.engine.checkpoints.checkpoint import list_checkpoints
from icot_tui.engine.journal.events import StepsTrained
from icot_tui.engine.loop.commands import Advance, CommandQueue, Hold, Rollback
from icot_tui.engine.loop.row_losses import RowLosses
from icot_tui.engine.loop.trainer import Trainer
from icot_tui.engine.loop.update import Update
from icot_tui.models.supervised import CHUNKED_VOCABULARY, SupervisedLM
from tests.engine.ranks import run_ranks
from tests.tiny import (
    assert_same,
    assert_same_run,
    copy_until,
    final_state,
    final_tensors,
    news,
    read_lines,
    tiny,
    train,
    train_new,
)

pytestmark = pytest.mark.slow
MASTERY = {
    **{"schedule": "mastery", "gate_loss": 3.2, "min_steps": 2, "max_steps": 12},
    "keep_positions": True,
}


def mastery(**sections):
    sections["curriculum"] = MASTERY | sections.get("curriculum", {})
    return tiny(**sections)


def named(folder, *kinds):
    return [line for line in news(folder) if line["event"] in kinds]


@pytest.mark.parametrize("words", [40, CHUNKED_VOCABULARY])
def test_rows_have_the_losses_that_score_gives_them_and_the_step_is_the_same(words):
    from icot_tui.config import ModelConfig
    from icot_tui.models.build import build_model

    section = ModelConfig(layers=1, heads=2, width=16, dropout=0.0)
    lm = build_model(section, words, 1, 32, 0)
    ids = torch.randint(words, (5, 12), generator=torch.Generator().manual_seed(0))
    states = torch.tensor([3, 4, 14, 15, 16, 40, 0])
    targets = torch.tensor([7, 8, 9, 10, 11, 12, -100])  # the last one fills up
    plain, by_row = SupervisedLM(lm), SupervisedLM(lm, by_row=True)
    expected = plain(ids, None, states, targets)
    expected.backward()
    gradients = {name: p.grad.clone() for name, p in lm.named_parameters()}
    lm.zero_grad()
    loss, rows = by_row(ids, None, states, targets)
    loss.backward()
    assert loss.item() == pytest.approx(expected.item(), rel=1e-6)
    for name, p in lm.named_parameters():
        assert torch.allclose(p.grad, gradients[name], rtol=1e-5, atol=1e-7), name
    terms, _ = plain.score(ids, None, states[:6], targets[:6])
    sums = [terms[:2].sum(), terms[2:5].sum(), 0.0, terms[5], 0.0]
    assert rows.tolist() == pytest.approx([float(one) for one in sums], rel=1e-5)
    assert not rows.requires_grad


@pytest.mark.parametrize("gate_per", ["example", "token"])
@pytest.mark.parametrize("micro_batch_size", [None, 3])
@pytest.mark.parametrize("split_by_length", [True, False])
def test_rows_are_learnt_as_their_own_losses_say(
    gate_per, micro_batch_size, split_by_length, tmp_path, monkeypatch
):
    """Every row of every step, however the batch is divided."""
    seen, told = [], []
    call, learn = Update.__call__, ExampleStages.learn

    def recorded(update, batch, rate):
        losses = {}
        for row in range(len(batch)):
            one = batch.rows(slice(row, row + 1))
            with torch.no_grad():
                loss = float(update.objective(*update.tensors(one))[0])
            losses[int(one.index[0])] = loss, one.supervised_tokens, int(one.scheduled[0])
        seen.append(losses)
        return call(update, batch, rate)

    def learnt(stages, index, scheduled):
        told.append(dict(zip(index.tolist(), scheduled.tolist(), strict=True)))
        learn(stages, index, scheduled)

    monkeypatch.setattr(Update, "__call__", recorded)
    monkeypatch.setattr(ExampleStages, "learn", learnt)
    gate = 2.0 if gate_per == "token" else 30.0
    config = mastery(
        data={"options": {"digits": "1-2x1-2"}},
        model={"dropout": 0.0},
        curriculum={"gate_per": gate_per, "gate_loss": gate},
        train={"micro_batch_size": micro_batch_size, "split_by_length": split_by_length},
    )
    train_new(tmp_path, config)
    assert len(told) == len(seen) == 30
    some = 0
    for learnt_rows, losses in zip(told, seen, strict=True):
        for index, (loss, tokens, scheduled) in losses.items():
            limit = gate * tokens if gate_per == "token" else gate
            if abs(loss - limit) > 1e-3:
                assert (index in learnt_rows) == (loss < limit)
            if index in learnt_rows:
                assert learnt_rows[index] == scheduled
        some += 0 < len(learnt_rows) < len(losses)
    assert some > 3  # of some steps, a part of the rows


@pytest.fixture(scope="module")
def every_step(tmp_path_factory):
    """A run that saves at every step."""
    config = mastery(checkpoints={"keep": 1000, "every_steps": 1})
    return train_new(tmp_path_factory.mktemp("every"), config)


def test_examples_differ_in_what_is_removed_of_them(every_step):
    counted = named(every_step, "ExamplesCounted")
    assert any(len(line["examples"]) > 1 for line in counted)
    assert all(sum(line["examples"]) == 50 for line in counted)
    stage = 0
    for line in named(every_step, "ExamplesCounted", "TokenRemoved"):
        if line["event"] == "TokenRemoved":
            stage = line["stage"]
        else:  # reported with the removal that it is of, just before it
            assert line["least"] >= stage
    assert stage > 2


@pytest.mark.parametrize("step", range(1, 30, 4))
def test_resume_at_any_step_is_exact(every_step, tmp_path, step):
    folder = copy_until(step, every_step, tmp_path / "copy")
    train(folder)
    assert read_lines(folder)[-1]["finished"]
    assert_same_run(folder, every_step)


def test_saving_changes_nothing(every_step, tmp_path):
    folder = train_new(tmp_path, mastery())
    assert_same(final_tensors(folder), final_tensors(every_step))
    assert news(folder, ("CheckpointSaved",)) == news(every_step, ("CheckpointSaved",))


def test_two_processes_learn_the_same_examples_as_one(tmp_path):
    config = mastery(
        model={"dropout": 0.0},
        train={"micro_batch_size": None},
        checkpoints={"keep": 1000, "every_steps": 5},
    )
    path = tmp_path / "config.toml"
    path.write_text(dump_toml(config))
    run_ranks("train", str(path), "--runs", str(tmp_path / "two"))
    two = type(train_new(tmp_path / "one", config))(tmp_path / "two" / "tiny")
    one = type(two)(tmp_path / "one" / "tiny")
    ours, theirs = (final_state(run)["curriculum"] for run in (two, one))
    assert ours.pop("losses") == pytest.approx(theirs.pop("losses"), rel=1e-4)
    assert ours == theirs
    events = ("ExamplesCounted", "TokenRemoved", "OptimizerReset")
    assert named(two, *events) == named(one, *events)


def test_a_run_too_short_to_learn_its_examples_one_by_one_says_so(every_step, tmp_path):
    (warned,) = named(every_step, "Warned")  # thirty steps, of which an epoch has six
    assert "is trained 5.0 times" in warned["message"] and "8 removals" in warned["message"]
    changes = {"max_steps": 4, "remove_share": 0.5}
    shares = train_new(tmp_path, mastery(curriculum=changes, train={"max_steps": 24}))
    (warned,) = named(shares, "Warned")
    assert "curriculum.max_steps = 4 ends every stage" in warned["message"]


def commanded(runs, *commands, config=None, at=12):
    queue = CommandQueue()

    def listen(event):
        if isinstance(event, StepsTrained) and event.step == at:
            for command in commands:
                queue.put(command)

    return train_new(runs, config or mastery(train={"max_steps": 40}), queue, listen)


def test_on_hold_no_example_rises(tmp_path):
    folder = commanded(tmp_path, Hold(on=True))
    counted = [line["examples"] for line in named(folder, "ExamplesCounted") if line["step"] > 16]
    assert len(counted) > 2 and all(one == counted[0] for one in counted)


def test_by_hand_every_example_is_lifted(tmp_path):
    folder = commanded(tmp_path, Advance(tokens=4))
    (line,) = [one for one in named(folder, "TokenRemoved") if one["cause"] == "by command"]
    after = [one for one in named(folder, "ExamplesCounted") if one["step"] >= line["step"]]
    assert all(one["least"] >= line["stage"] for one in after)


def test_a_rollback_brings_back_the_stages_of_its_checkpoint(tmp_path):
    config = mastery(train={"max_steps": 40}, checkpoints={"keep": 1000, "every_steps": 4})
    restored = []
    restore = ExampleStages.restore

    def recorded(stages, state):
        restore(stages, state)
        restored.append((state, stages.state()))

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(ExampleStages, "restore", recorded)
        folder = commanded(tmp_path, Rollback(step=8), config=config)
    ((saved, now),) = restored
    at_8 = next(one for one in list_checkpoints(folder.checkpoints) if one.step == 8)
    assert saved == now == at_8.state()["curriculum"]["examples"]
    (back,) = named(folder, "RolledBack")
    assert back["stage"] == at_8.stage and read_lines(folder)[-1]["finished"]


def test_losses_are_read_when_the_other_losses_are(tmp_path, monkeypatch):
    reads = []
    read = RowLosses._read

    def recorded(rows):
        if rows._unread:
            reads.append(len(rows._unread))
        read(rows)

    steps = []
    run = Trainer._train_step

    def counted(trainer):
        steps.append(len(reads))
        run(trainer)

    monkeypatch.setattr(RowLosses, "_read", recorded)
    monkeypatch.setattr(Trainer, "_train_step", counted)
    train_new(tmp_path, mastery(train={"observe_every": 10}, evaluation={"every_steps": 100}))
    assert sum(reads) == 30 and len(reads) < 15
