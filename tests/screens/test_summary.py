"""How a training ends on the screen: the question at leaving, the summary, and what comes next."""

import asyncio
import csv
from pathlib import Path

import pytest
from textual.pilot import Pilot
from textual.widgets import OptionList

from icot_tui.engine.journal.events import RunEnded, RunResumed
from icot_tui.tui.app.app import WorkbenchApp
from icot_tui.tui.play.screen import PlayScreen
from icot_tui.tui.screens.runs import Runs
from icot_tui.tui.screens.summary import SummaryDialog
from icot_tui.tui.session.run_app import ExitChoice
from tests.screens.workbench import (
    Engine,
    a_run,
    drive,
    picture,
    press,
    settled,
    toasts,
    until,
    with_engine,
)

Go = Pilot[ExitChoice]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("keys", "answer"), [("qd", "detach"), ("qs", "save"), ("qn", "now"), ("q", None)]
)
def test_leaving_asks_what_becomes_of_the_training(
    tmp_path: Path, keys: str, answer: ExitChoice | None
) -> None:
    engine = Engine(a_run(tmp_path))

    async def steps(app: WorkbenchApp, pilot: Go) -> None:
        await press(pilot, *keys)
        if answer is None:
            assert "leave it training in the background" in "\n".join(picture(app))
            await press(pilot, "escape", "p")
            assert [command.name for command in engine.sent] == ["pause"]

    assert with_engine(tmp_path, engine, steps).return_value == answer


@pytest.mark.slow
def test_when_training_ends_the_screen_stays_with_a_summary(tmp_path: Path) -> None:
    told = a_run(tmp_path)
    engine = Engine(told)

    async def steps(app: WorkbenchApp, pilot: Go) -> None:
        told.tell(RunEnded(step=250, reason="300 steps are done", finished=True))
        engine.phase, engine.alive = "ended", False
        await until(pilot, lambda: isinstance(app.screen, SummaryDialog))
        await settled(pilot)
        text = "\n".join(picture(app))
        for words in ("300 steps are done", "2 of 8 tokens", "90.0 %", "250,", "icot-tui eval"):
            assert words in text, words
        assert not app._notifications  # the summary says it already
        choices = app.screen.query_one(OptionList)
        labels = [str(choices.get_option_at_index(at).prompt) for at in range(5)]
        assert [label.split()[:2] for label in labels[:3]] == [
            ["k", "ask"],
            ["r", "compare"],
            ["W", "export"],
        ]
        await press(pilot, "down", "down", "down", "enter")
        assert app.clipboard.startswith("icot-tui eval ")
        await press(pilot, "q")

    assert with_engine(tmp_path, engine, steps).return_value == "close"


@pytest.mark.slow
def test_q_leaves_from_the_summary_too(tmp_path: Path) -> None:
    told = a_run(tmp_path)
    engine = Engine(told)

    async def steps(app: WorkbenchApp, pilot: Go) -> None:
        told.tell(RunEnded(step=250, reason="300 steps are done", finished=True))
        engine.phase, engine.alive = "ended", False
        await until(pilot, lambda: isinstance(app.screen, SummaryDialog))
        await press(pilot, "q")

    assert with_engine(tmp_path, engine, steps).return_value == "close"


@pytest.mark.slow
def test_the_summary_goes_when_the_run_goes_on(tmp_path: Path) -> None:
    told = a_run(tmp_path)

    async def steps(app: WorkbenchApp, pilot: Go) -> None:
        told.tell(RunEnded(step=250, reason="stopped by command, after saving", finished=False))
        app.draw()
        await until(pilot, lambda: isinstance(app.screen, SummaryDialog))
        told.tell(RunResumed(step=250, checkpoint="step-00000250"))
        app.draw()
        await until(pilot, lambda: app.screen is app.live)

    drive(tmp_path, steps, told.source)


@pytest.mark.slow
def test_the_summary_opens_for_a_viewer_too_when_the_run_ends_before_his_eyes(
    tmp_path: Path,
) -> None:
    told = a_run(tmp_path)

    async def steps(app: WorkbenchApp, pilot: Go) -> None:
        told.tell(RunEnded(step=250, reason="300 steps are done", finished=True))
        app.draw()
        await until(pilot, lambda: isinstance(app.screen, SummaryDialog))
        await press(pilot, "escape")
        app.draw()
        assert app.screen is app.live

    drive(tmp_path, steps, told.source)

    async def later(app: WorkbenchApp, pilot: Go) -> None:
        app.draw()
        assert app.screen is app.live

    drive(tmp_path, later, told.source)


def test_a_failed_training_is_told_in_a_sentence(tmp_path: Path) -> None:
    engine = Engine(a_run(tmp_path))

    async def steps(app: WorkbenchApp, pilot: Go) -> None:
        engine.phase, engine.error, engine.alive = "failed", "the data file is gone", False
        await until(pilot, lambda: isinstance(app.screen, SummaryDialog))
        await settled(pilot)
        assert "the data file is gone" in "\n".join(picture(app))

    with_engine(tmp_path, engine, steps)


@pytest.mark.slow
@pytest.mark.parametrize(("key", "opened"), [("k", PlayScreen), ("r", Runs)])
def test_the_summary_leads_on_to_the_playground_and_to_other_runs(
    key: str, opened: type, tmp_path: Path
) -> None:
    told = a_run(tmp_path)
    (told.folder.checkpoints / "step-00000250").mkdir(parents=True)

    async def steps(app: WorkbenchApp, pilot: Go) -> None:
        await press(pilot, "u")
        assert isinstance(app.screen, SummaryDialog)
        await press(pilot, key)
        await until(pilot, lambda: isinstance(app.screen, opened))

    drive(tmp_path, steps, told.source)


@pytest.mark.slow
def test_a_run_is_exported_for_other_programs(tmp_path: Path) -> None:
    told = a_run(tmp_path)

    async def steps(app: WorkbenchApp, pilot: Go) -> None:
        await press(pilot, "W")
        async with asyncio.timeout(30):
            while not any("Written: steps.csv" in toast for toast in toasts(app)):
                assert not any("can't" in toast for toast in toasts(app))
                await asyncio.sleep(0.1)

    drive(tmp_path, steps, told.source)
    export = told.folder.path / "export"
    with open(export / "steps.csv", newline="") as file:
        assert [int(row["step"]) for row in csv.DictReader(file)] == list(range(1, 251))
    assert (export / "README.md").read_text().startswith("---")


@pytest.mark.slow
def test_a_run_that_cannot_be_exported_says_why(tmp_path: Path) -> None:
    told = a_run(tmp_path)
    (told.folder.path / "export").write_text("in the way")

    async def steps(app: WorkbenchApp, pilot: Go) -> None:
        await press(pilot, "W")
        await until(pilot, lambda: any("can't be exported: File exists" in t for t in toasts(app)))

    drive(tmp_path, steps, told.source)


@pytest.mark.slow
@pytest.mark.parametrize(("keys", "home"), [("Hs", True), ("Hd", True), ("qs", False)])
def test_on_the_way_home_one_is_asked_the_same(tmp_path: Path, keys: str, home: bool) -> None:
    engine = Engine(a_run(tmp_path))

    async def steps(app: WorkbenchApp, pilot: Go) -> None:
        await press(pilot, "H")
        assert "The run is still training." in "\n".join(picture(app))
        await press(pilot, "escape", *keys)

    app = with_engine(tmp_path, engine, steps, from_home=True)
    assert app.return_value == {"s": "save", "d": "detach"}[keys[1]] and app.home_next == home
