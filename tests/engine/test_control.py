"""What the trainer answers to commands."""

from pathlib import Path

import pytest

from icot_tui.engine.journal.events import Event, StepsTrained
from icot_tui.engine.loop.commands import Advance, Command, CommandQueue, Hold, Rollback, Save
from tests.tiny import read_lines, tiny, train_new


def answers(tmp_path: Path, wishes: dict[int, list[Command]]) -> list[str]:
    """Of a run that gets these commands at the first look after these steps."""
    commands, left = CommandQueue(), dict(wishes)

    def listen(event: Event) -> None:
        if isinstance(event, StepsTrained):
            for step in [step for step in left if step <= event.step]:
                for command in left.pop(step):
                    commands.put(command)

    folder = train_new(tmp_path, tiny(), commands, listen)
    return [line["effect"] for line in read_lines(folder) if line["event"] == "CommandDone"]


@pytest.mark.slow
def test_no_more_is_removed_than_is_left(tmp_path: Path) -> None:
    held, told, done = answers(tmp_path, {2: [Hold(), Advance(tokens=99), Advance(tokens=2)]})
    stage = int(held.split()[1])
    left = 8 - stage
    assert told == f"refused: only {left} are left: advance {left} removes them all"
    assert done == f"stage {stage} becomes {stage + 2} with the next step"


@pytest.mark.slow
def test_two_advances_before_a_step_are_counted_together(tmp_path: Path) -> None:
    asked: list[Command] = [Hold(), Advance(tokens=2), Advance(tokens=1), Advance(tokens=7)]
    held, first, second, third = answers(tmp_path, {2: asked})
    stage = int(held.split()[1])
    assert first == f"stage {stage} becomes {stage + 2} with the next step"
    assert second == f"stage {stage} becomes {stage + 3} with the next step"
    left = 8 - stage - 3
    assert third == f"refused: only {left} are left: advance {left} removes them all"


@pytest.mark.slow
def test_a_schedule_that_is_done_can_not_be_held(tmp_path: Path) -> None:
    assert answers(tmp_path, {26: [Hold()]}) == ["refused: nothing is left to remove"]


@pytest.mark.slow
def test_going_back_tells_that_the_schedule_is_held_again(tmp_path: Path) -> None:
    wishes: dict[int, list[Command]] = {4: [Hold(), Save()], 8: [Hold(on=False)]}
    steps = answers(tmp_path / "first", wishes)
    saved_at = int(steps[1].rpartition(" ")[2])
    said = answers(tmp_path / "again", wishes | {16: [Rollback(step=saved_at)]})
    assert said[-1].endswith("; the schedule is held, as it was then")
    said = answers(tmp_path / "before", wishes | {16: [Rollback(step=0)]})
    assert said[-1] == "back at step-00000000, stage 0"
