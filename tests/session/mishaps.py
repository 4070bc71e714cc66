"""The real program, whose screen has three keys more: each brings about a mishap."""

import os
import time
import warnings
from pathlib import Path
from typing import Any

from icot_tui.cli import launch
from icot_tui.cli.app import main

CRASH, HANG, NOISE = "\x1bOP", "\x1bOQ", "\x1bOR"
"""What the keys F1, F2 and F3 send."""


def with_mishaps(build_app: Any) -> Any:
    """The same, but the app it makes is of a class with these keys."""

    def build(*given: Any) -> Any:
        from icot_tui.tui.actions.runner import notify_user
        from icot_tui.tui.app import app as module

        class Mishaps(module.WorkbenchApp):
            CSS_PATH = Path(module.__file__).with_name("app.tcss")
            BINDINGS = [("f1", "crash", ""), ("f2", "hang", ""), ("f3", "noise", "")]

            def action_crash(self) -> None:
                raise ZeroDivisionError("a mistake of the screen")

            def action_hang(self) -> None:
                while True:
                    time.sleep(0.1)

            def action_noise(self) -> None:
                os.write(1, b"noise on one\n")
                os.write(2, b"noise on two\n")
                print("noise from print")
                warnings.warn("noise from a warning", stacklevel=1)
                notify_user(self, "it was noisy")

        module.WorkbenchApp = Mishaps  # type: ignore[misc]
        return build_app(*given)

    return build


def main_with_mishaps() -> None:
    """`icot-tui launch ...`, with these keys."""
    launch.build_app = with_mishaps(launch.build_app)
    main()
