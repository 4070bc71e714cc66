"""The home screen: what it offers, how it looks, and the command that each choice becomes."""

import asyncio
import re
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from textual.pilot import Pilot

from icot_tui import resources
from icot_tui.config.loading import load_config
from icot_tui.engine.journal.events import RunEnded
from icot_tui.engine.run_folder import RunFolder
from icot_tui.tui.app.settings import Options
from icot_tui.tui.app.user_state import UserState
from icot_tui.tui.home.app import HomeApp
from icot_tui.tui.home.entries import entries, latest_command
from icot_tui.tui.home.new_run import NewRunDialog
from icot_tui.tui.home.samples import samples, value_of, values_that_matter
from icot_tui.tui.play.app import PlayApp
from icot_tui.tui.session.run_app import ExitChoice
from icot_tui.watch.runs import RunList
from tests.screens.panel_run import Told
from tests.screens.snapshot import check, picture, still
from tests.screens.workbench import press, settled, until

BEGAN = 1_800_000_000
Steps = Callable[[HomeApp, Pilot[ExitChoice]], Awaitable[None]]


def home(
    steps: Steps,
    size: tuple[int, int] = (80, 24),
    theme: str = "night",
    ascii: bool = False,
) -> HomeApp:
    """Run the app over the folder `runs`, and take the steps."""
    state = UserState(path=Path("state.json"))
    state.theme = theme
    app = HomeApp(Options(runs=Path("runs"), ascii=ascii), state)

    async def run() -> None:
        async with app.run_test(size=size) as pilot:
            await settled(pilot)
            await steps(app, pilot)

    asyncio.run(asyncio.wait_for(run(), 60))
    return app


def chosen(*keys: str) -> list[str]:
    """The command that some keys lead to."""

    async def steps(app: HomeApp, pilot: Pilot[ExitChoice]) -> None:
        for key in keys:
            await press(pilot, key)
            await settled(pilot)

    return home(steps).command


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def a_run(name: str = "mult-2x2") -> Told:
    told = Told(Path("runs"), name=name).start().train(100)
    told.remove().train(60).evaluate(0.62, [1.0, 0.9, 0.7, 0.9])
    return told


@pytest.mark.slow
@pytest.mark.parametrize(
    ("size", "theme"), [((80, 24), "night"), ((120, 40), "paper"), ((50, 20), "paper")]
)
def test_it_looks_as_it_did(
    size: tuple[int, int], theme: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = resources.sample_configs()
    few = {name: known[name] for name in ("demo", "demo-no-cot", "mult-4x4-gpt2")}
    monkeypatch.setattr(resources, "sample_configs", lambda: few)  # there will be more
    monkeypatch.setattr(time, "time", lambda: BEGAN + 300.0)
    if size[0] != 120:
        a_run().folder.unlock()

    async def steps(app: HomeApp, pilot: Pilot[ExitChoice]) -> None:
        await still(pilot, app)
        check(f"home-{size[0]}x{size[1]}-{theme}", app)
        if size[0] == 50:
            return
        await press(pilot, "n")
        await still(pilot, app)
        check(f"samples-{size[0]}x{size[1]}-{theme}", app)
        await press(pilot, "enter")
        await still(pilot, app)
        check(f"new-run-{size[0]}x{size[1]}-{theme}", app)

    home(steps, size, theme)


def test_the_latest_run_is_watched_resumed_or_looked_at() -> None:
    def command() -> list[str]:
        return latest_command(RunList(Path("runs")).read(time.time()))

    assert command() == ["launch", "demo"]
    told = a_run()
    path = str(told.folder.path)
    assert command() == ["attach", path]  # it is being trained
    told.folder.unlock()
    assert command() == ["launch", "--resume", path]
    told.tell(RunEnded(step=told.step, reason="done", finished=True))
    assert command() == ["attach", path]


def test_the_newest_run_is_the_one_that_commands_take() -> None:
    runs = Path("runs")

    def newest() -> tuple[str, str]:
        lines = RunList(runs).read(time.time())
        assert latest_command(lines)[-1] == str(RunFolder.find(runs, None).path)
        return lines[0].name, entries(runs, lines)[0].label

    for name in ("one", "two"):
        a_run(name).folder.unlock()
    assert newest() == ("two", "resume two")
    journal = runs / "one" / "journal.jsonl"
    later = f'"time":{time.time() + 9:.0f}'
    journal.write_text(re.sub(r'"time":\d+', later, journal.read_text(), count=1))
    assert newest() == ("one", "resume one")
    (runs / "one" / "config.toml").unlink()
    assert newest() == ("one", "resume two")


@pytest.mark.slow
def test_runs_playground_and_studies_become_commands() -> None:
    assert chosen("k", "r", "escape", "q") == []  # there is nothing to ask or to open yet
    path = str(a_run().folder.path)
    assert chosen("k") == ["play", "--runs", "runs"]
    assert chosen("r", "enter") == ["attach", path, "--runs", "runs"]
    assert chosen("s", "enter") == ["study", next(iter(resources.studies())), "--runs", "runs"]


@pytest.mark.slow
def test_a_new_run_is_checked_while_one_writes_and_has_what_was_changed() -> None:
    async def steps(app: HomeApp, pilot: Pilot[ExitChoice]) -> None:
        await press(pilot, "n", "enter")
        await until(pilot, lambda: isinstance(app.screen, NewRunDialog))
        await settled(pilot)
        assert "Name of the run's folder." in picture(app)
        await press(pilot, *"mine", "down", *"many")
        await settled(pilot)
        assert "seed must be" in picture(app)
        await press(pilot, "enter")
        assert isinstance(app.screen, NewRunDialog) and app.command == []
        await press(pilot, *["backspace"] * 4, "7", "down")
        await settled(pilot)
        assert "learnt when the smoothed loss" in picture(app)
        await press(pilot, "enter")
        await settled(pilot)

    command = home(steps, ascii=True).command
    assert command == ["launch", "demo", "--set", "name=mine", "--set", "seed=7", "--runs", "runs"]
    config = load_config("demo", command[3:6:2]).config
    assert (config.name, config.seed) == ("mine", 7)


@pytest.mark.slow
def test_a_damaged_run_is_shown_as_it_is(folder: Path) -> None:
    a_run().folder.config.write_text("this is no TOML")

    async def steps(app: HomeApp, pilot: Pilot[ExitChoice]) -> None:
        assert "damaged" in picture(app)

    home(steps)


def test_all_samples_offer_values_that_they_have() -> None:
    found = samples()
    assert found[0].name == "demo" and len(found) == len(resources.sample_configs())
    for sample in found:
        assert sample.about.count("\n") == 2
        keys = values_that_matter(sample.config)
        assert keys and all(isinstance(value_of(sample.config, key), str) for key in keys)


@pytest.mark.slow
@pytest.mark.parametrize("key", ["escape", "ctrl+c"])
def test_the_playground_opened_at_home_leads_back_there(key: str) -> None:
    a_run()
    for from_home in (True, False):
        app = PlayApp(Options(runs=Path("runs"), from_home=from_home), state=UserState())

        async def run(app: PlayApp = app) -> None:
            async with app.run_test() as pilot:
                await settled(pilot)
                await press(pilot, "escape", key)

        asyncio.run(asyncio.wait_for(run(), 60))
        assert app.return_value == "close" and app.home_next == from_home


@pytest.mark.slow
def test_any_run_can_be_asked() -> None:
    older = str(a_run("older").folder.path)
    newer = str(a_run("newer").folder.path)

    async def steps(app: HomeApp, pilot: Pilot[ExitChoice]) -> None:
        await press(pilot, "k")
        await settled(pilot)
        assert "whose checkpoints are to be asked?" in picture(app)
        await press(pilot, "enter")

    first = home(steps).command
    assert first[:1] == ["play"] and first[1] in (older, newer)
    assert {first[1], chosen("k", "down", "enter")[1]} == {older, newer}


@pytest.mark.slow
def test_in_the_list_nothing_is_overlaid_before_a_run_is_open() -> None:
    a_run()

    async def steps(app: HomeApp, pilot: Pilot[ExitChoice]) -> None:
        await press(pilot, "r")
        await settled(pilot)
        assert "overlays" not in picture(app) and "studies" not in picture(app).splitlines()[23]
        await press(pilot, "space")
        assert [note.message for note in app._notifications] == [
            "Open a run first: others are overlaid on it."
        ]

    home(steps)
