"""What a user should be told at once, each thing once."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Literal

from icot_tui.config.alerts import Kind
from icot_tui.engine.journal import events
from icot_tui.engine.journal.summary import Status
from icot_tui.formatting import short_percent
from icot_tui.watch.history import History, LogLine
from icot_tui.watch.source import Source

Severity = Literal["information", "warning", "error"]

LITTLE_DISK = 2 << 30
"""Bytes; a disk that has fewer left is reported."""
ENOUGH_AGAIN = 1.5
"""So many times as much must be free before it is reported again."""
STRETCH = 1000
"""Bad steps with fewer steps than this between them are reported once."""


@dataclass(frozen=True)
class Alert:
    """Something the user should know; `time` is that of the source's clock."""

    kind: Kind
    text: str
    severity: Severity
    time: float


class AlertRules:
    """Looks at a run again and again, and reports each thing once.

    Args:
        since: what happened earlier, in seconds since the epoch, is not reported; None: nor is
            anything that is so at the first look.
    """

    def __init__(self, since: float | None = None) -> None:
        self._since = float("inf") if since is None else since
        self._reports_states = since is not None
        self._history: History | None = None
        self._lines = 0
        self._state: tuple[Status, float | None] | None = None
        self._bad_step = -STRETCH
        self._disk_was_low = False

    def look(
        self, source: Source, status: Status, disk_free: int | None, now: float
    ) -> list[Alert]:
        """What is new since the last look; nothing while the source is still catching up.

        Args:
            source: the run.
            status: what it does.
            disk_free: bytes left on its disk; None where that is not known.
            now: of the source's clock.
        """
        if not source.caught_up:
            return []
        run, history = source.folder.name, source.history
        best = history.summary.metrics.best
        new = self._new_lines(history, now)
        alerts = [alert for line in new for alert in self._of_line(run, line, best)]
        alerts += self._of_state(run, status, history.summary.last_event_time, now)
        return alerts + self._of_disk(run, disk_free, now)

    def _new_lines(self, history: History, now: float) -> Sequence[LogLine]:
        if history is self._history:
            new = [*islice(reversed(history.log), history.logged - self._lines)][::-1]
        else:
            new = [line for line in history.log if line.time >= self._since]
        self._history, self._lines, self._since = history, history.logged, now
        return new

    def _of_line(self, run: str, line: LogLine, best: float | None) -> Iterator[Alert]:
        event = line.content[0]
        match event:
            case events.Collapsed(removal=removal):
                origin = "" if removal is None else f" since removal {removal}"
                text = (
                    f"{run}: the loss neither recovers nor makes progress{origin}; "
                    "a rollback may help"
                )
                yield Alert("collapse", text, "error", line.time)
            case events.UpdatesSkipped():
                passed, self._bad_step = event.step - self._bad_step, event.step
                if not 0 <= passed < STRETCH:
                    text = f"{run}: the loss or a gradient was not finite; such updates are skipped"
                    yield Alert("not finite", text, "warning", line.time)
            case events.CheckpointFailed():
                yield Alert("checkpoint", f"{run}: {line.text}", "error", line.time)
            case events.Paused():
                yield Alert("paused", f"{run} is {line.text}", "warning", line.time)
            case events.RunResumed():
                yield Alert("resumed", f"{run}: {line.text}", "information", line.time)
            case events.RunEnded(finished=finished):
                how: Literal["finished", "stopped"] = "finished" if finished else "stopped"
                text = f"{run} {how}: {event.reason}"
                text += "" if best is None else f", best exact match {short_percent(best)}"
                yield Alert(how, text, "information", line.time)

    def _of_state(
        self, run: str, status: Status, last_event: float | None, now: float
    ) -> Iterator[Alert]:
        state = (status, last_event) if status in ("stalled", "dead") else None
        is_new, self._state = state != self._state and self._reports_states, state
        self._reports_states = True
        if not is_new:
            return
        if status == "dead":
            text = f"{run} has lost its trainer before the end; it can be resumed"
            yield Alert("died", text, "error", now)
        elif status == "stalled" and last_event is not None:
            minutes = (now - last_event) / 60
            text = f"{run} has written no event for {minutes:.0f} minutes; it may be stuck"
            yield Alert("stalled", text, "warning", now)

    def _of_disk(self, run: str, free: int | None, now: float) -> list[Alert]:
        if free is None:
            return []
        was_low, limit = self._disk_was_low, LITTLE_DISK
        self._disk_was_low = free < (ENOUGH_AGAIN * limit if was_low else limit)
        if was_low or not self._disk_was_low:
            return []
        text = f"{free / 1e9:.1f} GB are left on the disk of {run}; checkpoints may soon not fit"
        return [Alert("disk", text, "warning", now)]
