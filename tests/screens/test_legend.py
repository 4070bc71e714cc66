"""What the heat map's names mean, and which hidden tokens only look like what they hold."""

import asyncio
import inspect
from pathlib import Path

import numpy as np
from textual.app import App, ComposeResult

from icot_tui.analysis import probe_run
from icot_tui.analysis.examples import AlignedExamples, load_examples
from icot_tui.analysis.loaded_model import LoadedModel
from icot_tui.analysis.model_cache import open_safely
from icot_tui.data.tasks import make_task
from icot_tui.tui.panels.example import lowest_first
from icot_tui.tui.panels.removal import RemovalPanel
from icot_tui.tui.play.heat_grid import HeatGrid
from icot_tui.tui.play.heat_map import GIVEN, HeatMap
from icot_tui.tui.play.legend import equals_answer, legend, meaning, same_digits
from icot_tui.tui.play.probe_reports import OF_CONTROL, PARTS, progress_words
from icot_tui.tui.play.records import ChosenToken
from tests.analysis.made import add_checkpoint, make_config, make_run
from tests.analysis.wired import wired_model
from tests.screens.panel_run import Told, look

COLUMNS = ("a0", "a1", "*", "b0", "b1", "SEP", "z5", "SEP2", "####", "c0", "c1", "c2", "c3")


def test_names_are_told_by_place_and_number() -> None:
    assert meaning("a0", True) == "the ones digit of the first number"
    assert meaning("b1", True) == "the tens digit of the second number"
    assert meaning("c5", True) == "the 10^5 digit of the answer"
    assert meaning("a0", False) == "token 1 of the first number"
    assert meaning("z5", True) == "token 5 of the chain of thought"
    assert meaning("SEP2", True) == "the separator after the chain of thought"
    assert meaning("*", True) == "the symbol '*'"


def test_the_legend_names_each_group_of_columns_once() -> None:
    told = legend(COLUMNS, ("embed", "1 mid", "1 out"), lowest_first=True)
    assert "a0 to a1: digits of the first number, the ones digit first; b0 to b1" in told
    assert "z5: written tokens of the chain of thought; SEP2:" in told
    assert told.count("c0 to c3: digits of the answer, the ones digit first") == 1
    assert "embed is the embeddings" in told
    assert "embed" not in legend(COLUMNS, ("1", "2"), lowest_first=True)


def test_tasks_that_write_numbers_backwards_are_known() -> None:
    assert lowest_first(make_task("multiplication", {"digits": "2x2"}))
    assert not lowest_first(make_task("parity", {})) and not lowest_first(None)


def test_a_hidden_token_that_equals_an_answer_digit_is_marked(tmp_path: Path) -> None:
    config = make_config(name="carries")
    run = make_run(tmp_path, config)
    path = add_checkpoint(run, config, wired_model(config, True), 8)
    model = LoadedModel(open_safely(path))
    split = load_examples(model, 60).split(model)
    aligned = AlignedExamples(model, split, 8)
    # The lowest digit of the first partial product is that of the product.
    told = equals_answer(ChosenToken("chain", 0, "8", hidden=True), aligned)
    assert told.startswith("z1 equals the answer's c0 in 100 % of 60 examples")
    ids = split.tokens[split.starts[:-1] + split.prompt_lengths + 1]
    assert (ids == aligned.answer_tokens(1)).mean() < 0.5
    assert "c1" not in equals_answer(ChosenToken("chain", 1, "0", hidden=True), aligned)
    assert not equals_answer(ChosenToken("chain", 0, "8"), aligned)
    assert same_digits("8", ("8", " 0", "4", "8")) == ["c0", "c3"]


class OneGrid(App[None]):
    def compose(self) -> ComposeResult:
        yield HeatGrid()


def test_the_chosen_cell_keeps_its_shade_and_its_mark() -> None:
    texts = (("+.50", "-.02"),)
    heat = HeatMap(
        title="",
        rows=("1 out",),
        columns=("a0", "a1"),
        values=np.array([[0.5, -0.02]]),
        high=1.0,
        texts=texts,
        marks=(("#", GIVEN),),
        details=(("here", "there"),),
        captions=("",),
        meanings=("the ones digit of the first number", ""),
    )
    assert heat.told(0, 0) == "here (a0: the ones digit of the first number)"
    assert heat.told(0, 1) == "there"

    async def drawn() -> None:
        app = OneGrid()
        async with app.run_test(size=(22, 4)) as pilot:
            grid = app.query_one(HeatGrid)
            grid.show(heat)
            await pilot.pause()
            row = grid.render_line(1)
            (cell,) = (piece for piece in row if "+.50#" in piece.text)
            assert "[ +.50#]" in row.text and cell.style is not None
            assert cell.style.bgcolor is not None and not cell.style.reverse
            grid.action_move(0, 1)
            assert "[(-.02)]" in grid.render_line(1).text

    asyncio.run(drawn())


def test_the_progress_of_probes_is_told_by_part() -> None:
    parts = [part for part in PARTS if part != OF_CONTROL]
    assert progress_words("", parts) == "[---] loading PyTorch"
    told = "note: x\nprogress: reading the examples\nprogress: probing the checkpoint\n"
    assert progress_words(told, parts) == "[>--] 1 of 3, probing the checkpoint"
    assert progress_words(f"{told}progress: patching\n", parts) == "[##>] 3 of 3, patching"


def test_the_parts_are_called_as_the_probes_call_them() -> None:
    source = inspect.getsource(probe_run)
    assert all(f'"{part}"' in source for part in PARTS)


def test_a_question_says_that_the_model_reads_it_backwards(tmp_path: Path) -> None:
    view = Told(tmp_path).start().train(10).view()
    for width, said in (
        (80, "30 * 19, written lowest digit first"),
        (54, "30 * 19, digits reversed"),
    ):
        lines = look(RemovalPanel(), view, (width, 14))
        assert any(row.startswith("question") and row.endswith(said) for row in lines)
