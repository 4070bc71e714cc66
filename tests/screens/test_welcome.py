"""The welcome, while the training starts."""

from pathlib import Path
from typing import Any, cast

import pytest
from textual.widgets import Static

from icot_tui.tui.app.app import WorkbenchApp
from icot_tui.tui.screens.help import Help
from icot_tui.tui.screens.welcome import Welcome
from tests.screens.workbench import (
    Engine,
    Go,
    a_run,
    press,
    until,
    with_engine,
)


@pytest.mark.slow
def test_the_welcome_tells_what_is_done_and_any_key_goes_on(tmp_path: Path) -> None:
    engine = Engine(a_run(tmp_path))
    engine.startup_phase = cast(Any, "loading PyTorch")

    async def steps(app: WorkbenchApp, pilot: Go) -> None:
        assert isinstance(app.screen, Welcome)
        said = str(app.screen.query_one("#progress", Static).render())
        assert "loading PyTorch" in said
        await press(pilot, "x")
        assert app.screen is app.live and app.monitor.axis == "step"

    with_engine(tmp_path, engine, steps, welcome=True)


@pytest.mark.slow
def test_the_welcome_goes_when_training_begins(tmp_path: Path) -> None:
    engine = Engine(a_run(tmp_path))
    engine.startup_phase = cast(Any, "loading PyTorch")

    async def steps(app: WorkbenchApp, pilot: Go) -> None:
        assert isinstance(app.screen, Welcome)
        engine.startup_phase = None
        await until(pilot, lambda: app.screen is app.live)

    with_engine(tmp_path, engine, steps, welcome=True)


@pytest.mark.slow
def test_the_keys_that_the_welcome_names_do_what_it_says(tmp_path: Path) -> None:
    async def steps(app: WorkbenchApp, pilot: Go) -> None:
        assert isinstance(app.screen, Welcome)
        await press(pilot, "?")
        await until(pilot, lambda: isinstance(app.screen, Help))

    engine = Engine(a_run(tmp_path))
    engine.startup_phase = cast(Any, "loading PyTorch")
    with_engine(tmp_path, engine, steps, welcome=True)
