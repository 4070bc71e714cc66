"""`icot-tui watch`: a line for each run, until they have all ended."""

import contextlib
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from typer import Argument, Option

from icot_tui.cli.console import console
from icot_tui.cli.options import Runs, examples
from icot_tui.engine.journal.summary import RunSummary
from icot_tui.engine.run_folder import RunFolder, runs_folder
from icot_tui.formatting import clock, plain, short_percent
from icot_tui.output import say
from icot_tui.watch.runs import AT_WORK, read_run
from icot_tui.watch.time_left import time_left

if TYPE_CHECKING:
    from rich.text import Text

app = typer.Typer()

COLUMNS = ("run", "status", "step", "removed", "loss", "exact match", "steps/s", "to go")
STATUSES = {"training": "running", "dead": "gone"}
"""Words for statuses; the others are their own. A run that failed leaves no word: it is gone."""
STYLES = {
    "running": "success",
    "held": "warning",
    "paused": "warning",
    "stalled": "error",
    "gone": "error",
    "finished": "primary",
}


@app.command(epilog=examples("icot-tui watch", "icot-tui watch demo demo-no-cot && echo done"))
def watch(
    names: Annotated[
        list[str] | None,
        Argument(metavar="RUN...", help="Names or folders (default: all that are at work)."),
    ] = None,
    every: Annotated[float, Option(min=0.1, help="Seconds between two looks.")] = 1.0,
    runs: Runs = None,
) -> int:
    """Watch runs, a line each, until all have ended; Ctrl-C leaves them alone.

    Without a terminal, a line is printed whenever a run's status, its removed tokens or its
    accuracy change. A run that is gone failed or was killed.

    Exit status: 0 they ended, or you left; 1 one of them is gone.
    """
    where = runs or runs_folder()
    if names:
        watched = [WatchedRun(RunFolder.find(where, name)) for name in names]
    else:
        watched = [WatchedRun(folder) for folder in RunFolder.all(where) if folder.is_locked()]
    if not watched:
        say(plain(f"no run is at work in {where}"))
        return 0
    with contextlib.suppress(KeyboardInterrupt):
        if sys.stdout.isatty():
            _redraw(watched, every)
        else:
            _print_changes(watched, every)
        return int(any(run.status == "gone" for run in watched))
    return 0


class WatchedRun:
    """A run, and its status in one word as of the last look."""

    def __init__(self, folder: RunFolder) -> None:
        self.folder = folder
        self.status, self.ended = "", False
        self._reader = read_run(folder)

    @property
    def summary(self) -> RunSummary:
        return self._reader.summary

    def look(self) -> None:
        """Read what is new."""
        reader = self._reader
        reader.read()
        reader.summary.config = reader.config
        status = reader.status(time.time())
        held = status == "training" and self.summary.metrics.held
        self.status = "held" if held else STATUSES.get(status, status)
        self.ended = status not in AT_WORK

    def cells(self) -> tuple[str, ...]:
        """What stands in its line."""
        summary, metrics = self.summary, self.summary.metrics
        last, most, pace = metrics.evaluation, summary.greatest_stage, summary.steps_per_second
        left = "" if self.ended else time_left(summary)
        return (
            self.folder.name,
            self.status,
            f"{metrics.step:,}",
            f"{summary.removed} of {most}" if most else "",
            "" if metrics.loss is None else f"{metrics.loss:.4f}",
            "" if last is None else short_percent(last.exact_match),
            "" if pace is None or self.ended else f"{pace:.3g}",
            left,
        )


def _looks(watched: Sequence[WatchedRun], every: float) -> Iterator[None]:
    """Look at all runs again and again, until all have ended."""
    while True:
        for run in watched:
            run.look()
        yield
        if all(run.ended for run in watched):
            return
        time.sleep(every)


def _redraw(watched: Sequence[WatchedRun], every: float) -> None:
    from rich.live import Live

    drawn: list[tuple[str, ...]] = []
    with Live(console=console(), auto_refresh=False) as live:
        for _ in _looks(watched, every):
            rows = [run.cells() for run in watched]
            if rows != drawn:
                drawn = rows
                live.update(_lines(rows), refresh=True)


def _lines(rows: Sequence[tuple[str, ...]]) -> "Text":
    """The rows below their heading; a table of rich takes fifteen times as long to draw."""
    from rich.cells import cell_len, set_cell_size
    from rich.text import Text

    rows = [COLUMNS, *((plain(name), *rest) for name, *rest in rows)]
    widths = [max(map(cell_len, column)) for column in zip(*rows, strict=True)]
    text = Text(no_wrap=True, overflow="ellipsis")
    for number, (name, status, *figures) in enumerate(rows):
        aligned = [cell.rjust(width) for cell, width in zip(figures, widths[2:], strict=True)]
        style = STYLES.get(status, "") if number else "table.header"
        text.append(set_cell_size(name, widths[0]), style if not number else "")
        text.append(f"  {status.ljust(widths[1])}  ", style)
        text.append("  ".join(aligned) + "\n", style if not number else "")
    return text


def _print_changes(watched: Sequence[WatchedRun], every: float) -> None:
    told: dict[Path, tuple[str, ...]] = {}
    for _ in _looks(watched, every):
        for run in watched:
            name, status, step, removed, loss, exact, *_ = run.cells()
            if told.get(run.folder.path) != (status, removed, exact):
                told[run.folder.path] = status, removed, exact
                parts = [f"step {step}"] if run.summary.facts else []
                parts += [f"removed {removed}"] if removed else []
                parts += [f"loss {loss}"] if loss else []
                parts += [f"exact match {exact}"] if exact else []
                words = ", ".join([status, *parts])
                say(f"{clock(time.time())}  {plain(name)}: {words}", flush=True)
