"""A process beside a trainer that tells the user what happens to the run.

It reads the run's files, as every view does, so that nothing of it can hold up the training; and it
outlives its trainer for long enough to tell of a trainer that was killed.
"""

import os
import select
import shutil
import signal
import sys
import time
from pathlib import Path

from icot_tui.config.alerts import load_alert_settings
from icot_tui.engine.run_folder import RunFolder
from icot_tui.output import say
from icot_tui.watch.alerts import Alert, AlertRules
from icot_tui.watch.notifier import Notifier, notice_of, targets
from icot_tui.watch.source import RunFollower

LOOK_SECONDS = 2.0
"""Between two looks at the run."""


class Alerter:
    """Tells of a run what is new since its trainer began, in seconds since the epoch."""

    def __init__(self, folder: Path, began: float) -> None:
        settings = load_alert_settings()
        self._folder = folder
        self._source = RunFollower(RunFolder(folder))
        self._rules = AlertRules(began)
        self._kinds = settings.kinds
        self._notifier = Notifier(targets(settings), self._log)
        self._logged: set[str] = set()

    def follow(self, trainer: int) -> None:
        """Look until the trainer, a process, says why it ended, closes its pipe or is gone."""
        over = False
        while not over:
            told = bool(select.select([0], [], [], LOOK_SECONDS)[0])
            over = told or os.getppid() != trainer
            self._look(over, os.read(0, 4096).decode(errors="replace") if told else "")
        self._notifier.finish()

    def _look(self, over: bool, failure: str) -> None:
        source, now = self._source, time.time()
        source.poll()
        while not source.caught_up:
            source.poll()
        status = source.history.summary.status(locked=not over, now=now)
        for alert in self._rules.look(source, status, _free(self._folder), now):
            self._send(
                Alert("failed", f"{self._folder.name} failed: {failure}", "error", now)
                if failure and alert.kind == "died"
                else alert
            )

    def _send(self, alert: Alert) -> None:
        if self._kinds is None or alert.kind in self._kinds:
            self._notifier.send(notice_of(alert, self._folder))

    def _log(self, sentence: str) -> None:
        """Tell each trouble once, in the run's log."""
        if sentence not in self._logged:
            self._logged.add(sentence)
            say(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {sentence}", error=True, flush=True)


def _free(folder: Path) -> int | None:
    """Bytes left on a disk; None where that is not known."""
    try:
        return shutil.disk_usage(folder).free
    except OSError:
        return None


if __name__ == "__main__":
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2):
        signal.signal(number, lambda number, frame: None)  # it ends when its trainer has ended
    os.nice(10)
    run, since, parent = sys.argv[1:]
    Alerter(Path(run), float(since)).follow(int(parent))
