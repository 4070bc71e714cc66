"""A real shell with job control: stop, background, foreground, detach."""

import time

import psutil
import pytest

from tests.session.screen import ENDLESS, IN_SCREEN, IS_REAL, OUT_OF_SCREEN, Screen

stand_in_only = pytest.mark.skipif(IS_REAL, reason="asks for what only the stand-in has")
LAUNCH = "launch tiny.toml " + " ".join(ENDLESS)


def prompt(shell: Screen, mark: str) -> None:
    """Until the shell answers."""
    shell.type(f"echo mark-$((40+2))-{mark}\n")
    shell.wait_for_text(f"mark-42-{mark}")


@stand_in_only
def test_stopped_in_the_background_and_back(shell: Screen) -> None:
    shell.run(LAUNCH)
    shell.wait_for_step(20)
    trainer = psutil.Process(shell.trainer())
    shell.type("z")
    shell.wait_for_text("Stopped")
    prompt(shell, "stopped")
    assert trainer.status() == psutil.STATUS_STOPPED
    assert shell.output.rfind(OUT_OF_SCREEN) > shell.output.rfind(IN_SCREEN)

    step = shell.events()[-1].step
    shell.type("bg\n")
    shell.wait_for_step(step + 50)
    prompt(shell, "background")
    opened = shell.output.count(IN_SCREEN)
    assert opened == 1

    shell.type("fg\n")
    shell.wait_for(lambda: shell.output.count(IN_SCREEN) == 2, "screen")
    time.sleep(0.5)
    shell.type("d")
    shell.wait_for_text("training goes on in the background")
    prompt(shell, "detached")
    assert trainer.is_running()


def test_the_shell_has_its_terminal_after_detaching(shell: Screen) -> None:
    shell.run(LAUNCH)
    shell.wait_for_step(20)
    trainer = shell.trainer()
    shell.type("qd" if IS_REAL else "d")
    shell.wait_for_text("training goes on in the background")
    prompt(shell, "detached")
    shell.type("jobs; exit\n")
    assert shell.process.wait(20) == 0
    step = shell.events()[-1].step
    shell.wait_for_step(step + 50)
    assert psutil.pid_exists(trainer)


@stand_in_only
def test_told_to_leave_while_in_the_background(shell: Screen) -> None:
    shell.run(LAUNCH)
    shell.wait_for_step(20)
    trainer = psutil.Process(shell.trainer())
    shell.type("z")
    shell.wait_for_text("Stopped")
    shell.type("bg\n")
    step = shell.events()[-1].step
    shell.wait_for_step(step + 50)
    trainer.terminate()
    prompt(shell, "terminated")
    step = shell.events()[-1].step
    shell.wait_for_step(step + 50)
    shell.wait_for(lambda: "told of here" in shell.run_folder.log.read_text())
    trainer.terminate()
    assert not shell.wait_for_end().finished


@stand_in_only
def test_without_a_shell_nothing_stops_for_ever(launch) -> None:
    screen = launch(*ENDLESS)
    screen.wait_for_step(20)
    screen.type("z")
    step = screen.events()[-1].step
    screen.wait_for_step(step + 100)
