"""Runs that remove a share of what is left at each removal."""

import pytest

from icot_tui.engine.loop.commands import Advance, CommandQueue, SetRemovePerEpoch
from tests.tiny import news, tiny, train_new

CLOCK = {"schedule": "linear", "remove_per_epoch": 1, "remove_share": 0.5}  # 6 steps an epoch


def removals(folder):
    return [
        (line["step"], line["before"], line["stage"])
        for line in news(folder)
        if line["event"] == "TokenRemoved"
    ]


@pytest.mark.slow
def test_a_run_removes_half_of_what_is_left_each_time(tmp_path):
    folder = train_new(tmp_path, tiny(curriculum=CLOCK))
    assert removals(folder) == [(6, 0, 4), (12, 4, 6), (18, 6, 7), (24, 7, 8)]


@pytest.mark.slow
def test_a_changed_pace_and_a_removal_by_hand_leave_the_share(tmp_path):
    folder = train_new(tmp_path, tiny(curriculum=CLOCK, train={"max_steps": 12}))
    changed = train_with(tmp_path / "changed", SetRemovePerEpoch(remove_per_epoch=2))
    advanced = train_with(tmp_path / "advanced", Advance(tokens=1))
    assert removals(folder) == [(6, 0, 4)]
    assert removals(changed) == [(3, 0, 4), (6, 4, 6), (9, 6, 7)]
    assert removals(advanced) == [(0, 0, 1), (6, 1, 5)]  # half of 7, rounded to an even number


def train_with(runs, command):
    from icot_tui.runs.new_run import create_run
    from tests.tiny import train

    folder = create_run(tiny(curriculum=CLOCK, train={"max_steps": 12}), runs)
    queue = CommandQueue(folder.control)
    queue.put(command)
    train(folder, queue)
    return folder
