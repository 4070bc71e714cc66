"""Has a second process tell the user what happens to a run, wherever and however it is trained."""

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Callable

from icot_tui.config.alerts import load_alert_settings
from icot_tui.engine.journal.events import RunEnded
from icot_tui.engine.run_folder import RunFolder
from icot_tui.errors import UserError, reason
from icot_tui.files import open_file
from icot_tui.output import say

LAST_ALERT_SECONDS = 12.0
"""So long the end of a run waits for its last alert."""


def alerted(folder: RunFolder, train: Callable[[], RunEnded]) -> RunEnded:
    """Train, and have the user told what happens to the run, if the user's settings say how.

    Only the first of several processes does. No failure of an alert reaches the training.
    """
    process = _start(folder) if os.environ.get("RANK", "0") == "0" else None
    try:
        ended = train()
    except Exception as error:
        _finish(process, reason(error))
        raise
    except BaseException:  # the user stops it at once, and knows
        if process is not None:
            process.kill()
        raise
    _finish(process, ended.reason)  # told by it where no journal is left to tell it
    return ended


def _start(folder: RunFolder) -> "subprocess.Popen[bytes] | None":
    try:
        settings = load_alert_settings()
        if not (settings.command or settings.webhook or settings.addresses):
            return None
        program = [sys.executable, "-P", "-m", "icot_tui.watch.alerter"]
        with open(open_file(folder.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND), "wb") as log:
            return subprocess.Popen(
                [*program, str(folder.path.absolute()), str(time.time()), str(os.getpid())],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                start_new_session=True,  # signals to the trainer are not for it
            )
    except (UserError, OSError) as error:
        say(f"no alerts will be sent: {reason(error)}", error=True)
        return None


def _finish(process: "subprocess.Popen[bytes] | None", failure: str) -> None:
    """Say why the training failed or ended, and let the last alert be sent."""
    if process is not None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.communicate(failure.encode(errors="replace")[:4000], LAST_ALERT_SECONDS)
