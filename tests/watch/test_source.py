import time
from pathlib import Path

import numpy as np
import pytest

from icot_tui.engine.journal.events import RunEnded
from icot_tui.engine.journal.journal import PART_BYTES, encode_line
from icot_tui.watch.source import RunFollower
from tests.events import STARTED, removed, trained
from tests.watch.runs import BEGAN, journal, make


def test_a_journal_that_is_not_there_yet(tmp_path: Path) -> None:
    folder = make(tmp_path)
    follower = RunFollower(folder)
    assert not follower.poll()
    assert follower.caught_up
    assert (follower.progress, follower.silence(5.0)) == (1.0, None)
    assert follower.status(time.time()) == "dead"
    folder.lock()
    assert follower.status(time.time()) == "starting"
    folder.journal.write_bytes(journal([STARTED]))
    assert follower.poll()
    assert follower.history.summary.facts == STARTED


def test_news_is_read_as_it_comes_byte_by_byte(tmp_path: Path) -> None:
    folder = make(tmp_path, events=[])
    follower = RunFollower(folder)
    seen = []
    with open(folder.journal, "ab", buffering=0) as file:
        for byte in journal([STARTED, trained(1), removed(1, 1), trained(2, 1)]):
            file.write(bytes([byte]))
            if follower.poll():
                seen.append((follower.history.summary.metrics.step, byte))
            assert follower.caught_up
    assert seen == [(0, ord("\n")), (1, ord("\n")), (1, ord("\n")), (2, ord("\n"))]
    assert follower.history.losses.steps().tolist() == [1, 2]


def test_a_torn_last_line_waits(tmp_path: Path) -> None:
    whole = journal([STARTED, trained(1), trained(2)])
    folder = make(tmp_path, events=[])
    folder.journal.write_bytes(whole[:-20])
    follower = RunFollower(folder)
    follower.poll()
    assert follower.caught_up
    assert len(follower.history.losses) == 1
    folder.journal.write_bytes(whole)
    assert follower.poll()
    assert len(follower.history.losses) == 2


def test_a_torn_line_that_was_never_finished_is_left_out(tmp_path: Path) -> None:
    whole = journal([STARTED, trained(1)])
    folder = make(tmp_path, events=[])
    folder.journal.write_bytes(whole[:-20] + b"\n" + journal([trained(1), trained(2)]))
    follower = RunFollower(folder)
    follower.poll()
    assert follower.history.losses.steps().tolist() == [1, 2]


def test_a_shorter_or_another_journal_is_read_anew(tmp_path: Path) -> None:
    folder = make(tmp_path, events=[STARTED, *(trained(step) for step in range(1, 50))])
    follower = RunFollower(folder)
    follower.poll()
    version = follower.history.version
    folder.journal.write_bytes(journal([STARTED, trained(1)]))
    assert follower.poll()
    assert len(follower.history.losses) == 1
    assert follower.history.version > version
    beside = folder.path / "new"
    beside.write_bytes(journal([STARTED, *(trained(step) for step in range(1, 80))]))
    beside.replace(folder.journal)
    assert follower.poll()
    assert len(follower.history.losses) == 79
    folder.journal.unlink()
    assert not follower.poll()
    assert follower.caught_up
    assert len(follower.history.losses) == 79


@pytest.mark.slow
def test_a_long_journal_is_read_in_parts(tmp_path: Path) -> None:
    lines = 12_000
    losses = [0.123456789] * 10
    events = [STARTED, *(trained(10 * at + 10, losses=losses) for at in range(lines))]
    folder = make(tmp_path, events=events)
    assert folder.journal.stat().st_size > 3 * PART_BYTES
    follower = RunFollower(folder)
    progress = [follower.progress]
    while not follower.caught_up:
        follower.poll(0.0)
        progress.append(follower.progress)
    assert len(progress) > 3
    assert progress == sorted(progress)
    assert progress[-1] == 1
    assert len(follower.history.losses) == 10 * lines
    assert follower.history.summary.metrics.supervised_tokens == 10 * lines
    assert not follower.poll()


@pytest.mark.slow
def test_a_line_longer_than_a_part(tmp_path: Path) -> None:
    long = encode_line(BEGAN, trained(200_000, losses=[0.123456789] * 200_000))
    assert len(long) > 2 * PART_BYTES
    folder = make(tmp_path, events=[STARTED])
    folder.journal.write_bytes(folder.journal.read_bytes() + long + journal([removed(200_000, 1)]))
    follower = RunFollower(folder)
    while not follower.caught_up:
        follower.poll()
    assert len(follower.history.losses) == 200_000
    assert follower.history.removals[0].stage == 1


def test_what_a_run_does(tmp_path: Path) -> None:
    folder = make(tmp_path, events=[STARTED, trained(1)])
    follower = RunFollower(folder)
    follower.poll()
    assert follower.status(BEGAN + 5) == "dead"
    folder.lock()
    assert follower.status(BEGAN + 5) == "training"
    assert follower.silence(BEGAN + 5) == 4
    assert follower.status(BEGAN + 10_000) == "stalled"
    with open(folder.journal, "ab") as file:
        file.write(journal([RunEnded(step=1, reason="done", finished=True)]))
    follower.poll()
    assert follower.status(BEGAN + 10_000) == "finished"


def test_a_damaged_config_hides_nothing_else(tmp_path: Path) -> None:
    folder = make(tmp_path, events=[STARTED, trained(1)])
    folder.config.write_text("name = [")
    follower = RunFollower(folder)
    follower.poll()
    assert follower.history.summary.config is None
    assert len(follower.history.losses) == 1
    assert np.isfinite(follower.history.losses.values()).all()
