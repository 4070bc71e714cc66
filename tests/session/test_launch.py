"""What `launch` and `attach` do before any screen is there."""

import subprocess
from pathlib import Path

import pytest

from icot_tui.engine.run_folder import RunFolder
from tests.forked import run_forked
from tests.session.screen import TINY, environment

pytestmark = pytest.mark.slow


def run(folder: Path, *arguments: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    """Without a terminal."""
    (folder / "tiny.toml").write_text(TINY)
    return run_forked(arguments, folder, environment(folder) | variables)


def test_without_a_terminal_it_trains_as_train_does(tmp_path: Path) -> None:
    done = run(tmp_path, "launch", "tiny.toml", "--set", "train.max_steps=10", "--name", "small")
    assert done.returncode == 0
    assert done.stderr == "no terminal to draw on: training without the screen\n"
    assert "finished: 10 steps are done" in done.stdout
    again = run(tmp_path, "launch", "--resume", "small")
    assert again.returncode == 0 and "is finished" in again.stdout


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("launch", "nothing.toml"), "nothing.toml"),
        (("launch", "--resume", "tiny", "--name", "other"), "leave out CONFIG, --set and --name"),
        (("launch", "--resume", "tiny"), "there is no run"),
        (("attach",), "there is no run"),
        (("attach", "--speed", "0"), "--speed must be a number above 0"),
        (("attach", "--control", "--replay"), "exclude each other"),
    ],
)
def test_bad_input_gets_a_sentence(
    tmp_path: Path, arguments: tuple[str, ...], sentence: str
) -> None:
    done = run(tmp_path, *arguments)
    assert done.returncode == 2
    assert sentence in done.stderr and "Traceback" not in done.stderr


def test_several_processes_are_told_what_starts_them(tmp_path: Path) -> None:
    done = run(tmp_path, "launch", WORLD_SIZE="2")
    assert done.returncode == 2
    assert "accelerate launch -m icot_tui train" in done.stderr


def test_a_viewer_needs_a_terminal(tmp_path: Path) -> None:
    RunFolder.create(tmp_path / "runs", "tiny", TINY)
    done = run(tmp_path, "attach")
    assert done.returncode == 2
    assert "icot-tui runs show runs/tiny" in done.stderr
