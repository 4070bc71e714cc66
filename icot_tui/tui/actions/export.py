"""What is taken along from the screen: always a file too, whose path is told."""

import time
from pathlib import Path

from icot_tui.engine.run_folder import write_atomically
from icot_tui.tui.app.user_state import state_folder

MOST_OVER_THE_TERMINAL = 74_000
"""Characters; longer copies are cut off by terminals, and are left to the file."""


def keep(folders: list[Path], name: str, ending: str, text: str) -> Path:
    """Write a file into the first of these folders that takes it, under a name with the time.

    Raises:
        OSError: none of them does.
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
