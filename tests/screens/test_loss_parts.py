"""The parts of a loss beside it, where it is a sum."""

from pathlib import Path

import pytest

from icot_tui.tui.panels.loss import LossPanel, loss_data
from icot_tui.tui.run.view import Overlay
from tests.screens.panel_run import Told
from tests.screens.test_panels_trainings import begin, distilling
from tests.screens.workbench import Go, WorkbenchApp, drive, picture, press, toasts


def of_two_parts(runs: Path) -> Told:
    told = Told(runs).start().train(30, 3.0, student=1.0, teacher=2.0)
    return told.train(20, 1.0, student=0.25, teacher=0.75)


def loss_panel(app: WorkbenchApp) -> LossPanel:
    panel = app.live.board.panels["loss"]
    assert isinstance(panel, LossPanel)
    return panel


def test_they_are_drawn_by_a_key_with_their_names_and_their_values(tmp_path: Path) -> None:
    told = of_two_parts(tmp_path)

    async def steps(app: WorkbenchApp, pilot: Go) -> None:
        chart = loss_panel(app).chart
        assert [curve.name for curve in chart.data.curves] == ["told"]
        await press(pilot, "2")
        assert "P parts" in picture(app)[-1]
        await press(pilot, "P")
        _, student, teacher = chart.data.curves
        assert (student.name, student.x.tolist()) == ("student", [10, 20, 30, 40, 50])
        assert student.y.tolist() == [1.0, 1.0, 1.0, 0.25, 0.25]
        assert teacher.y.tolist() == [2.0, 2.0, 2.0, 0.75, 0.75]
        assert any("student" in row and "teacher" in row for row in picture(app))
        await press(pilot, "left")  # the value cursor
        rows = "".join(picture(app))
        assert "B student 0.250" in rows and "C teacher 0.750" in rows
        await press(pilot, "P")
        assert [curve.name for curve in chart.data.curves] == ["told"]

    drive(tmp_path, steps, told.source)


def test_of_a_loss_of_one_part_none_is_drawn_and_the_key_says_so(tmp_path: Path) -> None:
    told = Told(tmp_path).start().train(50)

    async def steps(app: WorkbenchApp, pilot: Go) -> None:
        await press(pilot, "2")
        assert "parts" not in picture(app)[-1]
        await press(pilot, "P")
        assert toasts(app) == [
            "No parts of this loss are known: that of most methods has only one."
        ]
        assert [curve.name for curve in loss_panel(app).chart.data.curves] == ["told"]

    drive(tmp_path, steps, told.source)


def test_no_part_has_the_colour_of_another_run(tmp_path: Path) -> None:
    told = of_two_parts(tmp_path / "one")
    others = [Told(tmp_path / f"{n}", name=f"run-{n}").start().train(10) for n in range(6)]
    overlays = tuple(Overlay(f"{n}", one.view().source, n) for n, one in enumerate(others))
    data = loss_data(told.view(overlays=overlays), 0, None, with_parts=True)
    assert [curve.name for curve in data.curves[7:]] == ["student", "teacher"]
    assert {curve.colour for curve in data.curves[7:]} == {"series6", "series7"}


def test_only_the_present_training_has_its_parts(tmp_path: Path) -> None:
    told = distilling(tmp_path)
    begin(told, 3)
    told.train(20, 5.0, block_1=2.0, block_2=3.0)
    data = loss_data(told.view(), 0, None, with_parts=True)
    assert [curve.name for curve in data.curves[1:]] == ["block_1", "block_2"]
    assert data.curves[1].x.tolist() == [told.step - 10, told.step]
    begin(told, 4)
    told.train(20, 0.5)
    assert len(loss_data(told.view(), 0, None, with_parts=True).curves) == 1


def test_they_stand_where_their_steps_do_on_any_axis(tmp_path: Path) -> None:
    told = of_two_parts(tmp_path).remove().train(50, 1.0, student=0.5, teacher=0.5)
    for axis, ends in {
        "step": (10, 100),
        "time": (0.5 / 3600, 5 / 3600),
        "removed": (0.2, 2),
    }.items():
        data = loss_data(told.view(axis=axis), 0, None, with_parts=True)
        for curve in data.curves[1:]:
            assert (curve.x[0], curve.x[-1]) == pytest.approx(ends)
            assert (curve.x[1:] > curve.x[:-1]).all()
