"""What a training run prints: a live display on a terminal, plain lines elsewhere, or JSON.

The views here are called by the printing thread of `icot_tui.cli.reporter` alone.
"""

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

from icot_tui.cli.resilient_stdout import ResilientStdout
from icot_tui.engine.journal.events import (
    CheckpointFailed,
    CheckpointSaved,
    Collapsed,
    Evaluated,
    Event,
    ExampleShown,
    LossSpike,
    OptimizerReset,
    Paused,
    RolledBack,
    RunEnded,
    SpikeRecovered,
    StepsTrained,
    TokenRemoved,
    UpdatesSkipped,
    Warned,
)
from icot_tui.engine.journal.journal import journal_line
from icot_tui.engine.journal.summary import RunSummary
from icot_tui.engine.journal.wording import describe
from icot_tui.formatting import clock, count, date_and_time, duration
from icot_tui.plain import plain

if TYPE_CHECKING:
    from rich.console import Console
    from rich.live import Live

Style = Literal["live", "plain", "json", "quiet"]

LOSS_SECONDS = 15.0
"""Plain lines tell the loss so often."""
REMOVALS_SECONDS = 5.0
"""Removals that follow each other more quickly become one line."""
FOREVER = float("inf")


class View(Protocol):
    """One way to print."""

    def say(self, text: str) -> None:
        """Print lines of our own."""
        ...

    def event(self, when: float, event: Event) -> None:
        """Print an event, now or at the next refresh; the summary knows of it already."""
        ...

    def refresh(self, now: float) -> None:
        """Redraw, and print what was kept back long enough."""
        ...

    def close(self) -> None:
        """Print what is left."""
        ...


def best_style() -> Style:
    """Live on a terminal that can move its cursor, plain lines elsewhere."""
    able = os.isatty(1) and os.environ.get("TERM", "dumb") not in ("dumb", "unknown")
    return "live" if able else "plain"


def build_view(style: Style, outlet: ResilientStdout, summary: RunSummary) -> View:
    """The view of that style; the summary is kept up to date by whoever calls the view."""
    match style:
        case "live":
            return LiveView(outlet, summary)
        case "json":
            return JsonView(outlet)
        case "quiet":
            return QuietView(outlet)
    return PlainView(outlet, summary)


class QuietView:
    """Says only what it is told to."""

    def __init__(self, outlet: ResilientStdout) -> None:
        self._outlet = outlet

    def say(self, text: str) -> None:
        """Print lines of our own."""
        self._outlet.write(_plain_lines(text))

    def event(self, when: float, event: Event) -> None:
        """Nothing."""

    def refresh(self, now: float) -> None:
        """Nothing."""

    def close(self) -> None:
        """Nothing."""


class JsonView(QuietView):
    """The journal's lines; words of our own go to standard error."""

    def say(self, text: str) -> None:
        """Print lines of our own, where they don't mix with JSON."""
        with contextlib.suppress(OSError):  # perhaps nobody listens there
            os.write(2, _plain_lines(text).encode(errors="backslashreplace"))

    def event(self, when: float, event: Event) -> None:
        """Print the journal's line."""
        self._outlet.write_bytes(journal_line(when, event))


class PlainView:
    """One line an event, and the loss now and then."""

    def __init__(self, outlet: ResilientStdout, summary: RunSummary) -> None:
        self._outlet = outlet
        self._summary = summary
        self._narrator = Narrator(summary)
        self._loss_due = 0.0

    def say(self, text: str) -> None:
        """Print lines of our own."""
        self.close()
        self._outlet.write(_plain_lines(text))

    def event(self, when: float, event: Event) -> None:
        """Print its lines, with date and step."""
        for line in self._narrator.tell(when, event):
            self._print(line)
        if isinstance(event, StepsTrained) and when >= self._loss_due:
            self._loss_due = when + LOSS_SECONDS
            most, stage = self._summary.max_cot_tokens, self._summary.removed_tokens
            text = ", ".join([*pace(self._summary), f"stage {stage} of {most}"])
            self._print(Line(when, event.step, text))

    def refresh(self, now: float) -> None:
        """Print the removals that were kept back long enough."""
        for line in self._narrator.overdue(now):
            self._print(line)

    def close(self) -> None:
        """Print all that was kept back."""
        self.refresh(FOREVER)

    def _print(self, line: "Line") -> None:
        self._outlet.write(
            f"{date_and_time(line.when)}  step {line.step:>6,}  {plain(line.text)}\n"
        )


def start_live(outlet: ResilientStdout) -> "tuple[Console, Live]":
    """Lines that are redrawn in place when told to, and a console that prints above them."""
    from rich.live import Live

    from icot_tui.cli.console import console

    shown = console()
    shown.file = outlet  # type: ignore[assignment]
    live = Live(
        console=shown,
        auto_refresh=False,
        redirect_stdout=False,
        redirect_stderr=False,
        transient=True,
    )
    live.start()
    return shown, live


class LiveView:
    """Three lines that are redrawn in place, with the events as a log above them."""

    def __init__(self, outlet: ResilientStdout, summary: RunSummary) -> None:
        self._summary = summary
        self._narrator = Narrator(summary)
        self._begun = False
        self._drawn: tuple[object, ...] = ()
        self._console, self._live = start_live(outlet)

    def say(self, text: str) -> None:
        """Print lines of our own."""
        self._print(self._narrator.overdue(FOREVER))
        self._console.print(_plain_lines(text), end="", soft_wrap=True)

    def event(self, when: float, event: Event) -> None:
        """Print its lines above the metrics."""
        self._begun = True
        self._print(self._narrator.tell(when, event))

    def refresh(self, now: float) -> None:
        """Redraw the numbers if they changed."""
        self._print(self._narrator.overdue(now))
        summary = self._summary
        state = (
            self._console.size,
            self._begun,
            summary.removed_tokens,
            tuple(pace(summary)),
            tuple(results(summary)),
        )
        if state != self._drawn:
            self._drawn = state
            self._live.update(self._figures(), refresh=True)  # type: ignore[arg-type]

    def close(self) -> None:
        """Wipe the numbers and leave the log."""
        self._print(self._narrator.overdue(FOREVER))
        self._live.stop()

    def _print(self, lines: "Iterator[Line]") -> None:
        from rich.text import Text

        for line in lines:
            text = Text().append(f"{clock(line.when)}  step {line.step:>6,}  ", style="muted")
            self._console.print(text.append(plain(line.text), style=line.style), soft_wrap=True)

    def _figures(self) -> object:
        from rich.console import Group
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        summary = self._summary
        if not self._begun:
            return Text("getting ready ...", style="muted")
        removed, most = summary.removed_tokens, summary.max_cot_tokens or 0
        bar = Table.grid(padding=(0, 1))
        bar.add_row(
            Text(f"removed {removed} of {most} tokens", style="primary"),
            ProgressBar(total=max(most, 1), completed=removed, width=32),
        )
        lines = (", ".join(pace(summary)), ", ".join(results(summary)))
        return Group(bar, *(Text(line, no_wrap=True, overflow="ellipsis") for line in lines))


@dataclass(frozen=True)
class Line:
    """One line of the log."""

    when: float
    step: int
    text: str
    style: str = "none"


class Narrator:
    """Events in plain words; removals that follow each other quickly become one line.

    Args:
        summary: the run so far, the event that is told included.
    """

    def __init__(self, summary: RunSummary) -> None:
        self._summary = summary
        self._removals: list[tuple[float, TokenRemoved]] = []
        self._resets = 0

    def tell(self, when: float, event: Event) -> Iterator[Line]:
        """The lines that an event makes now; a removal's is kept back for a while."""
        if isinstance(event, StepsTrained | ExampleShown):
            return
        if isinstance(event, TokenRemoved):
            if self._removals and self._removals[-1][1].cause != event.cause:
                yield from self.overdue(FOREVER)
            self._removals.append((when, event))
        elif isinstance(event, OptimizerReset) and self._is_removals_own(event):
            self._resets += 1
        else:
            yield from self.overdue(FOREVER)
            words = describe(event, self._summary.metrics.phase_name)
            yield Line(when, event.step, words, STYLES.get(type(event), "none"))

    def overdue(self, now: float) -> Iterator[Line]:
        """The line of the removals that were kept back long enough."""
        if not self._removals or now < self._removals[0][0] + REMOVALS_SECONDS:
            return
        (_, first), (when, last) = self._removals[0], self._removals[-1]
        together = TokenRemoved(
            step=last.step,
            before=first.before,
            stage=last.stage,
            cause=last.cause,
            everything=last.everything,
        )
        reset = ", optimizer reset" if self._resets else ""
        self._removals, self._resets = [], 0
        yield Line(when, last.step, describe(together) + reset, STYLES[TokenRemoved])

    def _is_removals_own(self, event: OptimizerReset) -> bool:
        return bool(self._removals) and self._removals[-1][1].step == event.step


STYLES: dict[type[Event], str] = {
    TokenRemoved: "secondary",
    Evaluated: "success",
    SpikeRecovered: "success",
    LossSpike: "warning",
    Paused: "warning",
    RolledBack: "warning",
    UpdatesSkipped: "warning",
    Warned: "warning",
    Collapsed: "error",
    CheckpointFailed: "error",
    CheckpointSaved: "muted",
    RunEnded: "primary",
}
"""Theme style of each event's line."""


def pace(summary: RunSummary) -> list[str]:
    """Step, loss, speed and time to go, in words, as far as they are known."""
    metrics = summary.metrics
    parts = [f"step {metrics.step:,}"]
    if metrics.loss is not None:
        parts.append(f"loss {metrics.loss:.4f}")
    if summary.steps_per_second is not None:
        parts.append(f"{summary.steps_per_second:.3g} steps/s")
    if (left := summary.seconds_left()) is not None:
        parts.append(f"{duration(left)} to go")
    if summary.paused is not None:
        parts.append(f"paused: {plain(summary.paused)}")
    return parts


def results(summary: RunSummary) -> list[str]:
    """Exact match, spikes and the like, in words, as far as there are any."""
    metrics = summary.metrics
    parts: list[str] = []
    if metrics.evaluation is not None and metrics.best is not None:
        exact = metrics.evaluation.exact_match
        parts.append(f"exact match {exact:.1%} (best {metrics.best:.1%})")
    counts = {
        "spike": len(metrics.spikes),
        "open spike": metrics.open_spikes,
        "optimizer reset": metrics.resets,
        "rollback": metrics.rollbacks,
        "skipped update": metrics.skipped_updates,
        "too long row": metrics.dropped_rows,
    }
    return parts + [count(many, what) for what, many in counts.items() if many]


def _plain_lines(text: str) -> str:
    return "".join(plain(line) + "\n" for line in text.splitlines())
