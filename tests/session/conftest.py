from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from icot_tui.cli.app import main
from tests.forked import PROGRAM
from tests.session.screen import Screen


@pytest.fixture
def launch(tmp_path: Path) -> Iterator[Callable[..., Screen]]:
    """Starts `icot-tui launch tiny.toml` in a terminal of its own: forked, unless it must load."""
    screens = []

    def start(
        *options: str,
        command: str = "launch",
        run: str = "tiny.toml",
        program: Callable[[], object] = main,
        loading: bool = False,
    ) -> Screen:
        arguments = [command, run, *options]
        if loading:
            screens.append(Screen([*PROGRAM, *arguments], tmp_path))
        else:
            screens.append(Screen(arguments, tmp_path, program=program))
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
