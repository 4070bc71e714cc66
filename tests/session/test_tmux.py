"""Inside tmux: the screen is drawn, the session's end is no end of the training."""

import os
import shlex
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from icot_tui.engine.journal.journal import JournalReader
from icot_tui.engine.journal.summary import RunSummary
from icot_tui.engine.run_folder import RunFolder
from tests.forked import PROGRAM
from tests.session.screen import ENDLESS, TINY, environment

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed"),
]
PATIENCE = 60.0


class Tmux:
    """A tmux server of our own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.socket = str(folder / "tmux")
        (folder / "tiny.toml").write_text(TINY)

    def __call__(self, *arguments: str) -> str:
        command = ["tmux", "-f", "/dev/null", "-S", self.socket, *arguments]
        done = subprocess.run(
            command,
            cwd=self.folder,
            env=environment(self.folder),
            capture_output=True,
            text=True,
            check=False,
        )
        return done.stdout

    def start(self, command: str) -> None:
        self("new-session", "-d", "-x", "100", "-y", "30", command)

    def wait_for(self, what: Callable[[], object]) -> None:
        deadline = time.monotonic() + PATIENCE
        while not what():
            assert time.monotonic() < deadline, self("capture-pane", "-p")
            time.sleep(0.1)


@pytest.fixture
def tmux(tmp_path: Path) -> Iterator[Tmux]:
    server = Tmux(tmp_path)
    yield server
    server("kill-server")


def test_resized_often_and_the_sessions_end_is_no_end_of_the_training(tmux: Tmux) -> None:
    tmux.start(f"{shlex.join(PROGRAM)} launch tiny.toml {' '.join(ENDLESS)}")
    tmux.wait_for(lambda: "1 removal" in tmux("capture-pane", "-p"))
    for width in [*range(40, 220, 9), 45]:
        tmux("resize-window", "-x", str(width), "-y", "25")
    tmux.wait_for(lambda: "the terminal has 45 and 25" in tmux("capture-pane", "-p"))
    tmux("resize-window", "-x", "100", "-y", "30")
    tmux.wait_for(lambda: "1 removal" in tmux("capture-pane", "-p"))
    folder = RunFolder(tmux.folder / "runs" / "tiny")
    tmux.wait_for(lambda: step(folder) > 0)
    tmux("kill-server")
    before = step(folder)
    tmux.wait_for(lambda: step(folder) > before + 50)
    os.kill(int(str(folder.holder()).split()[1]), signal.SIGTERM)
    tmux.wait_for(lambda: not folder.is_locked())
    ended = RunSummary.of(JournalReader(folder.journal).events()).ended
    assert ended is not None and ended.reason.startswith("stopped")


def step(folder: RunFolder) -> int:
    """How far the run is."""
    return RunSummary.of(JournalReader(folder.journal).events()).metrics.step
