"""Every way of leaving the screen, in a real terminal with real signals."""

import os
import signal
import time
from collections.abc import Callable

import psutil
import pytest

from icot_tui.engine.events import CommandDone, RunEnded
from tests.session.screen import ENDLESS, IN_SCREEN, IS_REAL, OUT_OF_SCREEN, Screen

Launch = Callable[..., Screen]
stand_in_only = pytest.mark.skipif(IS_REAL, reason="asks for what only the stand-in has")


def is_alone(pid: int) -> bool:
    """Has the process left the terminal's session, and points nowhere near a terminal?"""
    files = [os.readlink(f"/proc/{pid}/fd/{number}") for number in (0, 1, 2)]
    return os.getsid(pid) == pid and not any("/dev/pts" in file for file in files)


def in_order(screen: Screen, before: list[object]) -> bool:
    """Is the terminal as it was?"""
    output = screen.output
    left = output.rfind(OUT_OF_SCREEN) > output.rfind(IN_SCREEN)
    shown = output.rfind(b"\x1b[?25h") > output.rfind(b"\x1b[?25l")
    quiet = output.rfind(b"\x1b[?1003l") > output.rfind(b"\x1b[?1003h")
    plain = output.rfind(b"\x1b[?2004l") > output.rfind(b"\x1b[?2004h")
    return left and shown and quiet and plain and screen.modes() == before


def test_the_screen_stays_when_training_ends_and_is_closed_by_key(launch: Launch) -> None:
    screen = launch()
    before = screen.modes()
    assert screen.wait_for_end().finished
    assert screen.process.poll() is None
    screen.type("q")
    assert screen.status() == 0
    screen.wait_for_text("finished: 300 steps are done")
    assert in_order(screen, before)


def test_detaching_gives_the_shell_back_and_training_goes_on(launch: Launch) -> None:
    screen = launch(*ENDLESS)
    before = screen.modes()
    screen.wait_for_step(20)
    trainer = screen.trainer()
    screen.type("d")
    assert screen.status() == 0
    screen.wait_for_text(f"training goes on in the background (process {trainer})")
    screen.wait_for_text("come back with: icot-tui attach")
    assert in_order(screen, before)
    assert is_alone(trainer)
    screen.hang_up()
    step = screen.events()[-1].step
    screen.wait_for_step(step + 50)
    os.kill(trainer, signal.SIGTERM)
    assert not screen.wait_for_end().finished
    log = screen.run_folder.log.read_text()
    assert "told of here" in log and "stopping: this step is finished" in log
    assert any(isinstance(event, CommandDone) for event in screen.events())


def test_a_viewer_comes_and_goes(launch: Launch) -> None:
    screen = launch(*ENDLESS)
    screen.wait_for_step(20)
    viewer = launch("--control", command="attach", run="tiny")
    viewer.wait_for_text("viewer")
    viewer.type("d")
    assert viewer.status() == 0
    another = launch(command="attach", run="tiny")
    another.wait_for_text("viewer")
    another.process.send_signal(signal.SIGTERM)
    assert another.status() == 143
    assert screen.run_folder.is_locked()


def test_saving_and_stopping_is_told_on_the_terminal(launch: Launch) -> None:
    screen = launch(*ENDLESS)
    screen.wait_for_step(20)
    screen.type("s")
    assert screen.status() == 0
    screen.wait_for_text("icot-tui resume")
    assert list(screen.run_folder.checkpoints.iterdir())


def test_stopping_at_once(launch: Launch) -> None:
    screen = launch(*ENDLESS)
    screen.wait_for_step(20)
    screen.type("n")
    assert screen.status() == 1
    assert not screen.wait_for_end().finished
    assert not list(screen.run_folder.checkpoints.glob("step-*[1-9]*"))


def test_stopping_before_training_begins_leaves_nothing(launch: Launch) -> None:
    screen = launch(*ENDLESS)
    screen.wait_for_text("loading")
    screen.type("n")
    assert screen.status() == 1
    assert not screen.run_folder.path.exists()


@pytest.mark.parametrize("to_child", [True, False])
def test_sigterm_closes_the_screen_then_saves_and_stops(launch: Launch, to_child: bool) -> None:
    screen = launch(*ENDLESS)
    before = screen.modes()
    screen.wait_for_step(20)
    target = screen.trainer() if to_child else screen.process.pid
    os.kill(target, signal.SIGTERM)
    screen.wait_for_text("the screen is closed, training goes on without it")
    assert in_order(screen, before)
    step = screen.events()[-1].step
    screen.wait_for_step(step + 50)
    screen.wait_for(lambda: "told of here" in screen.run_folder.log.read_text())
    os.kill(target, signal.SIGTERM)
    assert screen.status() == 0
    assert not screen.wait_for_end().finished
    assert list(screen.run_folder.checkpoints.iterdir())


def test_a_third_sigterm_stops_at_once(launch: Launch) -> None:
    screen = launch(*ENDLESS, "--set", "evaluation.every_steps=40")
    screen.wait_for_step(20)
    screen.type("d")
    assert screen.status() == 0
    trainer = psutil.Process(screen.trainer())
    screen.wait_for(lambda: "told of here" in screen.run_folder.log.read_text())
    while trainer.is_running():
        try:
            trainer.terminate()
        except psutil.NoSuchProcess:
            break
        time.sleep(0.25)
    screen.wait_for_end()


def test_an_interrupt_is_a_key(launch: Launch) -> None:
    screen = launch(*ENDLESS)
    screen.wait_for_text("<loading")
    screen.type("\x03")
    screen.wait_for_text("interrupted")
    os.kill(screen.trainer(), signal.SIGINT)
    screen.wait_for_step(20)


@stand_in_only
def test_a_crash_of_the_screen_gives_the_shell_back(launch: Launch) -> None:
    screen = launch()
    before = screen.modes()
    screen.wait_for_step(20)
    screen.type("x")
    assert screen.status() == 0
    screen.wait_for_text("the screen failed, see runs/tiny/log.txt; training goes on")
    assert in_order(screen, before)
    assert screen.wait_for_end().finished
    log = screen.run_folder.log.read_text()
    assert "ZeroDivisionError" in log and "finished: 300 steps are done" in log


@stand_in_only
def test_a_screen_that_hangs_is_left_behind(launch: Launch) -> None:
    screen = launch(*ENDLESS)
    before = screen.modes()
    screen.wait_for_step(20)
    screen.type("h")
    time.sleep(0.5)
    screen.process.terminate()
    screen.wait_for(lambda: in_order(screen, before), "order")
    screen.process.terminate()
    assert not screen.wait_for_end().finished
    assert screen.status() == 0
    assert "action_hang" in screen.run_folder.log.read_text()


def test_the_guardians_death_hurts_no_training(launch: Launch) -> None:
    screen = launch()
    screen.wait_for_step(1)
    trainer = screen.trainer()
    screen.process.kill()
    assert screen.wait_for_end().finished
    screen.wait_for(lambda: not psutil.pid_exists(trainer), "end")


def test_a_killed_trainer_leaves_the_terminal_in_order(launch: Launch) -> None:
    screen = launch(*ENDLESS)
    before = screen.modes()
    screen.wait_for_step(20)
    os.kill(screen.trainer(), signal.SIGKILL)
    assert screen.status() == 128 + signal.SIGKILL
    screen.wait_for_text("ended by signal 9 (SIGKILL)")
    assert in_order(screen, before)


@stand_in_only
def test_noise_goes_to_the_log_and_not_across_the_screen(launch: Launch) -> None:
    screen = launch(*ENDLESS)
    screen.wait_for_step(4)
    screen.type("p")
    screen.wait_for_text("noisy")
    log = screen.run_folder.log.read_text()
    for noise in ("on one", "on two", "from print", "from a warning"):
        assert f"noise {noise}" in log
        assert f"noise {noise}" not in screen.text


@stand_in_only
def test_the_size_is_the_terminals_and_follows_it(launch: Launch) -> None:
    screen = launch(*ENDLESS)
    screen.wait_for_text("100x30")
    for columns in range(60, 120, 3):
        screen.resize(columns, 24)
        screen.process.send_signal(signal.SIGWINCH)
    screen.wait_for_text("117x24")


def test_bad_input_opens_no_screen(launch: Launch) -> None:
    screen = launch("--set", "train.learning_rat=1")
    assert screen.status() == 2
    screen.wait_for_text("error: ")
    assert IN_SCREEN not in screen.output


@stand_in_only
def test_a_failure_is_told_and_its_traceback_kept(launch: Launch) -> None:
    screen = launch("--set", "model.pretrained=no/such/model", "--set", "model.heads=2")
    screen.wait_for_text("<failed>")
    screen.type("q")
    assert screen.status() in (1, 2)
    screen.wait_for_text("error: ")
    assert not screen.run_folder.is_locked()


def test_stopped_by_the_user_is_the_end_that_is_journaled(launch: Launch) -> None:
    screen = launch(*ENDLESS)
    screen.wait_for_step(20)
    screen.type("s")
    screen.status()
    assert isinstance(screen.events()[-1], RunEnded)
