"""Resume is exact: whatever the step, bit for bit, down to the journal."""

import shutil

import pytest

from icot_tui.engine.checkpoints.checkpoint import list_checkpoints
from icot_tui.engine.journal.events import Evaluated, StepsTrained, TokenRemoved
from icot_tui.engine.loop.commands import (
    CommandQueue,
    Evaluate,
    Hold,
    ResetOptimizer,
    Save,
    SetLearningRate,
    Stop,
)
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


@pytest.fixture(scope="module")
def every_step(tmp_path_factory):
    """A run that saves at every step: mid-epoch, before and after removals, resets, evaluations."""
    config = tiny(checkpoints={"keep": 1000, "every_steps": 1})
    return train_new(tmp_path_factory.mktemp("every"), config)


def test_the_run_meets_every_kind_of_boundary(every_step):
    lines = news(every_step)
    kinds = {line["event"] for line in lines}
    assert {"TokenRemoved", "OptimizerReset", "Evaluated", "CheckpointSaved"} <= kinds
    removals = [line["step"] for line in lines if line["event"] == "TokenRemoved"]
    assert len(removals) == 8  # and the last steps are implicit
    assert any(step % 4 for step in removals)  # between two looks at the losses too
    assert len(list_checkpoints(every_step.checkpoints)) == 31


@pytest.mark.parametrize("step", range(30))
def test_resume_at_every_step(every_step, tmp_path, step):
    folder = copy_until(step, every_step, tmp_path / "copy")
    train(folder)
    assert read_lines(folder)[-1]["finished"]
    assert_same_run(folder, every_step)


def test_saving_changes_nothing(every_step, tmp_path):
    folder = train_new(tmp_path, tiny())
    assert_same(final_tensors(folder), final_tensors(every_step))
    assert news(folder, ("CheckpointSaved",)) == news(every_step, ("CheckpointSaved",))


@pytest.mark.parametrize("moment", ["steps", "removal", "evaluation"])
def test_stop_after_saving_and_resume(every_step, tmp_path, moment):
    """A wish to stop at any moment costs nothing."""
    kind = {"steps": StepsTrained, "removal": TokenRemoved, "evaluation": Evaluated}[moment]
    commands = CommandQueue()

    def listen(event):
        if isinstance(event, kind) and 8 < event.step < 22:
            commands.put(Stop())

    folder = train_new(tmp_path, tiny(), commands, listen)
    assert not read_lines(folder)[-1]["finished"]
    train(folder)
    assert read_lines(folder)[-1]["finished"]
    assert_same(final_tensors(folder), final_tensors(every_step))
    left_out = ("CheckpointSaved", "CommandDone", "RunEnded")
    assert news(folder, left_out) == news(every_step, left_out)


def test_stop_at_once_goes_back_to_the_last_checkpoint(every_step, tmp_path):
    commands = CommandQueue()

    def listen(event):
        if isinstance(event, StepsTrained) and event.step > 15:
            commands.put(Stop(save=False))

    folder = train_new(tmp_path, tiny(), commands, listen)
    assert list_checkpoints(folder.checkpoints)[-1].step == 14
    train(folder)
    assert_same(final_tensors(folder), final_tensors(every_step))
    left_out = ("CheckpointSaved", "CommandDone", "RunEnded")
    assert news(folder, left_out) == news(every_step, left_out)


def test_another_seed_is_another_run(every_step, tmp_path):
    folder = train_new(tmp_path, tiny(seed=1))
    with pytest.raises(AssertionError):
        assert_same(final_tensors(folder), final_tensors(every_step))


def test_a_finished_run_is_left_as_it_is(every_step, tmp_path):
    shutil.copytree(every_step.path, tmp_path / "copy", ignore=shutil.ignore_patterns("lock"))
    folder = type(every_step)(tmp_path / "copy")
    train(folder)
    assert_same(final_tensors(folder), final_tensors(every_step))


def test_wishes_after_a_saving_survive_a_stop(tmp_path):
    """All between the same two steps: the checkpoint of that step is written again."""
    wishes = (Save(), Hold(), SetLearningRate(learning_rate=3e-3), ResetOptimizer(), Evaluate())

    def trained(name, *commands_at_12):
        commands = CommandQueue()

        def listen(event):
            if isinstance(event, StepsTrained) and event.step == 12:
                for wish in commands_at_12:
                    commands.put(wish)

        return train_new(tmp_path / name, tiny(), commands, listen)

    whole, stopped = trained("whole", *wishes), trained("stopped", *wishes, Stop())
    assert not read_lines(stopped)[-1]["finished"]
    train(stopped)
    assert_same(final_tensors(stopped), final_tensors(whole))
    assert final_state(stopped) == final_state(whole)


def test_what_was_evaluated_by_command_is_kept_if_it_is_the_best(tmp_path):
    commands = CommandQueue()

    def listen(event):
        if isinstance(event, StepsTrained) and event.step == 16:
            commands.put(Evaluate())

    config = tiny(
        method={"name": "explicit_cot"},
        evaluation={"every_steps": 100},
        checkpoints={"keep": 2, "every_steps": 3},
    )
    folder = train_new(tmp_path, config, commands, listen)
    first = next(line for line in read_lines(folder) if line["event"] == "Evaluated")
    assert (first["step"], first["exact_match"]) == (16, 0.0)  # and no later one is better
    assert "step-00000016" in [one.name for one in list_checkpoints(folder.checkpoints)]
    assert (folder.checkpoints / "best").read_text() == "step-00000016\n"
