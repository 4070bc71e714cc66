import math
from pathlib import Path

import numpy as np
import pytest

from icot_tui.engine.journal.events import RunEnded
from icot_tui.engine.journal.journal import encode_line
from icot_tui.watch.source import LONGEST_PAUSE, Replay, line_times
from tests.events import STARTED, removed, saved, trained
from tests.watch.runs import BEGAN, make


class Clock:
    def __init__(self) -> None:
        self.time = 100.0

    def __call__(self) -> float:
        return self.time


def replay(tmp_path: Path, speed: float = 1.0) -> tuple[Replay, Clock]:
    """Lines at 0, 1, 2, 3602 (a night's pause), 3603, 3604 seconds."""
    folder = make(tmp_path, events=[])
    events = [
        STARTED,
        trained(1),
        trained(2),
        saved(2),
        removed(2, 1),
        RunEnded(step=3, reason="done", finished=True),
    ]
    times = [0, 1, 2, 3602, 3603, 3604]
    folder.journal.write_bytes(
        b"".join(encode_line(BEGAN + at, event) for at, event in zip(times, events, strict=True))
    )
    clock = Clock()
    return Replay(folder, speed, clock), clock


def step(player: Replay) -> int:
    player.poll()
    assert player.caught_up
    return player.history.summary.metrics.step


def test_events_come_at_their_time(tmp_path: Path) -> None:
    player, clock = replay(tmp_path)
    assert step(player) == 0
    clock.time += 0.9
    assert step(player) == 0
    clock.time += 0.2
    assert step(player) == 1
    assert player.status(player.now()) == "training"
    assert player.now() == pytest.approx(BEGAN + 1.1)
    assert player.silence(player.now()) == pytest.approx(0.1)
    clock.time += 1
    assert step(player) == 2
    assert player.history.saved == []


def test_long_gaps_are_shortened(tmp_path: Path) -> None:
    player, clock = replay(tmp_path)
    assert player.length == 4 + LONGEST_PAUSE
    clock.time += 2 + LONGEST_PAUSE
    step(player)
    assert player.history.saved[0].step == 2
    assert player.now() == BEGAN + 3602


def test_the_end(tmp_path: Path) -> None:
    player, clock = replay(tmp_path, speed=20)
    clock.time += 100
    step(player)
    assert player.ended
    assert player.place == player.length
    assert player.status(player.now()) == "finished"
    assert player.now() == BEGAN + 3604


def test_pausing_and_changing_speed(tmp_path: Path) -> None:
    player, clock = replay(tmp_path, speed=0.5)
    clock.time += 2
    player.change(paused=True)
    clock.time += 1000
    assert player.place == 1
    player.change(paused=False)
    player.change(speed=2)
    clock.time += 0.25
    assert player.place == 1.5
    player.change(speed=0)
    clock.time += 100
    assert player.place == 1.5


def test_seeking_forth_and_back(tmp_path: Path) -> None:
    player, clock = replay(tmp_path)
    player.seek(player.length)
    assert step(player) == 3
    version = player.history.version
    player.seek(1.5)
    assert not player.caught_up
    assert step(player) == 1
    assert player.history.version > version
    assert player.history.removals == []
    player.seek(-5)
    assert (step(player), player.place) == (0, 0)
    player.seek(1e9)
    assert player.ended
    clock.time += 5
    assert step(player) == 3


def test_a_run_that_died_is_dead_at_the_end(tmp_path: Path) -> None:
    clock = Clock()
    player = Replay(make(tmp_path, events=[STARTED, trained(1)]), 1, clock)
    assert player.status(player.now()) == "starting"
    clock.time += 5
    player.poll()
    assert player.status(player.now()) == "dead"


def test_an_empty_journal_and_one_without_times(tmp_path: Path) -> None:
    empty = Replay(make(tmp_path, "empty"))
    assert (empty.poll(), empty.caught_up, empty.ended, empty.length) == (False, True, True, 0)
    assert empty.progress == 1
    folder = make(tmp_path, "odd", events=[STARTED, trained(1)])
    folder.journal.write_bytes(folder.journal.read_bytes().replace(b'"time"', b'"when"'))
    odd = Replay(folder)
    odd.poll()
    assert odd.history.summary.metrics.step == 1


def test_when_lines_were_written() -> None:
    lines = [encode_line(1.5, trained(1)), b"damaged\n", encode_line(20.25, trained(2))]
    np.testing.assert_array_equal(line_times(lines), [1.5, math.nan, 20.25])
