"""Copies, files and pictures that the user takes along; each message says where they are."""

import time
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from textual.app import App

from icot_tui.engine.run_folder import write_atomically
from icot_tui.tui.actions.runner import notify_user
from icot_tui.tui.app.user_state import state_folder

CLIPBOARD_LIMIT = 74_000
"""Characters; terminals cut off longer copies, which are left to the file."""
READ_SECONDS = 10.0
"""Time to read a message with a path."""

File = tuple[str, str, str]
"""Name, ending and content."""


def save_file(folders: Sequence[Path], name: str, ending: str, text: str) -> Path:
    """Write a file, with the time in its name, into the first folder that accepts it.

    Args:
        folders: tried in this order, and after them the user's state folder.

    Raises:
        OSError: none accepts it.
    """
    failure: OSError | None = None
    for folder in (*folders, state_folder()):
        path = folder / f"{name}-{time.strftime('%Y%m%d-%H%M%S')}.{ending}"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            write_atomically(path, text)
            return path
        except OSError as error:
            failure = error
    assert failure is not None
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
