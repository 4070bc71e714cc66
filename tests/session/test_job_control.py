"""A real shell with job control: stop, background, foreground, detach."""

import psutil
import pytest

from tests.session.screen import DETACHED, ENDLESS, IN_SCREEN, OUT_OF_SCREEN, Screen

pytestmark = pytest.mark.slow

LAUNCH = "launch tiny.toml " + " ".join(ENDLESS)
STOP = "\x1a"


def prompt(shell: Screen, mark: str) -> None:
    """Until the shell answers."""
    shell.type(f"echo mark-$((40+2))-{mark}\n")
    shell.wait_for_text(f"mark-42-{mark}")


def stop(shell: Screen) -> psutil.Process:
    """Start, and stop with ctrl+z; the process that trains."""
    shell.run(LAUNCH)
    shell.wait_for_step(20)
    trainer = psutil.Process(shell.trainer())
    shell.type(STOP)
    shell.wait_for_text("Stopped")
    return trainer


def test_stopped_in_the_background_back_and_detached(shell: Screen) -> None:
    trainer = stop(shell)
    prompt(shell, "stopped")
    assert trainer.status() == psutil.STATUS_STOPPED
    assert shell.output.rfind(OUT_OF_SCREEN) > shell.output.rfind(IN_SCREEN)

    shell.type("bg\n")
    shell.train_on()
    prompt(shell, "background")
    assert shell.output.count(IN_SCREEN) == 1

    shell.type("fg\n")
    shell.wait_for(lambda: shell.output.count(IN_SCREEN) == 2, "screen")
    shell.leave("d")
    shell.wait_for_text(DETACHED)
    prompt(shell, "detached")
    shell.type("jobs; exit\n")
    assert shell.process.wait(20) == 0
    shell.train_on()
    assert trainer.is_running()


def test_told_to_leave_while_in_the_background(shell: Screen) -> None:
    trainer = stop(shell)
    shell.type("bg\n")
    shell.train_on()
    trainer.terminate()
    prompt(shell, "terminated")
    shell.train_on()
    shell.wait_for(lambda: "goes on and is logged here" in shell.run_folder.log.read_text())
    trainer.terminate()
    assert not shell.wait_for_end().finished
