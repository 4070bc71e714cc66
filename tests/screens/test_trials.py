"""A study on the screen: its trials at work over each other, and what is left."""

from pathlib import Path

import pytest
from textual.pilot import Pilot

from icot_tui.engine.journal.events import RunEnded
from icot_tui.engine.run_folder import RunFolder
from icot_tui.studies.folder import StudyFolder
from icot_tui.studies.plan import Plan, make_plan
from icot_tui.studies.trial_list import TrialList
from icot_tui.tui.app.app import WorkbenchApp
from icot_tui.tui.run.monitor import in_turn
from icot_tui.tui.screens.runs import Runs
from icot_tui.tui.session.run_app import ExitChoice
from icot_tui.watch.runs import RunLine
from tests.screens.panel_run import Told
from tests.screens.workbench import dialog, drive, press, toasts, until
from tests.studies.small import SMALL, small

Go = Pilot[ExitChoice]
THREE = SMALL.replace(
    '[vary.method."ICoT-SI"]', '[vary.method."ICoT-SI"]\n[vary.method."Slow"]\ntrain.epochs = 9.0'
)


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    return make_plan(small(tmp_path, THREE), "cpu")


@pytest.fixture
def folder(tmp_path: Path, plan: Plan) -> StudyFolder:
    folder = StudyFolder(tmp_path / "runs", plan.name)
    folder.prepare(plan)
    return folder


def at_work(plan: Plan, number: int, runs: Path) -> Told:
    """The run of a trial, whose trainer seems to be there."""
    trial = plan.trials[number]
    sections = trial.config.model_dump(exclude={"name"}, exclude_unset=True)
    return Told(runs, name=trial.name, **sections).start().train(100).evaluate(0.5, [0.5] * 4)


def end(told: Told) -> None:
    told.tell(RunEnded(step=told.step, reason="done", finished=True))
    told.folder.unlock()


def shown(app: WorkbenchApp) -> str:
    assert app.monitor.source is not None
    return app.monitor.source.folder.name


def laid_over(app: WorkbenchApp) -> list[str]:
    return [overlay.source.folder.name for overlay in app.monitor.overlays]


def header(app: WorkbenchApp) -> str:
    return "".join(segment.text for segment in app.live._compositor.render_strips()[0])


@pytest.mark.slow
def test_trials_at_work_are_shown_one_after_the_other(plan: Plan, folder: StudyFolder) -> None:
    names = [trial.name for trial in plan.trials]
    first, second = (at_work(plan, number, folder.runs) for number in (0, 1))

    async def steps(app: WorkbenchApp, pilot: Go) -> None:
        assert (shown(app), laid_over(app)) == (names[0], [names[1]])
        assert [overlay.name for overlay in app.monitor.overlays] == ["ICoT-SI, seed 0"]
        await until(pilot, lambda: "0 of 3 trials over, 2 at work" in header(app))
        await press(pilot, "r")
        assert isinstance(dialog(app), Runs)
        lines = [line.name for line in dialog(app)._shown]  # type: ignore[attr-defined]
        assert lines == ["No CoT, seed 0", "ICoT-SI, seed 0", "Slow, seed 0"]
        await press(pilot, "escape")
        end(first)
        await until(pilot, lambda: shown(app) == names[1])
        assert laid_over(app) == []
        assert not isinstance(app.screen, Runs)
        third = at_work(plan, 2, folder.runs)
        await until(pilot, lambda: laid_over(app) == [names[2]])
        for told in (second, third):
            end(told)
        await until(pilot, lambda: sorted(laid_over(app)) == sorted([names[0], names[2]]))
        assert shown(app) == names[1]
        await until(pilot, lambda: "3 of 3 trials over" in header(app))

    drive(folder.runs, steps, None, study=TrialList(folder))


def test_each_variant_is_drawn_where_not_all_seeds_can_be() -> None:
    titles = [f"{method}, seed {seed}" for method in ("No CoT", "KD, slow") for seed in (0, 1, 2)]
    lines = [
        RunLine(
            folder=RunFolder(Path(title)),
            name=title,
            status="finished",
            stage=0,
            of=None,
            accuracy=None,
            step=0,
            age=None,
            method="",
            description="",
        )
        for title in titles
    ]
    assert [line.name for line in in_turn(lines)] == [
        "No CoT, seed 0", "KD, slow, seed 0", "No CoT, seed 1",
        "KD, slow, seed 1", "No CoT, seed 2", "KD, slow, seed 2",
    ]  # fmt: skip


@pytest.mark.slow
def test_what_the_user_opens_stays(plan: Plan, folder: StudyFolder) -> None:
    names = [trial.name for trial in plan.trials]
    first, second = (at_work(plan, number, folder.runs) for number in (0, 1))

    async def steps(app: WorkbenchApp, pilot: Go) -> None:
        await press(pilot, "r", "down", "enter")
        await until(pilot, lambda: shown(app) == names[1])
        await until(pilot, lambda: laid_over(app) == [names[0]])
        end(second)
        await until(pilot, lambda: "1 of 3 trials over, 1 at work" in header(app))
        assert (shown(app), laid_over(app)) == (names[1], [names[0]])
        end(first)

    drive(folder.runs, steps, None, study=TrialList(folder))


@pytest.mark.slow
def test_a_study_without_a_run_shows_what_is_to_come(plan: Plan, folder: StudyFolder) -> None:
    async def steps(app: WorkbenchApp, pilot: Go) -> None:
        statuses = [line.status for line in dialog(app)._shown]  # type: ignore[attr-defined]
        assert statuses == ["to come"] * 3
        await press(pilot, "enter")
        assert toasts(app) == ["This trial has not begun yet."]
        assert app.monitor.source is None
        told = at_work(plan, 0, folder.runs)
        await until(pilot, lambda: app.monitor.source is not None)
        await press(pilot, "escape")
        assert shown(app) == plan.trials[0].name
        end(told)

    drive(folder.runs, steps, None, study=TrialList(folder))
