"""Four trainings of one run, each stopped, killed and resumed exactly."""

import os
import shutil
import signal

import pytest

from icot_tui.config.loading import dump_toml, load_config
from icot_tui.engine.checkpoints.checkpoint import list_checkpoints
from icot_tui.engine.journal.events import CheckpointSaved, PhaseBegan, PhaseEnded, ThoughtsStored
from icot_tui.engine.journal.journal import JournalReader
from icot_tui.engine.journal.rewind import effective
from icot_tui.engine.loop.commands import CommandQueue, Stop
from icot_tui.engine.run_folder import RunFolder
from icot_tui.errors import UserError
from icot_tui.methods.distillation import TITLES
from tests.forked import start_forked
from tests.methods.distillation.runs import STEPS, all_tensors, distilled, last_state, lines_of
from tests.tiny import assert_same, news, read_lines, train, train_new


@pytest.mark.slow
@pytest.mark.parametrize("step", [0, 5, 6, 9, 12, 15, 18, 23])
def test_resume_at_any_training(whole, tmp_path, step):
    shutil.copytree(whole.path, tmp_path / "copy", ignore=shutil.ignore_patterns("lock"))
    folder = type(whole)(tmp_path / "copy")
    # At a border two checkpoints are of the same step; the later training's may be missing.
    for checkpoint in list_checkpoints(folder.checkpoints)[border_index(folder, step) :]:
        shutil.rmtree(checkpoint.path)
    train(folder)
    assert_same(all_tensors(folder), all_tensors(whole))
    assert last_state(folder) == last_state(whole)
    assert news(folder, ("ThoughtsStored",)) == news(whole, ("ThoughtsStored",))


def test_a_checkpoint_of_a_training_that_was_taken_out_is_named(whole, tmp_path):
    folder = RunFolder(shutil.copytree(whole.path, tmp_path / "copy"))
    config = load_config(folder.config).config
    section = config.distillation.model_copy(update={"phases": ["teacher", "student"]})
    folder.config.write_text(dump_toml(config.model_copy(update={"distillation": section})))
    with pytest.raises(UserError, match=r"-4-coupled is of a training that .* no longer has"):
        train(folder)


def border_index(folder, step):
    steps = [checkpoint.step for checkpoint in list_checkpoints(folder.checkpoints)]
    return steps.index(step) + 1 if step in steps else sum(s <= step for s in steps)


@pytest.mark.slow
@pytest.mark.parametrize("phase", list(TITLES)[1:])
def test_stop_as_a_training_begins(whole, tmp_path, phase):
    commands = CommandQueue()

    def listen(event):
        if isinstance(event, PhaseBegan) and event.phase == phase:
            commands.put(Stop())

    folder = train_new(tmp_path, distilled(), commands, listen)
    assert not read_lines(folder)[-1]["finished"]
    train(folder)
    assert_same(all_tensors(folder), all_tensors(whole))
    left_out = ("CheckpointSaved", "CommandDone", "RunEnded", "ThoughtsStored")
    assert news(folder, left_out) == news(whole, left_out)


def train_and_die(runs, saved):
    """A run whose process kills itself once it has saved more than so many checkpoints."""
    seen = []

    def listen(event):
        seen.append(isinstance(event, CheckpointSaved))
        if sum(seen) > saved:
            os.kill(os.getpid(), signal.SIGKILL)

    train_new(runs, distilled(), listen=listen)


@pytest.mark.slow
@pytest.mark.parametrize("saved", [2, 8, 14, 20])
def test_kill_in_every_training(whole, tmp_path, saved):
    process = start_forked(train_and_die, tmp_path, saved)
    process.join(200)
    assert process.exitcode == -signal.SIGKILL
    folder = type(whole)(tmp_path / "tiny")
    train(folder)
    assert_same(all_tensors(folder), all_tensors(whole))
    assert news(folder, ("ThoughtsStored",)) == news(whole, ("ThoughtsStored",))


def store_and_die(runs):
    """A run whose process kills itself as soon as the teacher's thoughts are stored."""

    def listen(event):
        if isinstance(event, ThoughtsStored):
            os.kill(os.getpid(), signal.SIGKILL)

    train_new(runs, distilled(), listen=listen)


@pytest.mark.slow
def test_thoughts_that_a_killed_process_stored_are_told_by_the_next(tmp_path):
    process = start_forked(store_and_die, tmp_path)
    process.join(200)
    assert process.exitcode == -signal.SIGKILL
    folder = RunFolder(tmp_path / "tiny")
    train(folder)
    told = [event for _, event in effective(JournalReader(folder.journal).events())]
    assert sum(isinstance(event, ThoughtsStored) for event in told) == 1


@pytest.mark.slow
def test_a_stop_is_heard_while_the_teachers_thoughts_are_stored(whole, tmp_path):
    commands = CommandQueue()

    def listen(event):
        if isinstance(event, PhaseEnded) and event.phase == "teacher":
            commands.put(Stop())

    folder = train_new(tmp_path, distilled(), commands, listen)
    ended = read_lines(folder)[-1]
    assert (ended["step"], ended["finished"]) == (STEPS, False)
    assert "prepared" in ended["reason"]
    assert lines_of(folder, "CommandDone")
    assert not list((folder.path / "thoughts").glob("*"))
    train(folder)
    assert_same(all_tensors(folder), all_tensors(whole))
