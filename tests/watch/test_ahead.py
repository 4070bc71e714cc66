"""A long journal read by two processes, and what befalls the second one."""

import os
import random
import signal
import time
from pathlib import Path

import pytest

from icot_tui.engine.journal import journal as journal_file
from icot_tui.engine.run_folder import RunFolder
from icot_tui.watch import bulk_reader
from icot_tui.watch.bulk_reader import ReadAhead, Wanted
from icot_tui.watch.source import RunFollower
from icot_tui.watch.steps import read_steps
from tests.events import STARTED, trained
from tests.watch.runs import any_run, journal, make
from tests.watch.test_history import state


@pytest.fixture(autouse=True)
def short_is_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk_reader, "WORTH", 10_000)
    monkeypatch.setattr(journal_file, "PART_BYTES", 2000)


def long_run(runs: Path, seed: int = 0) -> RunFolder:
    return make(runs, events=any_run(random.Random(seed), 600))


def read_all(follower: RunFollower) -> None:
    until = time.monotonic() + 30
    while not follower.caught_up and time.monotonic() < until:
        follower.poll()
    assert follower.caught_up


def read_alone(folder: RunFolder, monkeypatch: pytest.MonkeyPatch) -> RunFollower:
    monkeypatch.setattr(bulk_reader, "WORTH", 1 << 60)
    follower = RunFollower(folder)
    read_all(follower)
    return follower


def assert_same(one: RunFollower, other: RunFollower) -> None:
    assert state(one.history.summary) == state(other.history.summary)
    assert one.history.losses.steps().tolist() == other.history.losses.steps().tolist()
    assert one.history.losses.values().tobytes() == other.history.losses.values().tobytes()
    assert list(one.history.log) == list(other.history.log)


def helper_of(follower: RunFollower) -> int:
    """Its process; the follower has begun to read."""
    follower.poll(0.0)
    assert follower._bulk._ahead is not None
    return follower._bulk._ahead._process.pid


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_two_processes_read_what_one_does(
    seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = long_run(tmp_path, seed)
    follower = RunFollower(folder)
    helper = helper_of(follower)
    with open(folder.journal, "ab") as file:  # it grows while it is read
        file.write(journal([trained(10_000)]))
    read_all(follower)
    assert follower.history.losses.last_step == 10_000
    assert_same(follower, read_alone(folder, monkeypatch))
    assert not Path(f"/proc/{helper}").exists()


@pytest.mark.parametrize("killed", [False, True])
def test_all_steps_are_read_with_and_without_a_helper(
    killed: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = long_run(tmp_path)
    helpers = []

    class Helper(ReadAhead):
        def __init__(self, path: Path, begin: int, end: int, wanted: Wanted) -> None:
            super().__init__(path, begin, end, wanted)
            helpers.append(self._process.pid)
            if killed:
                self._process.kill()

    monkeypatch.setattr(bulk_reader, "ReadAhead", Helper)
    found = read_steps(folder)
    assert len(helpers) == 1 and not Path(f"/proc/{helpers[0]}").exists()
    monkeypatch.setattr(bulk_reader, "WORTH", 1 << 60)
    alone = read_steps(folder)
    assert len(helpers) == 1
    assert found.steps.tolist() == alone.steps.tolist()
    assert found.losses.tobytes() == alone.losses.tobytes()
    assert found.gradient_norms.tobytes() == alone.gradient_norms.tobytes()
    assert found.probed == alone.probed
    evaluations = ([one.result for one in table.evaluations] for table in (found, alone))
    assert next(evaluations) == next(evaluations) != []


@pytest.mark.parametrize("when", ["at once", "later"])
def test_a_helper_that_is_killed_is_done_without(
    when: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = long_run(tmp_path)
    follower = RunFollower(folder)
    helper = helper_of(follower)
    assert follower._bulk._ahead is not None
    while when == "later" and follower._journal.offset <= follower._bulk._ahead.begin:
        follower.poll(0.0)
    os.kill(helper, signal.SIGKILL)
    read_all(follower)
    assert_same(follower, read_alone(folder, monkeypatch))


def test_a_journal_that_is_replaced_meanwhile_is_read_anew(tmp_path: Path) -> None:
    folder = long_run(tmp_path)
    follower = RunFollower(folder)
    helper = helper_of(follower)
    folder.journal.write_bytes(journal([STARTED, trained(1)]))
    read_all(follower)
    assert len(follower.history.losses) == 1
    assert not Path(f"/proc/{helper}").exists()


def test_a_helper_ends_with_its_reader(tmp_path: Path) -> None:
    folder = long_run(tmp_path)
    begin, end = len(journal([STARTED])), folder.journal.stat().st_size
    helper = ReadAhead(folder.journal, begin, end, Wanted.VIEW)
    process, pipe = helper._process, helper._process.stdout
    assert pipe is not None
    pipe.close()
    assert process.wait(30) == 0


def test_a_short_journal_is_read_by_one(tmp_path: Path) -> None:
    follower = RunFollower(make(tmp_path, events=[STARTED, trained(1)]))
    follower.poll()
    assert follower._bulk._ahead is None
