from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.session.screen import PROGRAM, WITH_MISHAPS, Screen


@pytest.fixture
def launch(tmp_path: Path) -> Iterator[Callable[..., Screen]]:
    """Starts `icot-tui launch tiny.toml` in a terminal of its own."""
    screens = []

    def start(
        *options: str, command: str = "launch", run: str = "tiny.toml", mishaps: bool = False
    ) -> Screen:
        program = WITH_MISHAPS if mishaps else PROGRAM
        screens.append(Screen([*program, command, run, *options], tmp_path))
        return screens[-1]

    yield start
    for screen in screens:
        screen.close()


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Screen]:
    """An interactive shell in a terminal, with job control."""
    screen = Screen(["bash", "--norc", "--noprofile", "-i"], tmp_path)
    yield screen
    screen.close()
