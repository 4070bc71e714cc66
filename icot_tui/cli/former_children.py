"""Children that a process had before it became this program: an `exec` keeps them."""

import os
import re
import signal
from types import FrameType

FORMER_CHILDREN = "ICOT_TUI_FORMER_CHILDREN"
"""Environment variable with their ids."""


def former_children() -> set[int]:
    """Those from before this process became this program that have not been reaped yet."""
    return set(map(int, re.findall(r"\d+", os.environ.get(FORMER_CHILDREN, ""))))


def reap_former_children() -> None:
    """From here on, whenever one of them ends, no zombie is left of it."""

    def reap(number: int = 0, frame: FrameType | None = None) -> None:
        left = filter(_is_running_child, former_children())
        os.environ[FORMER_CHILDREN] = " ".join(map(str, left))

    if former_children():
        signal.signal(signal.SIGCHLD, reap)
        reap()


def _is_running_child(process: int) -> bool:
    try:
        return os.waitpid(process, os.WNOHANG)[0] == 0
    except ChildProcessError:
        return False
