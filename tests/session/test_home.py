"""Bare `icot-tui` in a real terminal: the home screen, and the command that it becomes."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from icot_tui.cli.screen import FROM_HOME
from tests.forked import PROGRAM
from tests.session.screen import (
    CONTROL,
    DETACHED,
    ENDLESS,
    IN_SCREEN,
    OUT_OF_SCREEN,
    Screen,
    a_finished_run,
)

pytestmark = pytest.mark.slow


@pytest.fixture
def screen(tmp_path: Path) -> Iterator[Screen]:
    """Bare `icot-tui` over two finished runs, `tiny` the newer one."""
    a_finished_run(tmp_path / "runs", "other", 1.7e9)
    a_finished_run(tmp_path / "runs", "tiny", 1.8e9)
    screen = Screen(PROGRAM, tmp_path)
    yield screen
    screen.close()


def wait_for_screen(screen: Screen, number: int, text: str) -> None:
    """Until a text is on the screen with this number; the first is 1."""

    def shown() -> bool:
        parts = screen.output.split(IN_SCREEN)
        return len(parts) > number and text in CONTROL.sub(b"", parts[number]).decode(
            errors="replace"
        )

    screen.wait_for(shown, f"{text} on screen {number}")


def test_a_run_is_looked_at_and_the_way_leads_back_home(screen: Screen) -> None:
    wait_for_screen(screen, 1, "look at tiny")
    screen.type("c")
    wait_for_screen(screen, 2, "tiny · finished")
    wait_for_screen(screen, 2, "H home")
    screen.type("H")
    wait_for_screen(screen, 3, "look at tiny")
    screen.type("q")
    assert screen.status() == 0
    assert screen.output.count(OUT_OF_SCREEN) >= 3
    assert "icot-tui attach" not in screen.text  # no run is on the screen at the end


def test_what_is_printed_at_the_end_names_the_run_that_was_on_the_screen_last(
    screen: Screen,
) -> None:
    wait_for_screen(screen, 1, "look at tiny")
    screen.type("c")
    wait_for_screen(screen, 2, "tiny · finished")
    screen.type("r")
    wait_for_screen(screen, 2, "other")
    screen.type("\x1b[B\r")
    wait_for_screen(screen, 2, "other · finished")
    screen.type("q")
    assert screen.status() == 0
    left = screen.output.rpartition(OUT_OF_SCREEN)[2].decode()
    assert "icot-tui attach runs/other --runs runs" in left
    assert "runs/tiny" not in left


def test_the_playground_that_was_opened_at_home_leads_back_there(screen: Screen) -> None:
    wait_for_screen(screen, 1, "look at tiny")
    screen.type("k")
    wait_for_screen(screen, 1, "whose checkpoints are to be asked?")
    screen.type("\r")
    wait_for_screen(screen, 2, "playground")
    screen.type("\x03")
    wait_for_screen(screen, 3, "look at tiny")
    screen.type("\x03")
    assert screen.status() == 0


@pytest.mark.parametrize(
    ("answer", "told"),
    [("d", DETACHED), ("s", "stopped by command"), ("n", "stopped by command, at once")],
)
def test_a_training_is_asked_about_before_the_home_screen_comes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: str, told: str
) -> None:
    monkeypatch.setenv(FROM_HOME, "1")
    screen = Screen([*PROGRAM, "launch", "tiny.toml", *ENDLESS], tmp_path)
    try:
        screen.wait_for_step(20)
        trainer = screen.trainer()
        screen.ask("H")
        screen.type(answer)
        wait_for_screen(
            screen, 2, {"d": "watch tiny", "s": "resume tiny", "n": "resume tiny"}[answer]
        )
        assert told in screen.text
        assert psutil.pid_exists(trainer) == (answer == "d")
        if answer == "d":
            screen.train_on()
            os.kill(trainer, signal.SIGKILL)
            screen.wait_for(lambda: not psutil.pid_exists(trainer), "a zombie is left")
        screen.type("\x03")
        assert screen.status() == 0
    finally:
        screen.close()


STARTS_A_CHILD = """
import subprocess, sys
from icot_tui.cli.app import main
from icot_tui.cli.screen import become
if len(sys.argv) > 1:
    main()
sleep = dict(args=["sleep", "100"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
started, left = (subprocess.Popen(**sleep).pid for _ in range(2))
print(started, left, flush=True)
become("--version", left=left)
"""


def test_what_a_screen_had_started_ends_with_it_but_for_a_training(tmp_path: Path) -> None:
    (tmp_path / "screen.py").write_text(STARTS_A_CHILD)
    command = [sys.executable, "screen.py"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    children, version = done.stdout.splitlines()
    started, left = map(int, children.split())
    assert version.startswith("icot-tui ")
    assert not psutil.pid_exists(started)
    os.kill(left, signal.SIGKILL)
