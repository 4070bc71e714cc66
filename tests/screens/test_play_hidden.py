"""ViewRequest inside on the screen, at a network that is wired to carry its answer."""

import threading
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from textual.pilot import Pilot

from icot_tui.errors import UserError
from icot_tui.tui.play import probe_reports
from icot_tui.tui.play.heat_map import (
    ASCII_SHADES,
    ENCODED,
    GIVEN,
    NARROWEST,
    READABLE,
    SHADES,
    WIDEST,
    HeatMap,
    as_text,
    cell_text,
    fit,
)
from icot_tui.tui.play.screen import PlayScreen
from icot_tui.tui.play.worker import Job, Worker
from icot_tui.tui.session.run_app import ExitChoice
from tests.analysis.made import add_checkpoint, make_config, make_run
from tests.analysis.wired import wired_model
from tests.methods.distillation.runs import distilled
from tests.screens.play import (
    answered,
    ask,
    drive,
    mapped,
    picture,
    press,
    said,
    toasts,
    until,
    words,
)
from tests.tiny import train_new

Go = Pilot[ExitChoice]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory):  # type: ignore[no-untyped-def]
    """The run `carries`, whose only checkpoint holds the answer's digits where it was wired to."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ICOT_TUI_CACHE", str(tmp_path_factory.mktemp("cache")))
        folder = tmp_path_factory.mktemp("runs")
        config = make_config(name="carries")
        run = make_run(folder, config)
        add_checkpoint(run, config, wired_model(config, True), 8)
        add_checkpoint(run, config, wired_model(config, True), 0, 1)
        torch.set_num_threads(1)
        every = {"keep": 1000, "every_steps": 3}
        train_new(folder, distilled(name="pair", checkpoints=every))
        yield folder


async def ask_hidden(screen: PlayScreen, pilot: Go) -> None:
    """Ask the checkpoint that hides all of its chain of thought."""
    screen.list.choose([one for one in screen.list.entries if one.stage == 8])
    await ask(screen, pilot, "12*34")


@pytest.mark.slow
def test_the_views_of_a_question(runs: Path) -> None:
    async def steps(screen: PlayScreen, pilot: Go) -> None:
        await ask_hidden(screen, pilot)
        chosen = screen.answers.chosen
        assert chosen is not None and (chosen.name, chosen.text) == ("z1", "8")
        await press(pilot, "2")
        await mapped(screen, pilot)
        heat = screen.hidden.heat
        assert heat is not None and "".join(heat.tokens).startswith("21*43SEP")
        assert heat.columns[:5] == ("a0", "a1", "*", "b0", "b1")
        assert ((heat.values >= 0) & (heat.values <= 1)).all()
        told = heat.details[heat.start[0]][heat.start[1]]
        assert "predicts" in told and "Not proof" in words(screen)
        assert any("2 out" in row for row in picture(screen))
        row, column = screen.hidden.grid.cursor
        await press(pilot, "up" if row == 0 else "down", "left")
        assert screen.hidden.grid.cursor == (row + (1 if row == 0 else -1), column - 1)

        await press(pilot, "3")
        await mapped(screen, pilot)
        heat = screen.hidden.heat
        assert heat is not None and heat.reader is not None
        assert np.allclose(np.nansum(heat.values, axis=1), 1, atol=1e-4)
        assert np.isnan(heat.values[:, heat.reader + 1 :]).all()
        layers = len(heat.rows)
        await press(pilot, "m")
        await mapped(screen, pilot)
        assert screen.hidden.heat is not None and len(screen.hidden.heat.rows) == 2 * layers
        await press(pilot, "e", "z")
        await mapped(screen, pilot)
        averaged = screen.hidden.heat
        assert averaged is not None and averaged.tokens == ()
        assert averaged.reader == screen.hidden.grid.cursor[1]

        await press(pilot, "4")
        await mapped(screen, pilot)
        heat = screen.hidden.heat
        assert heat is not None and heat.columns == ("a0", "a1", "b0", "b1")
        assert heat.rows[0] == "c0" and (heat.values >= 0).all()
        await press(pilot, "<", "escape")
        assert not screen.inspector.is_open

    drive(runs, ["carries"], steps)


@pytest.mark.slow
def test_probes_are_trained_stopped_kept_and_read_again(
    runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probe_reports, "FEW", 300)

    async def steps(screen: PlayScreen, pilot: Go) -> None:
        await ask_hidden(screen, pilot)
        await press(pilot, "l")
        await mapped(screen, pilot)
        assert "no probes yet" in words(screen) and screen.hidden.heat is None
        await press(pilot, "p")
        await until(pilot, lambda: "300 examples" in screen.inspector.probing)
        await press(pilot, "escape")
        assert "stopped" in toasts(screen)[-1] and screen.inspector.is_open
        await press(pilot, "p")
        await until(pilot, lambda: screen.hidden.heat is not None and not screen.inspector.probing)
        await mapped(screen, pilot)
        heat = screen.hidden.heat  # z1 stands at SEP and at ####, as it was wired
        assert heat is not None
        marks = {mark for row in heat.marks for mark in row}
        assert ENCODED in marks and GIVEN in marks
        assert heat.marks[heat.start[0]][heat.start[1]] == ENCODED
        assert heat.columns[heat.start[1]] in ("SEP", "####")
        assert "is encoded at" in words(screen)
        await press(pilot, "5")
        await mapped(screen, pilot)
        patched = screen.hidden.heat
        assert patched is not None and np.nanmax(patched.values) > 0.9
        assert "taken from another question" in words(screen)
        for _ in range(9):  # past the chain of thought, to the second digit of the answer
            await press(pilot, ">")
        await press(pilot, "1")
        await mapped(screen, pilot)
        chosen = screen.answers.chosen
        assert chosen is not None and (chosen.name, chosen.text) == ("c1", "0")
        assert "is encoded at" not in words(screen) and screen.hidden.heat is not None
        await press(pilot, "x")
        await mapped(screen, pilot)
        assert screen.answers.chosen is not None and screen.answers.chosen.name == "ĉ1"
        assert "running sum" in words(screen) and "is encoded at" not in words(screen)

    drive(runs, ["carries"], steps, size=(80, 24))

    async def again(screen: PlayScreen, pilot: Go) -> None:
        await ask_hidden(screen, pilot)
        await press(pilot, "1")
        await mapped(screen, pilot)
        assert screen.hidden.heat is not None and "300 examples" in words(screen)

    drive(runs, ["carries"], again)


@pytest.mark.slow
def test_what_cannot_be_looked_at_is_said(runs: Path) -> None:
    async def steps(screen: PlayScreen, pilot: Go) -> None:
        await press(pilot, "escape", "l")
        assert not screen.inspector.is_open and "Ask a question first" in toasts(screen)[-1]
        screen.list.choose([one for one in screen.list.entries if one.stage == 0])
        await ask(screen, pilot, "12*34")
        await press(pilot, "1")
        await mapped(screen, pilot)
        assert screen.hidden.heat is None
        assert "hidden" in words(screen)
        await press(pilot, "p")
        assert "nothing to probe for" in toasts(screen)[-1]
        await press(pilot, "x")
        await press(pilot, "escape", "f")
        await ask(screen, pilot, "9 9 9")
        await press(pilot, "2")
        await mapped(screen, pilot)
        assert screen.is_attached

    drive(runs, ["carries"], steps)


@pytest.mark.slow
def test_a_pair_answers_and_its_thoughts_stand_beside_the_teacher_s(runs: Path) -> None:
    async def steps(screen: PlayScreen, pilot: Go) -> None:
        assert [one.phase for one in screen.list.chosen] == ["coupled"]
        shown = "\n".join(picture(screen))
        assert all(f"] {phase:>8} " in shown for phase in ("teacher", "student", "emulator"))
        await ask(screen, pilot, "12*34")
        assert "0 written, 8 hidden" in said(screen) and "ICoT-KD pair" in said(screen)
        await press(pilot, "l")
        await mapped(screen, pilot)
        heat = screen.hidden.heat
        assert screen.inspector.view == "thoughts" and heat is not None, words(screen)
        assert (heat.rows, heat.columns) == (
            ("1 SEP", "2 SEP2"),
            ("own", "before", "others", "guess"),
        )
        assert (heat.values >= 0).all() and heat.values[0, 3] == pytest.approx(0, abs=1e-6)
        assert "of 2 layers the emulated thought is clearly nearer" in words(screen)
        assert "before its chain of thought" in heat.details[0][0]
        await press(pilot, "2")
        await mapped(screen, pilot)
        assert screen.hidden.heat is None and "which view 6 shows" in words(screen)
        await press(pilot, "p")
        assert "single models" in toasts(screen)[-1]

        await press(pilot, "escape", "a")  # of each stage one that answers
        await answered(screen, pilot)
        phases = [result.entry.phase for result in screen.answers.results]
        assert phases == ["teacher", "coupled"]
        student = [one for one in screen.list.entries if one.phase == "student"][-1:]
        screen.list.choose(student)
        await ask(screen, pilot, "12*34")
        assert "only a coupled pair answers" in screen.answers.results[0].problem

    drive(runs, ["pair"], steps)


@pytest.mark.slow
def test_the_thoughts_of_a_model_that_thinks_alone_are_refused(runs: Path) -> None:
    async def steps(screen: PlayScreen, pilot: Go) -> None:
        await ask_hidden(screen, pilot)
        await press(pilot, "6")
        await mapped(screen, pilot)
        assert screen.hidden.heat is None and "is no pair of ICoT-KD" in words(screen)
        await press(pilot, "escape", "l")
        await mapped(screen, pilot)
        assert screen.inspector.view == "probe"

    drive(runs, ["carries"], steps)


def a_map(values: list[list[float]], marks: list[list[str]] | None = None) -> HeatMap:
    rows, columns = len(values), len(values[0])
    return HeatMap(
        title="title",
        rows=tuple(f"r{n}" for n in range(rows)),
        columns=tuple(f"k{n}" for n in range(columns)),
        tokens=(),
        values=np.array(values),
        high=1.0,
        texts=tuple(tuple(f"{value:+.2f}".replace("0.", ".") for value in row) for row in values),
        marks=tuple(map(tuple, marks or [[""] * columns] * rows)),
        details=tuple(("told",) * columns for _ in range(rows)),
        captions=("words",),
    )


def test_cells_fit_their_width_and_can_be_read_without_colour() -> None:
    heat = a_map([[0.0, 0.5, 1.0, float("nan")]], [["", READABLE, ENCODED, GIVEN]])
    for width in range(NARROWEST, WIDEST + 1):
        for column in range(4):
            for shades in (SHADES, ASCII_SHADES):
                for plain in (True, False):
                    assert len(cell_text(heat, 0, column, width, shades, plain)) == width
    assert cell_text(heat, 0, 2, 7, ASCII_SHADES, True).strip() == "+1.00#"
    assert cell_text(heat, 0, 1, 7, ASCII_SHADES, True) == ":+.50* "
    assert "#" in cell_text(heat, 0, 2, 3, ASCII_SHADES, True)
    narrow = a_map([[0.19, 0.37, 0.02, -0.02, -0.1]], [[READABLE, ENCODED, GIVEN, GIVEN, ""]])
    cells = [cell_text(narrow, 0, column, 5, SHADES, False) for column in range(5)]
    assert cells == [".19* ", ".37# ", "(.02)", "(<0) ", "-.10 "]
    assert [heat.level(0, column) for column in range(4)] == [0, 2, 4, 0]
    assert "r0\t" in as_text(heat) and "words" in as_text(heat)


@pytest.mark.parametrize("columns", [1, 4, 13, 60, 300])
def test_the_cursor_s_column_is_always_seen(columns: int) -> None:
    for width in (30, 74, 110):
        for cursor in (0, columns // 2, columns - 1):
            seen = fit(columns, width, cursor)
            assert seen.first <= cursor < seen.first + seen.count <= columns
            assert seen.count == 1 or seen.count * seen.cell <= max(NARROWEST, width - 8)


def test_stopping_tells_whether_there_was_anything_to_stop() -> None:
    worker = Worker(lambda say: None, lambda to: to(), lambda what: None)
    begun, stopped, done = threading.Event(), threading.Event(), threading.Event()

    def endless(job: Job) -> None:
        begun.set()
        try:
            while True:
                job.check()
                time.sleep(0.001)
        finally:
            stopped.set()

    worker.submit("batch", endless, lambda _: None, lambda _: None)
    assert begun.wait(10)
    assert worker.cancel("batch") and not worker.cancel("batch")
    assert stopped.wait(10)
    worker.submit("batch", lambda job: None, lambda _: None, lambda _: None)
    worker.submit("last", lambda job: done.set(), lambda _: None, lambda _: None)
    assert done.wait(10)
    assert not worker.cancel("batch")
    worker.close()


def test_a_newer_wish_takes_the_place_of_an_older_one() -> None:
    told: list[str] = []
    worker = Worker(lambda say: say("loading"), lambda to: to(), told.append)

    def fail(job: Job) -> str:
        raise UserError("no such thing")

    def crash(job: Job) -> str:
        raise RuntimeError("broken")

    worker.submit(
        "wait", lambda job: "first", lambda found: told.append(f"got {found}"), told.append
    )
    worker.submit(
        "wait", lambda job: "second", lambda found: told.append(f"got {found}"), told.append
    )
    worker.submit("fail", fail, told.append, told.append)
    worker.submit("crash", crash, told.append, told.append)
    thread = worker._thread
    worker.submit("last", lambda job: "", lambda _: worker.close(), told.append)
    assert thread is not None
    thread.join(5)
    assert not thread.is_alive()
    assert "got second" in told and "no such thing" in told and "loading" in told
    assert "unexpected RuntimeError: broken" in told
