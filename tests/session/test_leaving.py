"""Every way of leaving the screen, in a real terminal with real signals."""

import os
import signal
import sys
import time
from pathlib import Path

import psutil
import pytest

from icot_tui.engine.journal.events import RunEnded
from tests.session import late_import
from tests.session.screen import (
    CONTROL,
    DETACHED,
    ENDLESS,
    OUT_OF_SCREEN,
    Launch,
    Screen,
    a_finished_run,
    in_order,
)

pytestmark = pytest.mark.slow

CTRL_C, ESCAPE, HOME = "\x03", "\x1b", "\x1b[H"


def is_alone(pid: int) -> bool:
    """Has the process left the terminal's session, and points nowhere near a terminal?"""
    files = [os.readlink(f"/proc/{pid}/fd/{number}") for number in (0, 1, 2)]
    return os.getsid(pid) == pid and not any("/dev/pts" in file for file in files)


def attached(launch: Launch, *options: str) -> Screen:
    """A viewer that shows the run's stage."""
    viewer = launch(*options, command="attach", run="tiny")
    viewer.wait_for_text("in control" if "--control" in options else "watching")
    viewer.wait_for_text("stage ")
    return viewer


def test_the_screen_stays_when_training_ends_and_is_closed_by_key(launch: Launch) -> None:
    screen = launch()
    before = screen.modes()
    assert screen.wait_for_end().finished
    screen.wait_for_text("What next?")
    assert screen.process.poll() is None
    screen.type(ESCAPE)
    time.sleep(0.5)
    screen.type("q")
    assert screen.status() == 0
    screen.wait_for_text("finished: 300 steps are done")
    assert in_order(screen, before)


def test_detached_watched_by_several_and_dead(launch: Launch) -> None:
    screen = launch(*ENDLESS)
    before = screen.modes()
    screen.wait_for_step(20)
    trainer = screen.trainer()
    viewers = [attached(launch, "--control"), attached(launch)]
    viewers[0].type("q")
    assert viewers[0].status() == 0
    viewers[1].process.send_signal(signal.SIGTERM)
    assert viewers[1].status() == 143
    assert screen.run_folder.is_locked()

    screen.leave("d")
    assert screen.status() == 0
    screen.wait_for_text(f"{DETACHED} (process {trainer})")
    screen.wait_for_text("come back with: icot-tui attach")
    assert in_order(screen, before)
    assert is_alone(trainer)
    screen.hang_up()
    screen.train_on()

    viewer = attached(launch)
    viewer.type("8f")  # the log, on the whole screen
    for _ in range(30):
        viewer.type(HOME)
        time.sleep(1)
        if "run tiny started: " in viewer.text:
            break
    viewer.wait_for_text("run tiny started: ")
    os.kill(trainer, signal.SIGKILL)
    viewer.wait_for_text("trainer gone, last heard")
    late = launch(command="attach", run="tiny")
    late.wait_for_text("trainer gone, last heard")


def test_saving_and_stopping_is_told_on_the_terminal(launch: Launch) -> None:
    screen = launch(*ENDLESS)
    screen.wait_for_step(20)
    screen.leave("s")
    assert screen.status() == 0
    screen.wait_for_text("icot-tui resume")
    assert list(screen.run_folder.checkpoints.iterdir())
    assert isinstance(screen.events()[-1], RunEnded)


def test_an_interrupt_asks_and_stopping_at_once_saves_nothing(launch: Launch) -> None:
    screen = launch(*ENDLESS)
    screen.wait_for_step(20)
    screen.ask(CTRL_C)
    screen.type(ESCAPE)
    time.sleep(0.5)
    seen = screen.text.count("leave the screen")
    os.kill(screen.trainer(), signal.SIGINT)
    screen.wait_for(lambda: screen.text.count("leave the screen") > seen, "dialog")
    screen.type("n")
    assert screen.status() == 1
    assert not screen.wait_for_end().finished
    assert not list(screen.run_folder.checkpoints.glob("step-*[1-9]*"))


def test_stopping_before_training_begins_leaves_nothing(launch: Launch) -> None:
    screen = launch(*ENDLESS, loading=True)
    screen.wait_for_text("loading")
    screen.leave("n")
    assert screen.status() == 1
    assert not screen.run_folder.path.exists()
    assert "Traceback" not in screen.text


def test_sigterm_closes_the_screen_then_saves_and_stops(launch: Launch) -> None:
    screen = launch(*ENDLESS)
    before = screen.modes()
    screen.wait_for_step(20)
    os.kill(screen.trainer(), signal.SIGTERM)
    screen.wait_for_text("the screen is closed, training goes on without it")
    assert in_order(screen, before)
    screen.train_on()
    screen.wait_for(lambda: "goes on and is logged here" in screen.run_folder.log.read_text())
    screen.process.terminate()  # the parent process passes it on
    assert screen.status() == 0
    assert not screen.wait_for_end().finished
    assert list(screen.run_folder.checkpoints.iterdir())


def test_after_detaching_sigterm_stops_and_more_of_them_at_once(launch: Launch) -> None:
    screen = launch(*ENDLESS, "--set", "evaluation.every_steps=40")
    screen.wait_for_step(20)
    screen.leave("d")
    assert screen.status() == 0
    trainer = psutil.Process(screen.trainer())
    screen.wait_for(lambda: "goes on and is logged here" in screen.run_folder.log.read_text())
    while trainer.is_running():
        try:
            trainer.terminate()
        except psutil.NoSuchProcess:
            break
        time.sleep(0.25)
    assert not screen.wait_for_end().finished
    assert "stopping after this step" in screen.run_folder.log.read_text()


@pytest.mark.parametrize("keys", ["", "k"], ids=["play", "attach"])
def test_leaving_while_pytorch_is_loaded_prints_nothing(tmp_path: Path, keys: str) -> None:
    a_finished_run(tmp_path / "runs", "tiny", 1.8e9)
    command = ["attach" if keys else "play", "tiny"]
    screen = Screen([sys.executable, late_import.__file__, *command], tmp_path)
    before = screen.modes()
    try:
        if keys:
            screen.wait_for_text("smoothed over")
            screen.type(keys)
        screen.wait_for_text("loading PyTorch")
        screen.type(CTRL_C)
        if keys:
            screen.type(CTRL_C)
        assert screen.status() == 0
        assert in_order(screen, before)
        left = screen.output.rpartition(OUT_OF_SCREEN)[2]
        assert CONTROL.sub(b"", left).strip() == b"", left
    finally:
        screen.close()
