"""A run folder from elsewhere is data: nothing is waited for, nothing is written outside of it."""

import os

import pytest

from icot_tui.cli.app import run
from icot_tui.engine.journal.events import Paused
from icot_tui.engine.journal.journal import JournalReader, encode_line
from icot_tui.engine.loop.commands import CommandQueue
from icot_tui.engine.run_folder import RunFolder, listed_as_locked
from icot_tui.errors import UserError
from tests.faults.foreign import KINDS, PARTS, foreign_run, is_untouched, within

LOOKING = (
    ["runs", "list", "--runs", "RUNS"],
    ["runs", "show", "RUN"],
    ["ctl", "save", "--run", "RUN"],
)
READING = (
    *(["runs", "query", "RUN", "loss"], ["runs", "export", "RUN", "--format", "card"]),
    *(["runs", "export", "RUN"], ["attach", "RUN", "--once"], ["watch", "RUN"]),
)
WORKING = (["eval", "RUN", "--no-speed"], ["resume", "RUN", "--quiet"])
SECONDS = 20.0


def try_all(stopped, tmp_path, capfd, part, commands):
    for kind in KINDS:
        runs = tmp_path / kind / "runs"
        runs.mkdir(parents=True)
        folder = foreign_run(stopped, runs, part, kind)
        places = {"RUN": str(folder.path), "RUNS": str(runs)}
        for command in commands:
            with within(SECONDS):
                status = run([places.get(word, word) for word in command])
            said = "".join(capfd.readouterr())
            what = f"{' '.join(command)} with a {kind} for {part}: {said}"
            assert status in (0, 1, 2) and "No such option" not in said, what
            assert "unexpected" not in said and "Traceback" not in said, what
            assert is_untouched(folder), what


@pytest.mark.slow
@pytest.mark.parametrize("part", PARTS)
def test_looking_at_odd_files_waits_for_nothing(stopped, tmp_path, capfd, part):
    try_all(stopped, tmp_path, capfd, part, LOOKING)


@pytest.mark.slow
@pytest.mark.parametrize("part", PARTS)
def test_training_and_evaluating_write_nothing_elsewhere(stopped, tmp_path, capfd, part):
    try_all(stopped, tmp_path, capfd, part, READING + WORKING)


def test_a_training_that_would_write_elsewhere_is_refused_in_a_sentence(stopped, tmp_path, capfd):
    for part in ("lock", "control", "journal.jsonl", "log.txt", "checkpoints", "samples"):
        runs = tmp_path / part / "runs"
        runs.mkdir(parents=True)
        foreign_run(stopped, runs, part, "linked folder")
        assert run(["resume", "run", "--runs", str(runs)]) == 2
        said = capfd.readouterr().err
        assert f"{part} is a symbolic link, not a " in said and "remove it" in said


def test_only_the_owner_may_open_the_lock(tmp_path):
    run = RunFolder.create(tmp_path, "run", "")
    path = run.path / "lock"
    path.touch(0o644)  # as earlier versions made it
    run.lock()
    assert path.stat().st_mode & 0o777 == 0o600
    run.unlock()


def test_a_lock_that_may_not_be_opened_is_looked_up(tmp_path):
    run = RunFolder.create(tmp_path, "run", "")
    assert not listed_as_locked(run.path / "lock")
    run.lock()
    assert listed_as_locked(run.path / "lock")
    run.unlock()
    assert not listed_as_locked(run.path / "lock")


def test_another_users_mailbox_is_refused(tmp_path):
    if os.geteuid() != 0:
        pytest.skip("only root can give a folder away")
    run = RunFolder.create(tmp_path, "run", "")
    os.chown(run.control, 12345, -1)
    CommandQueue(run.control)  # root may act for anybody
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "geteuid", lambda: 54321)
        with pytest.raises(UserError, match="belongs to another user"):
            CommandQueue(run.control)


def test_a_hole_of_terabytes_is_no_reading(tmp_path):
    journal = tmp_path / "journal.jsonl"
    with open(journal, "wb") as file:
        file.truncate(1 << 44)
        file.seek(1 << 44)
        file.write(b"\n" + encode_line(1.0, Paused(step=3, reason="here")))
    with within(SECONDS):
        ((_, event),) = JournalReader(journal).events()
    assert event == Paused(step=3, reason="here")
