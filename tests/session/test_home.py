"""Bare `icot-tui` in a real terminal: the home screen, and the command that it becomes."""

from pathlib import Path

import pytest

from icot_tui.config.loading import dump_toml, load_config
from icot_tui.engine.journal.events import RunEnded
from icot_tui.engine.journal.journal import encode_line
from icot_tui.engine.run_folder import RunFolder
from tests.events import STARTED, trained
from tests.forked import PROGRAM
from tests.session.screen import IN_SCREEN, OUT_OF_SCREEN, Screen


@pytest.mark.slow
def test_a_run_is_chosen_and_looked_at(tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path / "runs", "tiny", dump_toml(load_config("demo").config))
    ended = RunEnded(step=1, reason="done", finished=True)
    events = (STARTED, trained(1), ended)
    folder.journal.write_bytes(b"".join(encode_line(1.8e9, event) for event in events))
    screen = Screen(PROGRAM, tmp_path)
    try:
        screen.wait_for_text("look at tiny")
        screen.type("c")
        screen.wait_for(lambda: screen.output.count(IN_SCREEN) == 2, "the second screen")
        screen.wait_for_text("watching")
        screen.type("q")
        assert screen.status() == 0
        assert "icot-tui attach runs/tiny --runs runs" in screen.text
        assert screen.output.count(OUT_OF_SCREEN) >= 2
    finally:
        screen.close()
