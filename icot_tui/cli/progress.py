"""What a training run prints: its events as a log with live figures, as JSON, or nothing.

Called by the printing thread of `icot_tui.cli.reporter` alone.
"""

import contextlib
import os
from collections.abc import Iterable
from typing import TYPE_CHECKING

from icot_tui.cli.narrator import NarratedLine, Narrator, pace, results
from icot_tui.cli.printer import PlainPrinter, Style, build_printer, escaped_lines
from icot_tui.cli.resilient_stdout import ResilientStdout
from icot_tui.engine.journal.events import Event, StepsTrained
from icot_tui.engine.journal.journal import encode_line
from icot_tui.engine.journal.summary import RunSummary

if TYPE_CHECKING:
    from rich.console import RenderableType

LOSS_SECONDS = 15.0
"""How often plain lines report the loss."""


class QuietProgress:
    """Prints messages only."""

    def __init__(self, stdout: ResilientStdout) -> None:
        self._stdout = stdout

    def message(self, text: str) -> None:
        """Print lines that are no event."""
        self._stdout.write(escaped_lines(text))

    def event(self, when: float, event: Event) -> None:
        """Print an event, now or at the next refresh; the summary includes it already."""

    def refresh(self, now: float) -> None:
        """Redraw, and print what was held back long enough."""

    def close(self) -> None:
        """Print what is left."""


class JsonProgress(QuietProgress):
    """Prints the journal's lines; messages go to standard error."""

    def message(self, text: str) -> None:
        """Print lines that are no event where they don't mix with JSON."""
        with contextlib.suppress(OSError):  # standard error may be closed
            os.write(2, escaped_lines(text).encode(errors="backslashreplace"))

    def event(self, when: float, event: Event) -> None:
        """Print the event's journal line."""
        self._stdout.write_bytes(encode_line(when, event))


class LogProgress(QuietProgress):
    """Prints a line per event, and the figures: live on a terminal, else every few seconds."""

    def __init__(self, stdout: ResilientStdout, summary: RunSummary, printer: PlainPrinter) -> None:
        super().__init__(stdout)
        self._summary = summary
        self._printer = printer
        self._narrator = Narrator(summary)
        self._begun = False
        self._drawn: tuple[object, ...] = ()
        self._loss_due = 0.0

    def message(self, text: str) -> None:
        """Print lines that are no event."""
        self._log(self._narrator.flush())
        self._printer.message(text)

    def event(self, when: float, event: Event) -> None:
        """Print the event's lines."""
        self._begun = True
        self._log(self._narrator.lines(when, event))
        trained = isinstance(event, StepsTrained) and not self._printer.live
        if trained and when >= self._loss_due:
            self._loss_due = when + LOSS_SECONDS
            stage = f"stage {self._summary.removed_tokens} of {self._summary.max_cot_tokens}"
            self._printer.log(when, event.step, ", ".join([*pace(self._summary), stage]))

    def refresh(self, now: float) -> None:
        """Print the removals that were held back long enough, and redraw changed metrics."""
        self._log(self._narrator.overdue(now))
        if not self._printer.live:
            return
        words = ", ".join(pace(self._summary)), ", ".join(results(self._summary))
        state = (self._printer.size, self._begun, self._summary.removed_tokens, words)
        if state != self._drawn:
            self._drawn = state
            self._printer.draw(self._figures(words))

    def close(self) -> None:
        """Print what is held back, and erase the metrics."""
        self._log(self._narrator.flush())
        self._printer.close()

    def _log(self, lines: Iterable[NarratedLine]) -> None:
        for line in lines:
            self._printer.log(line.when, line.step, line.text, line.style)

    def _figures(self, words: Iterable[str]) -> "RenderableType":
        from rich.console import Group
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        if not self._begun:
            return Text("getting ready ...", style="muted")
        removed, most = self._summary.removed_tokens, self._summary.max_cot_tokens or 0
        bar = Table.grid(padding=(0, 1))
        bar.add_row(
            Text(f"removed {removed} of {most} tokens", style="primary"),
            ProgressBar(total=max(most, 1), completed=removed, width=32),
        )
        return Group(bar, *(Text(line, no_wrap=True, overflow="ellipsis") for line in words))


def build_progress(style: Style, stdout: ResilientStdout, summary: RunSummary) -> QuietProgress:
    """The progress in that style; the caller keeps the summary up to date."""
    match style:
        case "json":
            return JsonProgress(stdout)
        case "quiet":
            return QuietProgress(stdout)
    return LogProgress(stdout, summary, build_printer(style, stdout))
