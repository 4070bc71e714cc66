"""Asking checkpoints on the screen: answers, ghosts, several at once, bad input."""

import json
import random
import shutil
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from textual.pilot import Pilot
from textual.widgets import Input

from icot_tui.analysis.checkpoints import all_entries
from icot_tui.cli import app as cli
from icot_tui.engine.run_folder import RunFolder
from icot_tui.formatting import confidence, count
from icot_tui.tui.play.backend import Backend
from icot_tui.tui.play.budget_plot import BudgetPlot
from icot_tui.tui.play.question_field import QuestionHistory
from icot_tui.tui.play.question_file import FileAnswersDialog
from icot_tui.tui.play.screen import PlayScreen
from icot_tui.tui.session.run_app import ExitChoice
from icot_tui.watch.source import RunFollower
from tests.analysis.made import add_checkpoint, make_config, make_run, random_model
from tests.screens.play import answered, ask, drive, mapped, picture, press, said, toasts, until
from tests.screens.workbench import drive as drive_workbench
from tests.tiny import tiny, train_new

Go = Pilot[ExitChoice]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with checkpoints of several stages, and one that was trained at all of them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ICOT_TUI_CACHE", str(tmp_path_factory.mktemp("cache")))
        folder = tmp_path_factory.mktemp("runs")
        train_new(folder, tiny(model={"dropout": 0.0}))
        mixed = {"mixed_stages": 0.5, "keep_positions": True}
        short = {"max_steps": 4, "decay_steps": 0}
        train_new(folder, tiny(name="mixed", curriculum=mixed, train=short))
        return folder


@pytest.mark.slow
def test_a_question_is_answered_with_all_that_can_be_told(runs: Path) -> None:
    async def steps(screen: PlayScreen, pilot: Go) -> None:
        assert [one.stage for one in screen.list.entries] == sorted(
            one.stage or 0 for one in screen.list.entries
        )
        assert [one.best for one in screen.list.chosen] == [True]
        await ask(screen, pilot, "12*34")
        [result] = screen.answers.results
        answer = result.answer
        assert answer is not None and answer.expected == "408"
        text = said(screen)
        assert "wrong  it is 408" in text or "right" in text
        assert f"{answer.written} written, {answer.hidden} hidden" in text and " ms" in text
        for token in answer.tokens:
            assert f"{token.text} " in text
        ghosts = [token for token in answer.chain if not token.written]
        assert len(ghosts) == answer.hidden and ("[" in text) == bool(ghosts)
        assert screen.header.content

    drive(runs, ["tiny"], steps)


@pytest.mark.slow
def test_a_run_without_checkpoints_says_so_until_there_is_one(tmp_path: Path) -> None:
    config = make_config(name="young")
    run = make_run(tmp_path, config)

    async def steps(screen: PlayScreen, pilot: Go) -> None:
        await until(pilot, lambda: "There is no checkpoint yet" in said(screen))
        add_checkpoint(run, config, random_model(config), 8)
        screen.read_checkpoints()
        await until(pilot, lambda: len(screen.list.chosen) == 1)
        assert "no checkpoint" not in said(screen)

    drive(tmp_path, ["young"], steps)


@pytest.mark.slow
def test_every_stage_side_by_side(runs: Path) -> None:
    async def steps(screen: PlayScreen, pilot: Go) -> None:
        await ask(screen, pilot, "12*34")
        await press(pilot, "a")
        await answered(screen, pilot)
        stages = [result.entry.stage for result in screen.answers.results]
        assert len(stages) == len(set(stages)) >= 4 and stages == sorted(stages, key=int)
        explicit, last = screen.answers.results[0], screen.answers.results[-1]
        assert explicit.answer is not None and explicit.answer.hidden == 0
        assert last.answer is not None and last.answer.hidden
        await press(pilot, "end")
        for _ in stages:
            await press(pilot, "down")
        assert screen.answers.current is last
        before = screen.answers.chosen
        await press(pilot, "right")
        assert before is not None and before.hidden and screen.answers.chosen != before
        screen.list.focus()
        await press(pilot, "home", "n")
        await answered(screen, pilot)
        assert [one.entry for one in screen.answers.results] == screen.list.entries[:1]
        await press(pilot, "down", "space")
        await answered(screen, pilot)
        assert len(screen.answers.results) == 2

    drive(runs, ["tiny"], steps)


BAD = (("12+34", "is no product"), ("123*4", "123"), ("zwölf \x1b[2J", "is no product"))
LONG = "9 " * 900


@pytest.mark.slow
def test_what_cannot_be_read_is_one_sentence(runs: Path) -> None:
    async def steps(screen: PlayScreen, pilot: Go) -> None:
        for question, told in (*BAD, (LONG, "")):
            await ask(screen, pilot, question)
            [result] = screen.answers.results
            assert result.answer is None and told in result.problem
            assert "\n" not in result.problem and "\x1b" not in said(screen)
        await press(pilot, "f")  # in the model's own form
        await ask(screen, pilot, LONG)
        assert "positions" in screen.answers.results[0].problem
        await press(pilot, "l")
        assert screen.inspector.is_open or toasts(screen)
        await press(pilot, "f")
        await ask(screen, pilot, "12*34")
        assert screen.answers.results[0].answer is not None

    drive(runs, ["tiny"], steps)


@pytest.mark.slow
def test_a_damaged_and_a_lost_checkpoint_are_told_and_the_others_answer(
    runs: Path, tmp_path: Path
) -> None:
    shutil.copytree(runs / "tiny", tmp_path / "tiny")
    paths = sorted((tmp_path / "tiny" / "checkpoints").glob("step-*"))

    async def steps(screen: PlayScreen, pilot: Go) -> None:
        weights = paths[0] / "model.safetensors"
        weights.write_bytes(weights.read_bytes()[:100])
        shutil.rmtree(paths[1])
        entry = {one.path: one for one in screen.list.entries}
        screen.list.choose([entry[path] for path in paths[:3]])
        await ask(screen, pilot, "12*34")
        problems = {o.entry.path: o.problem for o in screen.answers.results}
        assert problems[paths[0]] and "is gone" in problems[paths[1]] and not problems[paths[2]]
        assert "Traceback" not in said(screen)
        await press(pilot, "l")
        assert screen.is_attached

    drive(tmp_path, ["tiny"], steps)


@pytest.mark.slow
def test_nothing_is_asked_of_the_process_s_random_generators_and_threads(runs: Path) -> None:
    async def steps(screen: PlayScreen, pilot: Go) -> None:
        await ask(screen, pilot, "12*34")  # what is imported first may do as it likes
        before = torch.get_rng_state(), random.getstate(), torch.get_num_threads()
        await press(pilot, "a")
        await answered(screen, pilot)
        await press(pilot, "r")
        await answered(screen, pilot)
        await press(pilot, "s", "s", "s")
        await answered(screen, pilot)
        await press(pilot, "2")
        await pilot.pause(0.3)
        assert torch.equal(torch.get_rng_state(), before[0])
        assert random.getstate() == before[1] and torch.get_num_threads() == before[2]

    drive(runs, ["tiny"], steps)


@pytest.mark.slow
def test_random_and_hardest_examples_and_history(runs: Path) -> None:
    async def steps(screen: PlayScreen, pilot: Go) -> None:
        await ask(screen, pilot, "12*34")
        await press(pilot, "h")
        await until(pilot, lambda: screen.asker.text != "12*34")
        await answered(screen, pilot)
        hardest = screen.asker.text
        await press(pilot, "h")
        await until(pilot, lambda: screen.asker.text != hardest)
        await press(pilot, "r")
        await until(pilot, lambda: len(screen.field.history.asked) == 4)
        await answered(screen, pilot)
        answer = screen.answers.results[0].answer
        assert answer is not None and answer.expected is not None
        await press(pilot, "i", "up", "up", "up")
        assert screen.field.value == hardest
        await press(pilot, "up", "up")
        assert screen.field.value == "12*34"
        await press(pilot, "down")
        assert screen.field.value == hardest

    drive(runs, ["tiny"], steps)


def test_history_keeps_what_is_being_written() -> None:
    history = QuestionHistory()
    assert history.back("new") == "new" and history.forward("new") == "new"
    for text in ("1*1", "2*2", "2*2"):
        history.add(text)
    assert history.asked == ["1*1", "2*2"]
    assert [history.back("draft"), history.back(""), history.back("")] == ["2*2", "1*1", "1*1"]
    assert [history.forward(""), history.forward(""), history.forward("x")] == ["2*2", "draft", "x"]


@pytest.mark.slow
def test_a_budget_of_thought_where_the_run_allows_it(runs: Path) -> None:
    async def steps(screen: PlayScreen, pilot: Go) -> None:
        entry = screen.list.entries
        screen.list.choose([one for one in entry if one.run == "tiny"][-1:])
        await ask(screen, pilot, "12*34")
        await press(pilot, "b")
        assert "was trained with mixed stages" in toasts(screen)[-1]
        screen.list.choose([one for one in entry if one.run == "mixed"][-1:])
        await answered(screen, pilot)
        await press(pilot, "b")
        await press(pilot, *"3", "enter")
        await answered(screen, pilot)
        assert screen.asker.options.written == 3
        answer = screen.answers.results[0].answer
        assert answer is not None and answer.stage == 8 - 3
        assert "3 tokens written" in str(screen.header.content)
        sure = f"sure {confidence(answer.confidence)} with {count(answer.written, 'token')} written"
        assert sure in said(screen)

    drive(runs, ["tiny", "mixed"], steps)


@pytest.mark.slow
def test_the_budget_of_thought_is_plotted(runs: Path, tmp_path: Path) -> None:
    async def steps(screen: PlayScreen, pilot: Go) -> None:
        entry = screen.list.entries
        screen.list.choose([one for one in entry if one.run == "tiny"][-1:])
        await press(pilot, "escape", "B")
        assert "can't be chosen" in toasts(screen)[-1]
        screen.list.choose([one for one in entry if one.run == "mixed"][-1:])
        await press(pilot, "B")
        await until(pilot, lambda: isinstance(pilot.app.screen, BudgetPlot))
        plot = pilot.app.screen
        assert isinstance(plot, BudgetPlot)
        assert [point.written for point in plot.points] == list(range(9))
        await pilot.pause(0.1)
        shown = "\n".join(strip.text for strip in plot._compositor.render_strips())
        assert "exact match" in shown and "examples a second" in shown and "tokens written" in shown
        await press(pilot, "left", "left", "w")
        assert plot.accuracy.viewport.cursor == plot.speed.viewport.cursor
        fixed, *_, chosen, in_all = plot.accuracy.data.curves
        assert (fixed.x[-1], fixed.y[-1]) == (chosen.x[-1], chosen.y[-1])  # the same whole chains
        assert (chosen.name, in_all.name) == ("by confidence", "and all tries counted")
        assert chosen.x[0] == in_all.x[0] and (chosen.x <= in_all.x).all()
        assert plot.accuracy.data.extent == plot.speed.data.extent
        await press(pilot, "escape")
        assert pilot.app.screen is screen

    drive(runs, ["tiny", "mixed"], steps)
    assert sorted(path.suffix for path in (tmp_path / "kept").glob("budget-*")) == [
        ".csv", ".csv", ".svg", ".svg"
    ]  # fmt: skip


@pytest.mark.slow
def test_a_file_of_questions_is_asked_at_once(runs: Path, tmp_path: Path) -> None:
    file = tmp_path / "questions.txt"
    file.write_text("12*34\n\n[red]zwölf\x1b[2J\n2 1 * 4 3||8 4 0 + 0 6 3 0 #### 8 0 4 0\n")

    async def steps(screen: PlayScreen, pilot: Go) -> None:
        screen.list.choose(screen.list.entries[-2:])
        await press(pilot, "escape", "o")
        await press(pilot, *"gone.txt", "enter")
        await until(pilot, lambda: any("gone.txt cannot be read" in t for t in toasts(screen)))
        await press(pilot, "o")
        pilot.app.screen.query_one(Input).value = str(file)
        await press(pilot, "enter")
        await until(pilot, lambda: isinstance(pilot.app.screen, FileAnswersDialog))
        entry = pilot.app.screen
        assert isinstance(entry, FileAnswersDialog)
        first, bad, whole = entry.found.results[0]
        assert first.answer is not None and whole.answer is not None
        assert first.answer.chain == whole.answer.chain
        assert bad.answer is None and "is no product" in bad.problem
        assert [", 1 could not be asked" in score for score in entry.found.scores()] == [True] * 2
        await pilot.pause(0.1)
        shown = "\n".join(strip.text for strip in entry._compositor.render_strips())
        assert "[red]zwölf" in shown and "\x1b" not in shown
        await press(pilot, "w", "home", "enter")
        await answered(screen, pilot)
        assert screen.asker.text == "12*34" and pilot.app.screen is screen
        alone = screen.answers.results[0].answer
        assert alone is not None and alone.answer == first.answer.answer

    drive(runs, ["tiny"], steps)
    [kept] = (tmp_path / "kept").glob("batch-*.jsonl")
    lines = [json.loads(line) for line in kept.read_text().splitlines()]
    assert [len(line["answers"]) for line in lines] == [2, 2, 2]
    assert "is no product" in lines[1]["answers"][0]["problem"]
    assert lines[0]["answers"][0]["expected"] == "408"


@pytest.mark.slow
def test_a_small_screen_tells_what_an_answer_cost_and_whose_it_is(runs: Path) -> None:
    async def steps(screen: PlayScreen, pilot: Go) -> None:
        await ask(screen, pilot, "12*34")
        await answered(screen, pilot)
        assert said(screen).count("cost") == 2 and "0 written, 8 hidden" in said(screen)
        for entry in screen.list.chosen:
            screen.list.highlighted = screen.list.entries.index(entry)
            await until(pilot, lambda run=entry.run: f" {run} " in picture(screen)[-2])  # type: ignore[misc]

    drive(runs, ["tiny", "mixed"], steps, (80, 24))


@pytest.mark.slow
def test_a_random_example_is_another_one_each_time(runs: Path) -> None:
    backend = Backend()
    backend.load(lambda what: None)
    entry = all_entries([runs / "tiny"])[0]
    split = backend.split(entry)
    backend._splits[entry.path] = split.only(np.arange(len(split)) < 2)
    drawn = [""]
    for _ in range(20):
        drawn.append(backend.random_question(entry, drawn[-1]).shown)
    del drawn[0]
    assert len(set(drawn)) == 2
    assert all(one != other for one, other in pairwise(drawn))


@pytest.mark.slow
def test_answers_are_taken_along(runs: Path, tmp_path: Path) -> None:
    async def steps(screen: PlayScreen, pilot: Go) -> None:
        await ask(screen, pilot, "12*34")
        await press(pilot, "w", "c", "g")
        assert "Written: " in toasts(screen)[0]
        assert screen.app.clipboard.startswith("12*34\n")

    drive(runs, ["tiny"], steps)
    kept = tmp_path / "kept"
    [values] = kept.glob("answers-*.json")
    found = json.loads(values.read_text())
    assert found["question"] == "12*34" and found["answers"][0]["expected"] == "408"
    assert len(list(kept.glob("answers-*.txt"))) == len(list(kept.glob("copy-*.txt"))) == 1
    assert len(list(kept.glob("screen-*.svg"))) == 1


@pytest.mark.slow
def test_ascii_only_and_every_size(runs: Path) -> None:
    async def steps(screen: PlayScreen, pilot: Go) -> None:
        await ask(screen, pilot, "12*34")
        await press(pilot, "2")
        await mapped(screen, pilot)
        for size in ((120, 40), (80, 24), (50, 20)):
            await pilot.resize_terminal(*size)
            await pilot.pause(0.1)
            rows = picture(screen)
            assert len(rows) == size[1] and all(len(row) <= size[0] for row in rows)
            assert "".join(rows).isascii(), [c for c in "".join(rows) if not c.isascii()]
        await press(pilot, "question_mark", "escape", "escape")
        assert not screen.inspector.is_open
        await press(pilot, "i")
        assert "".join(picture(screen)).isascii() and "Enter ask" in picture(screen)[-1]

    drive(runs, ["tiny"], steps, ascii=True)


@pytest.mark.slow
def test_the_live_screen_opens_it_and_gets_the_keys_back(runs: Path) -> None:
    async def steps(app, pilot) -> None:  # type: ignore[no-untyped-def]
        await press(pilot, "k")
        screen = app.screen
        assert isinstance(screen, PlayScreen)
        await until(pilot, lambda: bool(screen.list.entries))
        await ask(screen, pilot, "12*34")
        assert screen.answers.results[0].answer is not None
        await press(pilot, "q")
        assert app.screen is app.live and app.is_running

    drive_workbench(runs, steps, RunFollower(RunFolder(runs / "tiny")))


def test_a_run_that_is_not_there_is_bad_input(
    runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(["play", "nobody", "--runs", str(runs)]) == 2
    assert "no run 'nobody'" in capsys.readouterr().err
    assert cli.run(["play", "tiny", "--runs", str(runs)]) == 2
    assert "there is no terminal" in capsys.readouterr().err
