"""The link drops, often after a stall, at any moment: the training finishes and nothing is lost.

ICOT_TUI_LINK_DROPS=100 has it dropped a hundred times.
"""

import os
import random
import time
from collections.abc import Callable

import pytest

from icot_tui.engine.journal.events import Evaluated, RunResumed, StepsTrained
from tests.session.screen import Screen

pytestmark = pytest.mark.slow

DROPS = int(os.environ.get("ICOT_TUI_LINK_DROPS", "4"))
LONGEST_STALL = 3.0


@pytest.mark.timeout(200)
@pytest.mark.parametrize("number", range(DROPS))
def test_a_dropped_link_loses_nothing(launch: Callable[..., Screen], number: int) -> None:
    chance = random.Random(number)
    loading = number % 4 >= 2
    screen = launch(loading=loading)
    if loading:
        screen.wait_for_text("loading")
    else:
        screen.wait_for_step(1)
    time.sleep(chance.uniform(0.0, 0.5))
    if number % 2:
        screen.stop_reading()
        time.sleep(chance.uniform(0.5, LONGEST_STALL))
    screen.hang_up()

    assert screen.status() == 0
    ended = screen.wait_for_end()
    assert ended.finished and ended.step == 300
    events = screen.events()
    steps = [event for event in events if isinstance(event, StepsTrained)]
    assert [event.first for event in steps[1:]] == [event.step + 1 for event in steps[:-1]]
    assert not any(isinstance(event, RunResumed) for event in events)
    assert any(isinstance(event, Evaluated) for event in events)
    assert "finished: 300 steps are done" in screen.run_folder.log.read_text()


def test_a_dropped_link_under_a_shell(shell: Screen) -> None:
    shell.run("launch tiny.toml")
    shell.wait_for_step(1)
    trainer = shell.trainer()
    shell.hang_up()
    shell.process.wait(20)
    assert shell.wait_for_end().finished
    assert "goes on and is logged here" in shell.run_folder.log.read_text(), trainer
