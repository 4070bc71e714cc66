"""Copies, files, pictures and whole runs that the user takes along; messages say where they are."""

import asyncio
import os
import sys
import time
from asyncio.subprocess import DEVNULL, PIPE, STDOUT
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textual.app import App
from textual.notifications import SeverityLevel

from icot_tui.engine.run_folder import RunFolder
from icot_tui.files import write_atomically
from icot_tui.tui.actions.runner import Handler, notify_user
from icot_tui.tui.app.user_state import state_folder
from icot_tui.tui.chart.widget import Chart
from icot_tui.tui.frame.panel import Panel
from icot_tui.tui.panels.base import Lines
from icot_tui.tui.panels.text import text_of

if TYPE_CHECKING:
    from icot_tui.tui.app.workbench import Workbench

CLIPBOARD_LIMIT = 74_000
"""Characters; terminals cut off longer copies, which are left to the file."""
READ_SECONDS = 10.0
"""Time to read a message with a path."""
NO_PANEL = "Go to a panel first, with Tab or its number."

File = tuple[str, str, str]
"""Name, ending and content."""


def save_file(folders: Sequence[Path], name: str, ending: str, text: str) -> Path:
    """Write a file, with the time in its name, into the first folder that accepts it.

    The user's state folder is tried last; raises OSError if it does not accept the file either.
    """
    for folder in (*folders, state_folder()):
        path = folder / f"{name}-{time.strftime('%Y%m%d-%H%M%S')}.{ending}"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            write_atomically(path, text)
            return path
        except OSError as error:
            failure = error
    raise failure


def save_files(
    app: App[Any], what: str, files: Sequence[File], folders: Sequence[Path] = ()
) -> None:
    """Write files, and tell the user where they are or why they can't be written."""
    try:
        paths = [save_file(folders, *file) for file in files]
    except OSError as error:
        notify_user(app, f"The {what} can't be written: {error.strerror}", "error")
        return
    written = [str(paths[0])]
    for before, path in pairwise(paths):
        same = before.with_suffix("") == path.with_suffix("")
        written.append(path.suffix if same else str(path))
    notify_user(app, f"Written: {', '.join(written)}", seconds=READ_SECONDS)


def save_screenshot(app: App[Any], folders: Sequence[Path] = ()) -> None:
    """Write the screen as it is, as SVG."""
    svg = app.export_screenshot(title="icot-tui")
    save_files(app, "picture", [("screen", "svg", svg)], folders)


def copy_text(app: App[Any], text: str, name: str) -> None:
    """Copy to the clipboard by way of the terminal (OSC 52), and into a file."""
    fits = len(text) <= CLIPBOARD_LIMIT
    if fits:
        app.copy_to_clipboard(text)
    try:
        kept = f"also in {save_file([], f'copy-{name}', 'txt', text)}"
    except OSError as error:
        kept = f"no file could be written: {error.strerror}"
    first = "Copied" if fits else "Too long for the clipboard"
    notify_user(app, f"{first}; {kept}", seconds=READ_SECONDS)


class LiveExport:
    """Writes what is shown, or the run, to files; a copy goes to the clipboard as well."""

    def __init__(self, app: "Workbench") -> None:
        self._app, self._live = app, app.live

    def handlers(self) -> dict[str, Handler]:
        return {
            "copy": self._copy_panel,
            "export": self._export_chart,
            "export-run": self._export_run,
            "screenshot": lambda: save_screenshot(self._app, self._folders()),
        }

    def _folders(self) -> list[Path]:
        """The run's own folder, where it can be written."""
        source = self._app.monitor.source
        return [] if source is None else [source.folder.path / "pictures"]

    def _copy_panel(self) -> None:
        panel, chart = self._live.focused_panel, self._live.chart
        if panel is not None:
            copy_text(self._app, panel_text(panel), panel.id or "panel")
        elif chart is not None:
            copy_text(self._app, chart.text(), "chart")
        else:
            notify_user(self._app, NO_PANEL, "warning")

    def _export_chart(self) -> None:
        chart, panel = self._live.chart, self._live.panel_with_chart
        if chart is None:
            notify_user(self._app, "There is no chart in sight.", "warning")
            return
        name = f"{'' if panel is None else panel.id}-chart"
        drawings = {"txt": chart.text(), "svg": chart.svg(), "csv": chart.csv()}
        files = [(name, ending, text) for ending, text in drawings.items()]
        save_files(self._app, "chart", files, self._folders())

    def _export_run(self) -> None:
        source = self._app.monitor.source
        if source is not None:
            notify_user(self._app, f"Writing {source.folder.name} as CSV, and its model card.")
            worker = self._write_run(source.folder)
            self._app.run_worker(worker, group="export", exclusive=True)

    async def _write_run(self, run: RunFolder) -> None:
        """Write all steps as CSV, and a model card, in a process of their own."""
        own = os.access(run.path, os.W_OK)
        folder = run.path / "export" if own else state_folder() / "export" / run.name
        command = [sys.executable, "-P", "-m", "icot_tui", "runs", "export", str(run.path)]
        problem = ""
        try:
            folder.mkdir(parents=True, exist_ok=True)
            for kind, name in (("csv", "steps.csv"), ("card", "README.md")):
                process = await asyncio.create_subprocess_exec(
                    *command, "--to", kind, "--out", str(folder / name),
                    stdin=DEVNULL, stdout=PIPE, stderr=STDOUT,
                )  # fmt: skip
                output, _ = await process.communicate()
                if process.returncode:
                    problem = output.decode(errors="replace").strip()
                    break
        except OSError as error:
            problem = f"The run can't be exported: {error.strerror}"
        text = problem or f"Written: steps.csv and README.md in {folder}"
        severity: SeverityLevel = "error" if problem else "information"
        notify_user(self._app, text, severity, READ_SECONDS)


def panel_text(panel: Panel) -> str:
    """What a panel shows, and what is out of sight of its lines."""
    parts = []
    for widget in panel.query("*"):
        if not widget.display:
            continue
        if isinstance(widget, Chart):
            parts.append(widget.text())
        elif isinstance(widget, Lines):
            parts += [text_of(line) for line in widget.lines]
    return "\n".join(part.rstrip() for part in parts) + "\n"
