"""Removal by whole steps, from training to the playground: exact, and said in its unit."""

import json
import math
import shutil

import numpy as np
import pytest

from icot_tui.analysis.budget import sweep
from icot_tui.analysis.hybrid import ask_until, budget_ladder
from icot_tui.analysis.loaded_model import LoadedModel
from icot_tui.engine.checkpoints.checkpoint import list_checkpoints
from icot_tui.engine.checkpoints.description import read_description
from icot_tui.engine.evaluation.held_out import examples_of, prepare
from icot_tui.engine.journal.events import ExampleShown, RunStarted, TokenRemoved
from icot_tui.engine.journal.journal import JournalReader
from icot_tui.engine.journal.wording import describe
from icot_tui.errors import UserError
from icot_tui.runs.opening import open_checkpoint
from tests.tiny import assert_same, final_state, final_tensors, news, tiny, train, train_new

CHANGED = {
    "data": {"options": {"digits": "3x3"}, "train_examples": 50, "validation_examples": 20},
    "checkpoints": {"every_steps": 2, "keep": 1000},
    "train": {"max_steps": 16},
}


@pytest.fixture(scope="module", params=["left", "right"])
def run(request, tmp_path_factory):
    curriculum = {"unit": "step", "side": request.param, "keep_positions": True}
    return train_new(tmp_path_factory.mktemp("steps"), tiny(curriculum=curriculum, **CHANGED))


@pytest.mark.slow
def test_the_journal_counts_steps(run):
    events = [event for _, event in JournalReader(run.journal).events()]
    started = next(one for one in events if isinstance(one, RunStarted))
    assert (started.unit, started.greatest_stage, started.max_cot_tokens) == ("step", 3, 24)
    removed = [one for one in events if isinstance(one, TokenRemoved)]
    assert [one.stage for one in removed] == [1, 2, 3] and removed[-1].everything
    assert describe(removed[0]) == "reasoning step 1 removed (on schedule)"
    shown = next(one for one in events if isinstance(one, ExampleShown))
    ends = [0, 5, 18, 24] if shown.removal_order[0] == 0 else [0, 6, 19, 24]
    assert shown.removed_at == ends and len(shown.cot) == 24
    assert [shown.removed(stage) for stage in (0, 2, 9)] == [0, ends[2], 24]


@pytest.mark.slow
def test_a_resume_is_exact(run, tmp_path):
    for step in (4, 8, 12):
        copy = type(run)(tmp_path / str(step))
        shutil.copytree(run.path, copy.path, ignore=shutil.ignore_patterns("lock"))
        for checkpoint in list_checkpoints(copy.checkpoints):
            if checkpoint.step > step:
                shutil.rmtree(checkpoint.path)
        train(copy)
        assert_same(final_tensors(copy), final_tensors(run))
        assert final_state(copy) == final_state(run) and news(copy) == news(run)


def test_a_checkpoint_says_its_unit_and_is_asked_so_anywhere(run, tmp_path):
    at = next(one for one in list_checkpoints(run.checkpoints) if one.stage == 1)
    moved = tmp_path / "moved"
    shutil.copytree(at.path, moved)
    about = read_description(moved)
    assert about is not None and (about.stage, about.greatest_stage) == (1, 3)
    opened = open_checkpoint(moved)
    assert opened.plan is not None and opened.unit == "step"
    prepared = prepare(opened, None, examples_of(opened, None, 20), "cpu")
    left = prepared.token_format.batch(prepared.split, np.arange(20), prepared.stage).cot_lengths
    side = opened.plan.side
    assert set(left.tolist()) == {19 if side == "left" else 18}
    evaluated = [json.loads(line) for line in run.journal.read_text().splitlines()]
    (same,) = [e for e in evaluated if e["event"] == "Evaluated" and e["step"] == at.step] or [None]
    if same is not None:
        assert prepared.evaluate().exact_match == same["exact_match"]


@pytest.mark.slow
def test_the_playground_hides_whole_steps(run):
    at = next(one for one in list_checkpoints(run.checkpoints) if one.stage == 2)
    model = LoadedModel(open_checkpoint(at.path))
    answer = model.ask("123*456")
    side = model.token_format.plan.side
    hidden = [
        token.place for token in answer.chain if not token.written and token.place is not None
    ]
    assert hidden == list(range(18) if side == "left" else range(5, 24))
    if side == "right":
        with pytest.raises(UserError, match="give the number of removed steps"):
            model.ask("123*456", written=1)
        return
    assert model.ask("123*456", written=1).stage == 2
    split = prepare(model.opened, None, examples_of(model.opened, None, 3), "cpu").split
    assert [point.written for point in sweep(model, split)] == [3, 2, 1, 0]
    questions = [model.reader.read("123*456"), model.reader.example(split, 0)]
    budgets = budget_ladder(model, questions)
    assert budgets == [1, 2, 3]  # of three steps, two are removed at most
    for found in ask_until(model, questions, math.inf, budgets):
        assert [(one.budget, one.answer.stage) for one in found.tries] == [(1, 2), (2, 1), (3, 0)]


@pytest.mark.parametrize(
    ("curriculum", "told"),
    [({"unit": "step", "side": "random"}, "needs side"), ({"unit": "word"}, "unit")],
)
def test_what_steps_cannot_be_is_refused(curriculum, told):
    with pytest.raises(ValueError, match=told):
        tiny(curriculum=curriculum)
