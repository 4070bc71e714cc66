"""Inside tmux: the screen is drawn, the session's end is no end of the training."""

import os
import shlex
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from icot_tui.engine.journal import JournalReader
from icot_tui.engine.run_folder import RunFolder
from icot_tui.engine.summary import RunSummary
from tests.session.screen import IS_REAL, PROGRAM, TINY

pytestmark = pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed")
PATIENCE = 60.0


class Tmux:
    """A tmux server of our own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.socket = str(folder / "tmux")
        (folder / "tiny.toml").write_text(TINY)

    def __call__(self, *arguments: str) -> str:
        environment = os.environ | {
            "OMP_NUM_THREADS": "1",
            "XDG_CACHE_HOME": str(self.folder / "cache"),
            "XDG_CONFIG_HOME": str(self.folder / "config"),
        }
        environment.pop("TMUX", None)
        command = ["tmux", "-f", "/dev/null", "-S", self.socket, *arguments]
        done = subprocess.run(
            command, cwd=self.folder, env=environment, capture_output=True, text=True, check=False
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


def test_the_sessions_end_is_no_end_of_the_training(tmux: Tmux) -> None:
    tmux.start(f"{shlex.join(PROGRAM)} launch tiny.toml")
    expected = "tiny" if IS_REAL else "icot-tui stand-in"
    tmux.wait_for(lambda: expected in tmux("capture-pane", "-p"))
    tmux("resize-window", "-x", "90", "-y", "25")
    if not IS_REAL:
        tmux.wait_for(lambda: "90x25" in tmux("capture-pane", "-p"))
    folder = RunFolder(tmux.folder / "runs" / "tiny")
    tmux.wait_for(lambda: folder.is_locked() or folder.journal.exists())
    tmux("kill-server")

    def finished() -> bool:
        ended = RunSummary.of(JournalReader(folder.journal).events()).ended
        return ended is not None and ended.finished and not folder.is_locked()

    tmux.wait_for(finished)
