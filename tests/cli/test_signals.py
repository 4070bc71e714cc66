"""Signals to a training process: saved, stopped, or not obeyed."""

import os
import select
import signal
import subprocess
import sys
import threading
import time

import pytest

from icot_tui.cli.app import main
from icot_tui.cli.headless import handling_stop_signals
from icot_tui.engine.checkpoints.checkpoint import list_checkpoints
from icot_tui.engine.journal.events import (
    CheckpointSaved,
    CommandDone,
    RunEnded,
    RunResumed,
)
from icot_tui.engine.loop.commands import CommandQueue, Stop
from icot_tui.engine.loop.trainer import Trainer
from icot_tui.signals import ECHO_SECONDS, HANDLED, LOOK_SECONDS, when_parent_ends
from tests.cli.training import ENDLESS, PATIENCE, Cli

WATCHER = """
import os, sys, time
if sys.argv[1] == "without":
    vars(os).pop("pidfd_open", None)
from icot_tui.signals import when_parent_ends
when_parent_ends(os.getppid(), lambda: print("gone", flush=True))
print("watching", flush=True)
time.sleep(60)
"""
"""A process that says when the one that started it is gone."""


def main_slow_to_save() -> None:
    """The program, whose every checkpoint but the first takes a minute."""
    save = Trainer.save
    Trainer.save = lambda trainer: time.sleep(60) if trainer.state.step else save(trainer)  # type: ignore[method-assign]
    main()


@pytest.mark.slow
def test_a_signal_saves_and_stops_and_resume_finishes(cli: Cli) -> None:
    process = cli.start("train", "tiny.toml", *ENDLESS)
    cli.wait_for_step(30)
    process.terminate()
    output, errors = process.communicate(timeout=PATIENCE)
    assert (process.returncode, errors) == (0, "")
    assert "stopping after this step, then saving" in output
    assert "resume           icot-tui resume runs/tiny" in output
    ended = cli.events()[-1]
    assert isinstance(ended, RunEnded)
    assert not ended.finished
    assert list_checkpoints(cli.run_folder.checkpoints)[-1].step == ended.step
    assert cli.status() == "stopped"

    config = cli.run_folder.config
    shorter = config.read_text().replace("max_steps = 100000000", f"max_steps = {ended.step + 20}")
    config.write_text(shorter)
    status, output, _ = cli.run("resume", "tiny")
    assert status == 0
    assert f"going on from step-{ended.step:08d} at step {ended.step}" in output.replace(",", "")
    assert cli.status() == "finished"
    assert cli.events()[-1].step == ended.step + 20


@pytest.mark.slow
def test_a_second_signal_stops_at_once(cli: Cli) -> None:
    process = cli.start("train", "tiny.toml", *ENDLESS, program=main_slow_to_save)
    cli.wait_for_step(30)
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGINT)  # a wrapper's echo
    cli.wait_for(lambda event: isinstance(event, CommandDone))
    time.sleep(2 * ECHO_SECONDS)
    assert process.poll() is None
    process.send_signal(signal.SIGTERM)
    output, errors = process.communicate(timeout=PATIENCE)
    assert (process.returncode, errors) == (1, "")
    assert "stopped without saving; to resume: icot-tui resume runs/tiny" in output
    assert cli.status() == "stopped"
    ended = cli.events()[-1]
    assert isinstance(ended, RunEnded)
    assert ended.reason == "stopped at once, without saving"

    process = cli.start("resume")
    cli.wait_for(lambda event: isinstance(event, RunResumed))
    process.terminate()
    assert process.wait(PATIENCE) == 0


@pytest.mark.slow
@pytest.mark.parametrize("warning", [signal.SIGUSR1, signal.SIGUSR2])
def test_a_scheduler_warns_and_then_terminates(cli: Cli, warning: int) -> None:
    process = cli.start("train", "tiny.toml", *ENDLESS)
    cli.wait_for_step(30)
    process.send_signal(warning)
    process.send_signal(signal.SIGTERM)  # while it saves
    output, errors = process.communicate(timeout=PATIENCE)
    assert (process.returncode, errors) == (0, "")
    assert "to be continued" in output and "asked by the scheduler" in output
    ended = cli.events()[-1]
    assert isinstance(ended, RunEnded) and not ended.finished
    saved = [event for event in cli.events() if isinstance(event, CheckpointSaved)][-1]
    assert saved.step == ended.step


@pytest.mark.slow
def test_a_signal_before_anything_is_trained_leaves_nothing(cli: Cli) -> None:
    process = cli.start("train", "tiny.toml", *ENDLESS, loading=True)
    assert process.stdout is not None
    process.stdout.readline()
    process.send_signal(signal.SIGINT)
    time.sleep(2 * ECHO_SECONDS)
    process.send_signal(signal.SIGTERM)
    output, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 1
    assert "nothing was trained, so runs/tiny was removed" in output
    assert not cli.run_folder.path.exists()


@pytest.mark.slow
def test_a_dropped_link_stops_nothing(cli: Cli) -> None:
    master, slave = os.openpty()
    process = cli.start(
        "train",
        "tiny.toml",
        *ENDLESS,
        stdin=slave,
        stdout=slave,
        stderr=slave,
        start_new_session=True,
    )
    os.close(slave)
    while select.select([master], [], [], PATIENCE)[0]:
        if b"started" in os.read(master, 65536):
            break
    process.send_signal(signal.SIGHUP)
    os.close(master)
    seen = max(event.step for event in cli.events())
    cli.wait_for_step(seen + 50)
    assert process.poll() is None
    process.terminate()
    assert process.wait(PATIENCE) == 0
    log = cli.run_folder.log.read_text()
    assert "the terminal is gone; training goes on" in log
    assert "ended: stopped by command, after saving" in log


def test_an_ignored_signal_stays_ignored() -> None:
    """As under nohup, or in the background of a script."""
    queue = CommandQueue()
    said: list[str] = []
    before = {number: signal.signal(number, signal.SIG_IGN) for number in HANDLED}
    try:
        with handling_stop_signals(queue, said.append, lambda: said.append("gone")):
            for number in HANDLED:
                signal.raise_signal(number)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    assert said == []
    assert queue.take() == []


def test_signals_are_obeyed_and_then_as_before() -> None:
    queue = CommandQueue()
    said: list[str] = []
    before = {number: signal.getsignal(number) for number in HANDLED}
    with handling_stop_signals(queue, said.append, lambda: said.append("gone")):
        signal.raise_signal(signal.SIGHUP)
        signal.raise_signal(signal.SIGTERM)
        assert [type(command) for command in queue.take()] == [Stop]
        time.sleep(2 * ECHO_SECONDS)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert said[0] == "gone"
    assert "once more" in said[1]
    assert {number: signal.getsignal(number) for number in HANDLED} == before


@pytest.mark.parametrize("pidfd", ["with", "without"])
def test_the_end_of_the_parent_is_seen(pidfd: str) -> None:
    """Neither every kernel nor every Python has descriptors of processes."""
    start = "import subprocess, sys; subprocess.Popen(sys.argv[1:]); sys.stdin.read()"
    parent = subprocess.Popen(
        [sys.executable, "-c", start, sys.executable, "-c", WATCHER, pidfd],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
        text=True,
    )
    assert parent.stdin is not None and parent.stdout is not None
    try:
        assert parent.stdout.readline() == "watching\n"
        assert not select.select([parent.stdout], [], [], 3 * LOOK_SECONDS)[0]
        parent.stdin.close()
        assert parent.wait(PATIENCE) == 0
        assert parent.stdout.readline() == "gone\n"
    finally:
        os.killpg(parent.pid, signal.SIGKILL)


def test_a_parent_that_was_gone_before_is_seen_at_once() -> None:
    """While processes wait for each other, before they train, their launcher may have ended."""
    ended = subprocess.Popen([sys.executable, "-c", ""])
    assert ended.wait(PATIENCE) == 0
    told = threading.Event()
    when_parent_ends(ended.pid, told.set)
    assert told.wait(PATIENCE)
