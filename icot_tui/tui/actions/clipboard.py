"""Copies, charts and pictures to take along; each is a file too, whose path is told."""

import asyncio
import os
import sys
from asyncio.subprocess import DEVNULL, PIPE, STDOUT
from pathlib import Path
from typing import TYPE_CHECKING

from icot_tui.engine.run_folder import RunFolder
from icot_tui.plain import plain
from icot_tui.tui.actions.export import MOST_OVER_THE_TERMINAL, keep
from icot_tui.tui.app.user_state import state_folder
from icot_tui.tui.frame.panel import Panel
from icot_tui.tui.panels.lines import Lines
from icot_tui.tui.panels.text import text_of

if TYPE_CHECKING:
    from icot_tui.tui.app.app import WorkbenchApp


def copy_panel(app: "WorkbenchApp") -> None:
    """The panel in focus as text."""
    panel = app.live.focused_panel
    if panel is None:
        chart = app.live.chart
        if chart is None:
            app.tell("Go to a panel first, with Tab or its number.", "warning")
            return
        copy_text(app, chart.text(), "chart")
        return
    copy_text(app, panel_text(panel), panel.id or "panel")


def panel_text(panel: Panel) -> str:
    """What a panel shows, and what is out of sight of its lines."""
    from icot_tui.tui.chart.widget import Chart

    parts = []
    for widget in panel.query("*"):
        if not widget.display:
            continue
        if isinstance(widget, Chart):
            parts.append(widget.text())
        elif isinstance(widget, Lines):
            parts += [text_of(line) for line in widget.lines]
    return "\n".join(part.rstrip() for part in parts) + "\n"


def copy_text(app: "WorkbenchApp", text: str, what: str) -> None:
    """To the clipboard by way of the terminal (OSC 52), and to a file."""
    by_terminal = len(text) <= MOST_OVER_THE_TERMINAL
    if by_terminal:
        app.copy_to_clipboard(text)
    try:
        path = keep([], f"copy-{what}", "txt", text)
    except OSError as error:
        kept = f"no file could be written: {error.strerror}"
    else:
        kept = f"also in {path}"
    first = "Copied" if by_terminal else "Too long for the clipboard"
    app.tell(f"{first}; {kept}", seconds=8.0)


def export_chart(app: "WorkbenchApp") -> None:
    """The chart as text, SVG and CSV."""
    chart = app.live.chart
    if chart is None:
        app.tell("There is no chart in sight.", "warning")
        return
    name = next((panel.id or "" for panel in app.live.board.seen if panel in chart.ancestors), "")
    try:
        paths = [
            keep(_folders(app), f"{name}-chart", ending, text)
            for ending, text in (
                ("txt", chart.text()),
                ("svg", chart.svg()),
                ("csv", chart.csv()),
            )
        ]
    except OSError as error:
        app.tell(f"The chart can't be written: {error.strerror}", "error")
        return
    app.tell(f"Written: {paths[0].with_suffix('')}.txt, .svg and .csv", seconds=10.0)


def export_run(app: "WorkbenchApp") -> None:
    """All steps as CSV, and a model card; written by a process of their own."""
    source = app.following.source
    if source is not None:
        app.tell(f"Writing {source.folder.name} as CSV, and its model card.")
        app.run_worker(_export(app, source.folder), group="export", exclusive=True)


async def _export(app: "WorkbenchApp", run: RunFolder) -> None:
    mine = os.access(run.path, os.W_OK)
    folder = run.path / "export" if mine else state_folder() / "export" / run.name
    command = [sys.executable, "-P", "-m", "icot_tui", "runs", "export", str(run.path)]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for kind, name in (("csv", "steps.csv"), ("card", "README.md")):
            process = await asyncio.create_subprocess_exec(
                *command, "--format", kind, "--out", str(folder / name),
                stdin=DEVNULL, stdout=PIPE, stderr=STDOUT,
            )  # fmt: skip
            said, _ = await process.communicate()
            if process.returncode:
                app.tell(plain(said.decode(errors="replace").strip()), "error", seconds=10.0)
                return
    except OSError as error:
        app.tell(f"The run can't be exported: {error.strerror}", "error", seconds=10.0)
        return
    app.tell(f"Written: steps.csv and README.md in {folder}", seconds=10.0)


def screenshot(app: "WorkbenchApp") -> None:
    """The screen as it is, as SVG."""
    try:
        path = keep(_folders(app), "screen", "svg", app.export_screenshot(title="icot-tui"))
    except OSError as error:
        app.tell(f"The picture can't be written: {error.strerror}", "error")
        return
    app.tell(f"Written: {path}", seconds=10.0)


def _folders(app: "WorkbenchApp") -> list[Path]:
    """The run's own folder, where it can be written."""
    source = app.following.source
    return [] if source is None else [source.folder.path / "pictures"]
