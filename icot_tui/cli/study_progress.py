"""What `icot-tui study` prints while its trials train: live, in plain lines, or as JSON."""

import json
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from icot_tui.cli.progress import best_style, start_live
from icot_tui.cli.resilient_stdout import ResilientStdout
from icot_tui.engine.journal.journal import JournalReader
from icot_tui.engine.journal.summary import RunSummary
from icot_tui.engine.journal.wording import describe
from icot_tui.formatting import duration
from icot_tui.plain import plain

if TYPE_CHECKING:
    from icot_tui.studies.folder import StudyEvent
    from icot_tui.studies.plan import Plan
    from icot_tui.studies.runner import Runner, Status

PLAIN_SECONDS = 30.0
"""Plain lines tell how the trials are so often."""
LIVE_SECONDS = 1.0
"""The live display is renewed so often."""


class View(Protocol):
    """One way to print."""

    def greet(self) -> None:
        """Say what begins."""
        ...

    def say(self, text: str) -> None:
        """Print a line of our own."""
        ...

    def happened(self, happening: "StudyEvent", status: "Status") -> None:
        """Something became of a trial."""
        ...

    def look(self, runner: "Runner") -> None:
        """Show how it stands; called a few times a second."""
        ...

    def trained(self) -> None:
        """No trial trains any more."""
        ...

    def close(self) -> None:
        """Leave the terminal as it was."""
        ...


def build_view(plan: "Plan", folder: Path, as_json: bool) -> View:
    """The view that fits the terminal."""
    outlet = ResilientStdout(folder / "log.txt")
    if as_json:
        return JsonView(plan, folder, outlet)
    return (LiveView if best_style() == "live" else PlainView)(plan, folder, outlet)


class Followers:
    """Reads the journals of the runs at work, a little at a time."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[Path, JournalReader, RunSummary]] = {}

    def summary(self, status: "Status") -> RunSummary | None:
        """A trial's run as it stands; None before it has one."""
        if status.run is None:
            return None
        name, path = status.trial.name, status.run.path
        if name not in self._known or self._known[name][0] != path:
            reader = JournalReader(status.run.journal)
            self._known[name] = path, reader, RunSummary(status.trial.config)
        _, reader, summary = self._known[name]
        for when, event in reader.events():
            summary.add(when, event)
        return summary


def in_words(status: "Status", summary: RunSummary | None) -> list[str]:
    """How a trial stands: stage, exact match, time to go."""
    if status.state == "waiting":
        return [status.reason or "another process trains it; waiting for it"]
    if summary is None or summary.facts is None:
        return ["getting ready"]
    if summary.paused is not None:
        return [f"paused: {summary.paused}", f"step {summary.metrics.step:,}"]
    if summary.asked is not None:
        return [describe(summary.asked)]
    parts = [
        f"step {summary.metrics.step:,}",
        f"removed {summary.removed_tokens} of {summary.max_cot_tokens}",
    ]
    if summary.metrics.evaluation is not None:
        parts.append(f"exact match {summary.metrics.evaluation.exact_match:.1%}")
    if (left := summary.seconds_left()) is not None:
        parts.append(f"{duration(left)} to go")
    return parts


def seconds_left(runner: "Runner", left: "Callable[[Status], float | None]") -> float | None:
    """Time to go for the whole study; None before a trial told how long it takes."""
    took = [s.seconds for s in runner.statuses if s.seconds is not None and not s.reused]
    now = time.monotonic()
    going: list[float] = []
    for status in runner.statuses:
        if status.state == "training" and status.began is not None:
            to_go = left(status)
            if to_go is not None:
                going.append(to_go)
                took.append(now - status.began + to_go)
    if not took:
        return None
    mean = sum(took) / len(took)
    digests = {s.trial.digest for s in runner.statuses if not s.over and s.state != "training"}
    unknown = sum(s.state == "training" for s in runner.statuses) - len(going)
    total = sum(going) + mean * (len(digests) + unknown)
    return max([total / max(runner.places, 1), *going])


class PlainView:
    """One line a happening, and now and then one for each trial at work."""

    def __init__(self, plan: "Plan", folder: Path, outlet: ResilientStdout) -> None:
        self._plan = plan
        self._folder = folder
        self._outlet = outlet
        self._followers = Followers()
        self._due = 0.0

    def greet(self) -> None:
        """Say what begins."""
        plan = self._plan
        size = plan.study.scale(plan.scale)
        trainings = len({trial.digest for trial in plan.trials})
        self.say(f"study {plan.study.config.name}, {plan.study.config.title}")
        about = f"about {size.minutes:g} minutes on {size.machine} if none is done yet"
        self.say(f"{trainings} trainings at scale {plan.scale}: {about}")
        for sentence in plan.skipped:
            self.say(sentence)
        self.say(f"results go to  {self._folder}")
        self.say(f"look at it     icot-tui attach {self._folder}")

    def say(self, text: str) -> None:
        """Print a line of our own."""
        self._outlet.write(plain(text) + "\n")

    def happened(self, happening: "StudyEvent", status: "Status") -> None:
        """Something became of a trial."""
        self.say(self._line(happening, status))

    def _line(self, happening: "StudyEvent", status: "Status") -> str:
        what = {
            "training": "training" if happening.run is None else f"going on with {happening.run}",
            "waiting": "waiting",
            "finished": "already there" if happening.reused else "finished",
            "failed": "failed",
            "stopped": "stopped",
        }[happening.state]
        where = f" ({happening.run})" if happening.run and happening.state != "training" else ""
        why = f": {happening.reason}" if happening.reason else ""
        return f"{what:<13} {status.trial.title}{where}{why}"

    def look(self, runner: "Runner") -> None:
        """Tell now and then how the trials at work are."""
        now = time.monotonic()
        if now < self._due:
            return
        self._due = now + PLAIN_SECONDS
        for status in runner.statuses:
            if status.state == "training":
                words = in_words(status, self._followers.summary(status))
                self.say(f"{'':<13} {status.trial.title}: {', '.join(words)}")

    def trained(self) -> None:
        """Nothing."""

    def close(self) -> None:
        """Nothing."""


class JsonView(PlainView):
    """A JSON line a happening; words of our own go nowhere."""

    def greet(self) -> None:
        """What is planned."""
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

    def say(self, text: str) -> None:
        """Nothing."""

    def happened(self, happening: "StudyEvent", status: "Status") -> None:
        """Print it."""
        self._write({"event": "Trial"} | asdict(happening))

    def look(self, runner: "Runner") -> None:
        """Nothing: the runs' journals have it."""

    def _write(self, line: dict[str, object]) -> None:
        self._outlet.write(json.dumps({"time": round(time.time(), 3)} | line) + "\n")


class LiveView(PlainView):
    """The trials at work in a few lines that are redrawn, with what happened above them."""

    def __init__(self, plan: "Plan", folder: Path, outlet: ResilientStdout) -> None:
        super().__init__(plan, folder, outlet)
        self._console, self._live = start_live(outlet)

    def say(self, text: str) -> None:
        """Print a line above the display."""
        self._console.print(plain(text), soft_wrap=True)

    def look(self, runner: "Runner") -> None:
        """Redraw the display."""
        now = time.monotonic()
        if now < self._due:
            return
        self._due = now + LIVE_SECONDS
        self._live.update(self._figures(runner), refresh=True)  # type: ignore[arg-type]

    def trained(self) -> None:
        """Wipe the trials."""
        self._live.update("", refresh=True)

    def close(self) -> None:
        """Wipe the display and leave what happened."""
        self._live.stop()

    def _figures(self, runner: "Runner") -> object:
        from rich.console import Group
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        table = Table.grid(padding=(0, 2))
        for status in runner.statuses:
            if status.state not in ("training", "waiting"):
                continue
            summary = self._followers.summary(status)
            most = (summary and summary.max_cot_tokens) or 1
            gone = min(summary.removed_tokens, most) if summary else 0
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

        def to_go(status: "Status") -> float | None:
            summary = self._followers.summary(status)
            return None if summary is None else summary.seconds_left()

        left = seconds_left(runner, to_go)
        if runner.stopping:
            parts.append("stopping: the trials are saved (once more: stop at once)")
        elif left is not None:
            parts.append(f"about {duration(left)} to go")
        return parts
