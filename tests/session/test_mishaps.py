"""What may go wrong around a training, in a real terminal: it hurts neither of the two."""

import os
import shutil
import signal
import time

import psutil
import pytest

from tests.session.mishaps import CRASH, HANG, NOISE, main_with_mishaps
from tests.session.screen import ENDLESS, IN_SCREEN, Launch, in_order

pytestmark = pytest.mark.slow


def test_a_crash_of_the_screen_gives_the_shell_back(launch: Launch) -> None:
    screen = launch(program=main_with_mishaps)
    before = screen.modes()
    screen.wait_for_step(20)
    screen.type(CRASH)
    assert screen.status() == 0
    screen.wait_for_text("the screen failed, see runs/tiny/log.txt; training goes on")
    assert in_order(screen, before)
    assert screen.wait_for_end().finished
    log = screen.run_folder.log
    screen.wait_for(lambda: "finished: 300 steps are done" in log.read_text(), "report")
    assert "ZeroDivisionError" in log.read_text()


def test_a_screen_that_hangs_is_left_behind(launch: Launch) -> None:
    screen = launch(*ENDLESS, program=main_with_mishaps)
    before = screen.modes()
    screen.wait_for_step(20)
    screen.type(HANG)
    time.sleep(0.5)
    screen.process.terminate()
    screen.wait_for(lambda: in_order(screen, before), "order")
    screen.process.terminate()
    assert not screen.wait_for_end().finished
    assert screen.status() == 0
    assert "action_hang" in screen.run_folder.log.read_text()


def test_noise_resizes_and_a_violent_end(launch: Launch) -> None:
    screen = launch(*ENDLESS, program=main_with_mishaps)
    before = screen.modes()
    screen.wait_for_step(20)
    screen.type(NOISE)
    screen.wait_for_text("it was noisy")
    log = screen.run_folder.log.read_text()
    for noise in ("on one", "on two", "from print", "from a warning"):
        assert f"noise {noise}" in log
        assert f"noise {noise}" not in screen.text

    screen.type("\x1a")  # no shell could go on with it
    screen.wait_for_text("There is no shell here")
    for columns in [*range(20, 120, 3), 40]:
        screen.resize(columns, 24)
        screen.process.send_signal(signal.SIGWINCH)
    screen.wait_for_text("the terminal has 40 and 24")
    screen.train_on()

    os.kill(screen.trainer(), signal.SIGKILL)
    assert screen.status() == 128 + signal.SIGKILL
    screen.wait_for_text("ended by signal 9 (SIGKILL)")
    assert in_order(screen, before)


def test_the_death_of_the_parent_process_hurts_no_training(launch: Launch) -> None:
    screen = launch()
    screen.wait_for_step(1)
    trainer = screen.trainer()
    screen.process.kill()
    assert screen.wait_for_end().finished
    screen.wait_for(lambda: not psutil.pid_exists(trainer), "end")


def test_a_deleted_folder_is_told_on_the_screen_and_after(launch: Launch) -> None:
    screen = launch(*ENDLESS)
    before = screen.modes()
    screen.wait_for_step(20)
    shutil.rmtree(screen.run_folder.path)
    screen.wait_for_text("What next?")
    screen.wait_for_text("again with 'icot-tui train'")
    assert "trainer gone" not in screen.text and "icot-tui resume" not in screen.text
    screen.type("q")
    assert screen.status() == 1
    screen.wait_for_text("runs/tiny was deleted: start it again with 'icot-tui train'")
    assert in_order(screen, before)
    assert not screen.run_folder.path.exists()


def test_bad_input_opens_no_screen(launch: Launch) -> None:
    screen = launch("--set", "train.learning_rat=1")
    assert screen.status() == 2
    screen.wait_for_text("error: ")
    assert IN_SCREEN not in screen.output


def test_what_only_shows_in_the_data_is_told_on_the_screen_and_after(launch: Launch) -> None:
    screen = launch("--set", "data.train_examples=3")
    screen.wait_for_text("the training of tiny failed")
    screen.type("\x1b")
    time.sleep(0.5)
    screen.type("q")
    assert screen.status() == 2
    screen.wait_for_text("error: ")
    assert "lower train.batch_size" in screen.text
    assert not screen.run_folder.is_locked()
