"""What a user should be told at once, each thing once, on the screen and elsewhere.

Elsewhere an alert goes through a command of the user's, or to a web address. It is sent on a thread
of its own, within a time limit; what goes wrong is reported to a callback and stops nothing.
"""

import json
import os
import subprocess
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from itertools import islice
from typing import Literal
from urllib.parse import urlsplit

from icot_tui.watch.machine import MachineReading
from icot_tui.watch.source import Source

Kind = Literal[
    "collapse", "not finite", "stalled", "disk", "checkpoint", "finished", "stopped", "died"
]
Severity = Literal["information", "warning", "error"]

LITTLE_DISK = 2 << 30
"""Bytes; a disk that has fewer left is reported."""
ENOUGH_AGAIN = 1.5
"""So many times as much must be free before it is reported again."""
STRETCH = 1000
"""Bad steps with fewer steps than this between them are reported once."""
SECONDS = 10.0
"""A command or a server that takes longer is given up."""
MOST_AT_ONCE = 8
"""Alerts on their way at the same time; more are dropped, which is reported."""

Notice = dict[str, str | float]
"""An alert as it is sent: run, folder, kind, severity, text and time."""


@dataclass(frozen=True)
class Alert:
    """Something the user should know; `time` is that of the source's clock."""

    kind: Kind
    text: str
    severity: Severity
    time: float


@dataclass
class AlertRules:
    """Looks at a run again and again, and reports each thing once.

    What was so at the first look, when the run is opened, is old news and not reported.
    """

    _reported: set[tuple[Kind, object]] = field(default_factory=set)
    _looked: bool = False
    _disk_was_low: bool = False
    _skipped: int = 0
    _bad_step: int = -STRETCH

    def look(self, source: Source, machine: MachineReading | None, now: float) -> list[Alert]:
        """What is new since the last look; nothing while the source is still catching up."""
        if not source.caught_up:
            return []
        alerts = []
        for what, alert in self._of_run(source, now):
            if (alert.kind, what) not in self._reported:
                self._reported.add((alert.kind, what))
                alerts.append(alert)
        alerts = alerts if self._looked else []
        self._looked = True
        return alerts + self._of_disk(source.folder.name, machine, now)

    def _of_run(self, source: Source, now: float) -> Iterator[tuple[object, Alert]]:
        """Everything that is so, each with what makes it that one thing."""
        run, history, status = source.folder.name, source.history, source.status(now)
        summary = history.summary
        metrics, news, ended = summary.metrics, summary.last_event_time, summary.ended
        for spike in metrics.spikes[-8:]:
            if spike.collapsed:
                origin = "" if spike.removal is None else f" since removal {spike.removal}"
                text = (
                    f"{run}: the loss neither recovers nor makes progress{origin}; "
                    "going back to an earlier checkpoint may help"
                )
                yield (spike.number, spike.step), Alert("collapse", text, "error", now)
        if self._is_newly_bad(metrics.skipped_updates, metrics.step):
            text = f"{run}: the loss or a gradient was not finite; such updates are left out"
            at = metrics.skipped_updates, metrics.step
            yield at, Alert("not finite", text, "warning", now)
        for line in islice(reversed(history.log), 20):
            if line.kind == "CheckpointFailed":
                yield line.time, Alert("checkpoint", f"{run}: {line.text}", "error", now)
                break
        if status == "stalled" and news is not None:
            text = f"{run} has written nothing for {(now - news) / 60:.0f} minutes; it may be stuck"
            yield news, Alert("stalled", text, "warning", now)
        if status == "dead":
            text = f"{run} is no longer being trained and did not end in order; it can be resumed"
            yield news, Alert("died", text, "error", now)
        if (status == "finished" or status == "stopped") and ended is not None:
            best = "" if metrics.best is None else f", best exact match {metrics.best:.1%}"
            yield news, Alert(status, f"{run} {status}: {ended.reason}{best}", "information", now)

    def _is_newly_bad(self, skipped: int, step: int) -> bool:
        """Were updates skipped, after a good while in which none were?"""
        more, since = skipped > self._skipped, step - self._bad_step
        self._skipped = skipped
        if more:
            self._bad_step = step
        return more and not 0 <= since < STRETCH

    def _of_disk(self, run: str, machine: MachineReading | None, now: float) -> list[Alert]:
        free = None if machine is None else machine.disk_free
        if free is None:
            return []
        was_low, limit = self._disk_was_low, LITTLE_DISK
        self._disk_was_low = free < (ENOUGH_AGAIN * limit if was_low else limit)
        if was_low or not self._disk_was_low:
            return []
        text = f"{free / 1e9:.1f} GB are left on the disk of {run}; checkpoints may soon not fit"
        return [Alert("disk", text, "warning", now)]


class Notifier:
    """Sends alerts to a command, to a web address, or to both.

    The command gets the JSON object on its standard input, and its values in the environment as
    ICOT_TUI_ALERT_RUN, ..._FOLDER, ..._KIND, ..._SEVERITY, ..._TEXT and ..._TIME; no shell reads
    any of it. The address gets the object as the body of a POST; an http or https address.

    Args:
        command: the program and its arguments; empty: none.
        url: the web address; empty: none.
        trouble: told in a sentence what went wrong, on another thread.
        seconds: time limit of each.
    """

    def __init__(
        self,
        command: Sequence[str] = (),
        url: str = "",
        trouble: Callable[[str], None] = lambda sentence: None,
        seconds: float = SECONDS,
    ) -> None:
        self._command = list(command)
        self._url = url
        self._trouble = trouble
        self._seconds = seconds
        self._under_way = threading.Semaphore(MOST_AT_ONCE)

    def send(self, alert: Alert, run: str, folder: str) -> None:
        """Send an alert; returns at once."""
        notice = {"run": run, "folder": folder, **asdict(alert)}
        if self._command:
            self._start(lambda: _run(self._command, notice, self._seconds), "the alert command")
        if self._url:
            self._start(lambda: _post(self._url, notice, self._seconds), "the alert address")

    def _start(self, work: Callable[[], None], what: str) -> None:
        if not self._under_way.acquire(blocking=False):
            self._trouble(f"{what} is too slow: an alert was not sent")
            return

        def guarded() -> None:
            try:
                work()
            except Exception as error:  # whatever it is: an alert must not end anything
                self._trouble(f"{what} failed: {error}")
            finally:
                self._under_way.release()

        threading.Thread(target=guarded, name="alert", daemon=True).start()


def _run(command: list[str], notice: Notice, seconds: float) -> None:
    """Run the command, without showing its output; raises if it fails or takes too long."""
    values = {
        f"ICOT_TUI_ALERT_{name.upper()}": str(value).replace("\0", " ")
        for name, value in notice.items()
    }
    subprocess.run(
        command,
        input=json.dumps(notice).encode(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=os.environ | values,
        timeout=seconds,
        check=True,
        start_new_session=True,  # it never touches the terminal that the screen is on
    )


def _post(url: str, notice: Notice, seconds: float) -> None:
    if urlsplit(url).scheme not in ("http", "https"):
        raise ValueError(f"{url!r} is no http or https address")
    import urllib.request  # takes long, and few have an address

    request = urllib.request.Request(
        url,
        data=json.dumps(notice).encode(),
        headers={"Content-Type": "application/json", "User-Agent": "icot-tui"},
        method="POST",
    )
    with urllib.request.urlopen(request, timeout=seconds):
        pass
