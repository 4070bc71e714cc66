"""A run's folder that is moved or deleted, and signals and processes that come too late or die."""

import os
import shutil
import signal
import socket
import threading
import time
from subprocess import PIPE

import pytest

from icot_tui.cli.app import main, run
from icot_tui.cli.headless import StopNow, handling_stop_signals, is_saved, train_run
from icot_tui.config.loading import dump_toml
from icot_tui.engine.checkpoints.checkpoint import list_checkpoints
from icot_tui.engine.checkpoints.store import Store
from icot_tui.engine.journal.events import Evaluated, Paused
from icot_tui.engine.loop.commands import CommandQueue, Pause
from icot_tui.engine.run_folder import RunFolder
from icot_tui.runs.new_run import create_run
from icot_tui.signals import ECHO_SECONDS, HANDLED, ignore_signals
from tests.forked import ROOT, ForkedProcess
from tests.tiny import read_lines, tiny, train

OFTEN = tiny(checkpoints={"keep": 2, "every_steps": 2})
ENDLESS = tiny(checkpoints={"keep": 2, "every_steps": 2}, train={"max_steps": 1_000_000})


def train_while(folder, disturb):
    """Train, and disturb the folder at step 8; how it ended."""
    done = []

    def listen(event):
        if getattr(event, "step", 0) >= 8 and not done:
            done.append(True)
            disturb()

    return train(folder, CommandQueue(), listen)


@pytest.mark.slow
def test_a_live_folder_that_is_moved(tmp_path):
    folder, there = create_run(OFTEN, tmp_path), RunFolder(tmp_path / "elsewhere")
    ended = train_while(folder, lambda: folder.path.rename(there.path))
    assert not ended.finished
    assert ended.reason.endswith(f"{folder.path} was moved to {there.path}: resume it there")
    assert read_lines(there)[-1]["reason"] == ended.reason
    assert not folder.path.exists()
    assert train(there).finished


def test_a_live_folder_that_is_deleted(tmp_path):
    folder = create_run(OFTEN, tmp_path)
    ended = train_while(folder, lambda: shutil.rmtree(folder.path))
    gone = f"the run's folder {folder.path} was deleted: start it again with 'icot-tui train'"
    assert ended.reason == f"stopped without saving: {gone}"
    assert not folder.path.exists()


def empty(folder):
    for part in folder.path.iterdir():
        shutil.rmtree(part) if part.is_dir() else part.unlink()


def replace_journal(folder):
    copy = shutil.copy(folder.journal, folder.path / "copy")
    os.replace(copy, folder.journal)


TAKEN = {
    "emptied": (empty, "was deleted: start it again with 'icot-tui train'"),
    "journal deleted": (lambda folder: folder.journal.unlink(), "was deleted while the run wrote"),
    "journal replaced": (replace_journal, "was replaced by another file while the run wrote to it"),
    "journal moved": (lambda folder: folder.journal.rename(folder.path / "old"), "/old while the"),
}


@pytest.mark.parametrize("taken", TAKEN)
def test_a_journal_that_is_no_longer_there_ends_the_run(tmp_path, taken):
    """Soon, though nothing is saved; and what lies there meanwhile stays as it is."""
    take, said = TAKEN[taken]
    folder = create_run(tiny(evaluation={"every_steps": 1000}), tmp_path)
    left = []

    def disturb():
        take(folder)
        left.extend(sorted(folder.path.rglob("*")))

    ended = train_while(folder, disturb)
    assert not ended.finished and ended.step <= 12
    assert ended.reason.startswith("stopped without saving: ") and said in ended.reason
    assert not is_saved(folder, ended)
    assert sorted(folder.path.rglob("*")) == left
    if taken == "journal deleted":
        assert train(folder).finished


@pytest.mark.parametrize("last", [Evaluated, Paused])
def test_a_folder_that_is_deleted_in_the_last_evaluation_or_a_pause(tmp_path, last):
    folder, commands = create_run(tiny(train={"max_steps": 4}), tmp_path), CommandQueue()
    if last is Paused:
        commands.put(Pause())

    def listen(event):
        if isinstance(event, last):
            shutil.rmtree(folder.path)

    ended = train(folder, commands, listen)
    assert not ended.finished and "was deleted: start it again" in ended.reason
    assert not folder.path.exists()


def test_a_trainer_tells_that_its_folder_was_deleted(tmp_path):
    config = tmp_path / "config.toml"
    config.write_text(dump_toml(tiny(train={"max_steps": 1_000_000})))
    arguments = ["train", str(config), "--runs", str(tmp_path / "runs"), "--quiet"]
    process = ForkedProcess(arguments, ROOT, os.environ, stdout=PIPE, stderr=PIPE)
    folder = RunFolder(tmp_path / "runs" / "tiny")
    while len(list_checkpoints(folder.checkpoints)) < 2 and process.poll() is None:
        time.sleep(0.02)
    empty(folder)
    output, errors = process.communicate(60)
    assert process.returncode == 1 and "Traceback" not in output + errors
    assert f"{folder.path} was deleted: start it again with 'icot-tui train'" in output
    assert list(folder.path.rglob("*")) == []


IN_THE_WAY = {
    "a file": lambda path, elsewhere: path.write_text("a backup"),
    "a symbolic link": lambda path, elsewhere: path.symlink_to(elsewhere),
}


@pytest.mark.parametrize("what", IN_THE_WAY)
def test_what_lies_where_checkpoints_should_is_told_and_waited_for(tmp_path, monkeypatch, what):
    monkeypatch.setattr("icot_tui.engine.loop.control.RETRY_SECONDS", 0.05)
    config = tiny(checkpoints={"keep": 2, "every_steps": 2}, train={"max_steps": 10})
    folder, elsewhere = create_run(config, tmp_path), tmp_path / "elsewhere"
    elsewhere.mkdir()
    began, told = [], []

    def listen(event):
        if event.step == 8 and not began:
            began.append(True)
            shutil.rmtree(folder.checkpoints)
            IN_THE_WAY[what](folder.checkpoints, elsewhere)
        if isinstance(event, Paused):
            told.append(event.reason)
            folder.checkpoints.unlink()

    assert train(folder, CommandQueue(), listen).finished
    assert told == [
        f"writing failed: {folder.checkpoints}: it is {what}, not a folder; trying again until it "
        "works"
    ]
    assert list(elsewhere.iterdir()) == []
    assert list_checkpoints(folder.checkpoints)[-1].step == 10


@pytest.mark.parametrize("place", ["runs", "runs/below"])
def test_a_file_where_runs_should_be_is_named(tmp_path, capfd, place):
    (tmp_path / "runs").write_text("a file")
    config = tmp_path / "config.toml"
    config.write_text(dump_toml(OFTEN))
    assert run(["train", str(config), "--runs", str(tmp_path / place)]) == 2
    assert f"cannot write the run folder in {tmp_path / place}: " in capfd.readouterr().err


def test_samples_are_kept_in_a_copy_that_came_without_their_folder(tmp_path):
    folder = create_run(tiny(train={"max_steps": 2}), tmp_path)
    folder.samples.rmdir()
    assert train(folder).finished
    assert not [line for line in read_lines(folder) if line["event"] == "Warned"]
    assert list(folder.samples.iterdir())


def test_a_run_never_writes_into_another_one_in_its_place(tmp_path):
    folder = create_run(OFTEN, tmp_path)

    def replace():
        folder.path.rename(tmp_path / "elsewhere")
        create_run(OFTEN, tmp_path)

    assert "was moved to" in train_while(folder, replace).reason
    assert not list_checkpoints(folder.checkpoints) and not folder.journal.exists()


@pytest.mark.slow
def test_a_folder_that_is_moved_in_the_middle_of_a_save(tmp_path, monkeypatch):
    folder, there = create_run(OFTEN, tmp_path), RunFolder(tmp_path / "elsewhere")
    save = Store.save

    def move_and_save(store, training, state):
        if state.step == 4:
            folder.path.rename(there.path)
        save(store, training, state)

    monkeypatch.setattr(Store, "save", move_and_save)
    ended = train(folder)
    assert ended.reason.startswith("stopped without saving: ")
    assert ended.reason.endswith(f"{folder.path} was moved to {there.path}: resume it there")
    assert not folder.path.exists()
    monkeypatch.undo()
    assert train(there).finished


def test_no_hint_names_a_folder_that_is_gone(tmp_path, capfd):
    folder = create_run(ENDLESS, tmp_path)

    def move():
        while len(list_checkpoints(folder.checkpoints)) < 2:
            time.sleep(0.02)
        folder.path.rename(tmp_path / "elsewhere")

    mover = threading.Thread(target=move)
    mover.start()
    assert train_run(folder, ENDLESS, as_json=False, quiet=False, is_new=True) == 1
    mover.join()
    last = capfd.readouterr().out.partition("stopped without saving")[2]
    assert f"was moved to {tmp_path / 'elsewhere'}" in last
    assert "icot-tui resume" not in last and "runs show" not in last


def test_a_failed_training_leaves_latest_as_it_was(tmp_path, capfd):
    first = create_run(OFTEN, tmp_path)
    config = tmp_path / "config.toml"
    config.write_text(dump_toml(tiny(data={"tokenizer": "/nowhere"}, name="other")))
    assert run(["train", str(config), "--runs", str(tmp_path)]) == 2
    assert "nothing was trained" in "".join(capfd.readouterr())
    assert RunFolder.find(tmp_path, None).name == first.name
    shutil.rmtree(first.path)
    assert run(["train", str(config), "--runs", str(tmp_path)]) == 2
    assert RunFolder.all(tmp_path) == []


def test_a_signal_after_the_end_changes_nothing():
    with handling_stop_signals(CommandQueue(), lambda text: None, lambda: None):
        signal.raise_signal(signal.SIGINT)
        time.sleep(1.2 * ECHO_SECONDS)
        with pytest.raises(StopNow):
            signal.raise_signal(signal.SIGINT)
        ignore_signals()
    for number in HANDLED:
        signal.raise_signal(number)


@pytest.mark.slow
def test_signals_while_the_process_ends_do_not_undo_its_status(tmp_path):
    config = tmp_path / "config.toml"
    config.write_text(dump_toml(tiny(train={"max_steps": 4})))
    arguments = ["train", str(config), "--runs", str(tmp_path / "runs"), "--quiet"]
    process = ForkedProcess(arguments, ROOT, os.environ, stdout=PIPE, stderr=PIPE)
    journal = RunFolder(tmp_path / "runs" / "tiny").journal
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and not (
        journal.exists() and b"RunEnded" in journal.read_bytes()
    ):
        time.sleep(0.01)
    while process.poll() is None:
        process.send_signal(signal.SIGINT)
        time.sleep(0.05)
    assert process.wait(60) == 0


@pytest.mark.slow
def test_when_one_process_dies_the_other_says_so_in_a_sentence(tmp_path):
    config = tmp_path / "config.toml"
    config.write_text(dump_toml(ENDLESS))
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    shared = {"OMP_NUM_THREADS": "1", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    ranks = [
        ForkedProcess(
            ["train", str(config), "--runs", str(tmp_path)],
            ROOT,
            os.environ
            | shared
            | {"WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2"}
            | {"RANK": rank, "LOCAL_RANK": rank},
            main,
            stdout=PIPE,
            stderr=PIPE,
        )
        for rank in "01"
    ]
    folder = RunFolder(tmp_path / "tiny")
    try:
        while len(list_checkpoints(folder.checkpoints)) < 2 and ranks[0].poll() is None:
            time.sleep(0.05)
        ranks[1].kill()
        output, errors = ranks[0].communicate(timeout=100)
    finally:
        for one in ranks:
            one.kill()
            one.wait()
    assert ranks[0].returncode == 1
    assert errors.splitlines()[-1].startswith(
        "error: another of the training's processes has died, so this one ends too"
    )
    assert f"resume {folder.path}" in errors and "gloo" not in errors + output
