"""What `icot-tui study` prints while its trials train: live, in plain lines, or as JSON."""

import json
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from icot_tui.cli.printer import Printer, ResilientStdout, best_style
from icot_tui.engine.journal.journal import JournalReader
from icot_tui.engine.journal.summary import RunSummary
from icot_tui.engine.journal.wording import describe
from icot_tui.formatting import duration, plain, short_percent

if TYPE_CHECKING:
    from rich.console import RenderableType

    from icot_tui.studies.folder import StudyEvent
    from icot_tui.studies.plan import Plan
    from icot_tui.studies.runner import Runner, TrialStatus

PLAIN_SECONDS = 30.0
"""How often plain lines report the running trials."""
LIVE_SECONDS = 1.0
"""How often the live display is redrawn."""


class StudyProgress:
    """Prints a line per event, and the running trials: live on a terminal, else now and then."""

    def __init__(self, plan: "Plan", folder: Path, printer: Printer) -> None:
        self._plan = plan
        self._folder = folder
        self._printer = printer
        self._known: dict[Path, tuple[JournalReader, RunSummary]] = {}
        self._due = 0.0

    def begin(self) -> None:
        """Print what is planned."""
        plan, study = self._plan, self._plan.study.config
        size = plan.study.scale(plan.scale)
        trainings = len({trial.digest for trial in plan.trials})
        lines = [
            f"study {study.name}, {study.title}",
            f"{trainings} trainings at scale {plan.scale}: about {size.minutes:g} minutes on "
            f"{size.machine} if none is done yet",
            *plan.skipped,
            f"results go to  {self._folder}",
            f"to watch       icot-tui attach {self._folder}",
        ]
        self.message("\n".join(lines))

    def message(self, text: str) -> None:
        """Print a line."""
        self._printer.message(text)

    def event(self, event: "StudyEvent", status: "TrialStatus") -> None:
        """Print what happened to a trial."""
        what = {
            "training": "training" if event.run is None else f"resuming {event.run}",
            "waiting": "waiting",
            "finished": "already done" if event.reused else "finished",
            "failed": "failed",
            "stopped": "stopped",
        }[event.state]
        where = f" ({event.run})" if event.run and event.state != "training" else ""
        why = f": {event.reason}" if event.reason else ""
        self.message(f"{what:<13} {status.trial.title}{where}{why}")

    def refresh(self, runner: "Runner") -> None:
        """Show how the trials stand; called a few times a second."""
        now = time.monotonic()
        if now < self._due:
            return
        self._due = now + (LIVE_SECONDS if self._printer.live else PLAIN_SECONDS)
        if self._printer.live:
            self._printer.draw(self._figures(runner))
            return
        for status in runner.statuses:
            if status.state == "training":
                words = in_words(status, self._summary(status))
                self.message(f"{'':<13} {status.trial.title}: {', '.join(words)}")

    def trained(self) -> None:
        """Erase the trials: none is training any more."""
        self._printer.draw("")

    def close(self) -> None:
        """Leave the terminal as it was."""
        self._printer.close()

    def _figures(self, runner: "Runner") -> "RenderableType":
        from rich.console import Group
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        table = Table.grid(padding=(0, 2))
        for status in runner.statuses:
            if status.state not in ("training", "waiting"):
                continue
            summary = self._summary(status)
            most = (summary and summary.greatest_stage) or 1
            gone = min(summary.removed, most) if summary else 0
            table.add_row(
                Text(plain(status.trial.title), style="primary"),
                ProgressBar(total=most, completed=gone, width=16),
                Text(plain(", ".join(in_words(status, summary))), no_wrap=True),
            )
        return Group(table, Text(", ".join(self._totals(runner)), style="muted"))

    def _totals(self, runner: "Runner") -> list[str]:
        over = sum(status.over for status in runner.statuses)
        failed = sum(status.state == "failed" for status in runner.statuses)
        parts = [f"{over} of {len(runner.statuses)} trials over"]
        if failed:
            parts.append(f"{failed} failed")
        left = seconds_left(runner, self._seconds_left)
        if runner.stopping:
            parts.append("stopping, the trials are being saved (once more: stop at once)")
        elif left is not None:
            parts.append(f"about {duration(left)} to go")
        return parts

    def _seconds_left(self, status: "TrialStatus") -> float | None:
        summary = self._summary(status)
        return None if summary is None else summary.seconds_left()

    def _summary(self, status: "TrialStatus") -> RunSummary | None:
        """Of a trial's run as it stands, from its journal's news alone; None before it has one."""
        if status.run is None:
            return None
        new = JournalReader(status.run.journal), RunSummary(status.trial.config)
        reader, summary = self._known.setdefault(status.run.path, new)
        for when, event in reader.events():
            summary.add(when, event)
        return summary


class JsonStudyProgress(StudyProgress):
    """Prints a JSON line per event, and nothing that is for people; the journals have the rest."""

    def begin(self) -> None:
        self._write(
            {
                "event": "StudyStarted",
                "study": self._plan.study.config.name,
                "scale": self._plan.scale,
                "folder": str(self._folder),
                "trials": [trial.name for trial in self._plan.trials],
                "skipped": list(self._plan.skipped),
            }
        )

    def message(self, text: str) -> None:
        pass

    def event(self, event: "StudyEvent", status: "TrialStatus") -> None:
        self._write({"event": "Trial"} | asdict(event))

    def refresh(self, runner: "Runner") -> None:
        pass

    def _write(self, line: dict[str, object]) -> None:
        self._printer.stdout.write(json.dumps({"time": round(time.time(), 3)} | line) + "\n")


def build_study_progress(plan: "Plan", folder: Path, as_json: bool) -> StudyProgress:
    """The progress that suits the terminal, or JSON."""
    stdout = ResilientStdout(folder / "log.txt")
    if as_json:
        return JsonStudyProgress(plan, folder, Printer(stdout))
    return StudyProgress(plan, folder, Printer(stdout, live=best_style() == "live"))


def in_words(status: "TrialStatus", summary: RunSummary | None) -> list[str]:
    """How a trial stands: stage, exact match, time to go."""
    if status.state == "waiting":
        return [status.reason or "waiting for another process that trains it"]
    if summary is None or summary.facts is None:
        return ["getting ready"]
    if summary.paused is not None:
        return [f"paused: {summary.paused}", f"step {summary.metrics.step:,}"]
    if summary.asked is not None:
        return [describe(summary.asked)]
    parts = [
        f"step {summary.metrics.step:,}",
        f"removed {summary.removed} of {summary.greatest_stage}",
    ]
    if summary.metrics.evaluation is not None:
        parts.append(f"exact match {short_percent(summary.metrics.evaluation.exact_match)}")
    if (left := summary.seconds_left()) is not None:
        parts.append(f"{duration(left)} to go")
    return parts


def seconds_left(
    runner: "Runner", trial_seconds_left: "Callable[[TrialStatus], float | None]"
) -> float | None:
    """Time to go for the whole study; None before any trial can be estimated."""
    took = [s.seconds for s in runner.statuses if s.seconds is not None and not s.reused]
    now = time.monotonic()
    going: list[float] = []
    for status in runner.statuses:
        if status.state == "training" and status.began is not None:
            left = trial_seconds_left(status)
            if left is not None:
                going.append(left)
                took.append(now - status.began + left)
    if not took:
        return None
    mean = sum(took) / len(took)
    digests = {s.trial.digest for s in runner.statuses if not s.over and s.state != "training"}
    unknown = sum(s.state == "training" for s in runner.statuses) - len(going)
    total = sum(going) + mean * (len(digests) + unknown)
    return max([total / max(runner.slots, 1), *going])
