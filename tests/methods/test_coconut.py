"""Continuous thoughts: read as by hand in every batch, learned through, saved, asked, measured."""

import json

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from icot_tui.analysis.checkpoints import run_entries
from icot_tui.analysis.loaded_model import LoadedModel
from icot_tui.cli.app import app
from icot_tui.config import ModelConfig
from icot_tui.curriculum.smoothing import NO_SMOOTHING
from icot_tui.data.tokenizing import Separators
from icot_tui.engine.evaluation.decoding import decode
from icot_tui.engine.evaluation.staged_examples import PositionShift, Prefixes
from icot_tui.methods.coconut import MARKS, Thoughts
from icot_tui.methods.coconut.stages import LatentStages
from icot_tui.models.build import build_model
from icot_tui.models.latents import ThoughtCounts
from icot_tui.models.supervised import SupervisedLM
from icot_tui.models.wrapped import ask_at_stage
from icot_tui.runs.opening import open_checkpoint
from icot_tui.tui.panels.text import UNICODE
from icot_tui.tui.play.answer_lines import answer_lines
from icot_tui.tui.play.records import AskResult
from tests.methods.common import assert_resumes_exactly
from tests.tiny import (
    news,
    read_lines,
    tiny,
    train_new,
)

SEP, WORDS, C, STEPS = 0, 12, 2, 2
QUESTIONS = [[3, 4, SEP], [5, 6, 7, 8, SEP], [9, SEP], [11, 10, 9, 8, 7, SEP]]
BUDGET = 6


def thinking(**sections):
    own = {"thoughts_per_step": C, **sections.pop("coconut", {})}
    curriculum = {"unit": "step", "remove_all_beyond": 3} | sections.pop("curriculum", {})
    data = {"task": "graph", "options": {"hops": 3, "names": 10}}
    return tiny(
        method={"name": "coconut"}, coconut=own, curriculum=curriculum, data=data, **sections
    )


@pytest.fixture(params=["gpt2", "llama"])
def lm(request):
    config = ModelConfig(
        architecture=request.param, layers=2, heads=2, width=16, initializer_range=0.3
    )
    return Thoughts(C, STEPS).added_to(build_model(config, WORDS, SEP, 30, 1), SEP).eval()


def by_hand(lm, row, first, count):
    """[C - first, V] logits from the separator on; each thought reads all before it again."""
    words, marks = lm.lm.get_input_embeddings(), lm.parts["marks"].weight
    embedded = words(torch.tensor(row))
    before = torch.cat([embedded[: first + 1], marks[:1]])
    for _ in range(count):
        thought = lm.lm.base_model(inputs_embeds=before[None])[0][0, -1:]
        before = torch.cat([before, thought])
    whole = torch.cat([before, marks[1:], embedded[first + 1 :]])
    return lm.lm(inputs_embeds=whole[None]).logits[0, len(before) :]


@pytest.mark.slow
@torch.no_grad()
@pytest.mark.parametrize("stage", [0, 1, 5])
@pytest.mark.parametrize("batch_size", [1, 2, 4])
def test_decoding_in_batches_with_a_cache_is_decoding_by_hand(lm, stage, batch_size):
    """Some rows go on from tokens that are already there."""
    count, given = C * min(stage, STEPS), [[], [4, 5], [7], []]
    expected, rows = [], [a + b for a, b in zip(QUESTIONS, given, strict=True)]
    for question, start in zip(QUESTIONS, rows, strict=True):
        row = list(start)
        while len(row) < len(start) + BUDGET:
            row.append(int(by_hand(lm, row, len(question) - 1, count)[-1].argmax()))
            if row[-1] == SEP:
                break
        expected.append(row[len(start) :])
    number, nowhere = len(rows), np.zeros(len(rows), dtype=np.int64)
    prefixes = Prefixes.from_rows(
        rows, PositionShift(nowhere, nowhere), nowhere + 1, np.full(number, BUDGET)
    )
    ask_at_stage(lm, stage)
    written = decode(lm, prefixes, Separators(SEP, SEP, SEP), batch_size=batch_size)
    assert [written.row(row) for row in range(number)] == expected


@pytest.mark.parametrize("counts", [(4, 4), (0, 4), (2, 0)])
@pytest.mark.parametrize(
    "rows",
    [
        [[3, 4, SEP, 5, 6, SEP], [7, SEP, 8, SEP, SEP, SEP]],
        [[3, 4, SEP, 5, 6, SEP], [7, 9, SEP, 8, SEP, SEP]],
    ],
)
def test_the_loss_is_on_what_follows_the_thoughts_and_goes_through_them(lm, rows, counts):
    separators = [row.index(SEP) for row in rows]
    states = torch.tensor([2, 3, 4, 6 + separators[1], 7 + separators[1]])
    targets = torch.tensor([5, 6, SEP, 8, SEP])
    prompts = min(separators) + 1, max(separators) + 1
    told = {"thoughts": ThoughtCounts(max(counts), torch.tensor(counts), prompts)}
    loss = SupervisedLM(lm)(torch.tensor(rows), None, states, targets, told)
    loss.backward()
    found = {name: p.grad.clone() for name, p in lm.named_parameters() if p.grad is not None}
    lm.zero_grad()
    first = by_hand(lm, rows[0], separators[0], counts[0])[:3]
    second = by_hand(lm, rows[1][: separators[1] + 3], separators[1], counts[1])[:2]
    expected = torch.nn.functional.cross_entropy(
        torch.cat([first, second]), targets, reduction="sum"
    )
    expected.backward()
    torch.testing.assert_close(loss, expected, rtol=1e-4, atol=1e-4)
    for name, parameter in lm.named_parameters():
        if parameter.grad is not None:
            torch.testing.assert_close(found[name], parameter.grad, rtol=1e-3, atol=1e-4)
    assert (found["parts.marks.weight"].abs().sum(dim=1) > 0).all()


def test_a_share_of_the_rows_gets_any_stage_of_its_chain():
    steps, rows = np.array([2, 5]), np.arange(2).repeat(200)
    stages = LatentStages(NO_SMOOTHING, 0.5, 0, steps, STEPS).scheduled(3, 1, rows)
    assert set(stages[:200]) == {0, 1, 2}
    assert set(stages[200:]) == {0, 1, 2, 5}  # 3 and 4 have no thoughts of their own
    assert 0.4 < np.mean(stages[200:] == 1) < 0.8
    none = LatentStages(NO_SMOOTHING, 0.0, 0, steps, STEPS)
    assert set(none.scheduled(3, 1, rows)) == {1}
    assert none.scheduled(3, 3, rows).tolist() == [3] * 200 + [5] * 200
    assert none.lowest(2) == 2
    assert LatentStages(NO_SMOOTHING, 0.5, 0, steps, STEPS).lowest(2) == 0


@pytest.mark.slow
def test_a_run_resumes_exactly(tmp_path):
    assert_resumes_exactly(tmp_path, thinking(coconut={"uniform_prob": 0.3}), MARKS)


@pytest.mark.slow
def test_a_run_replaces_steps_by_thoughts_and_can_be_asked_and_measured(tmp_path):
    folder = train_new(tmp_path, thinking())
    removed = [line["stage"] for line in news(folder) if line["event"] == "TokenRemoved"]
    resets = [line["step"] for line in news(folder) if line["event"] == "OptimizerReset"]
    assert removed == [1, 2, 3] and len(resets) == 3
    opened = open_checkpoint(folder.path)
    question = "a b . b c . c d . e f . f g . g h . a ? d h"
    answer = LoadedModel(opened).ask(question)
    assert answer.stage == 3 and answer.expected == "d"
    assert len(answer.latents) == C * STEPS
    shares = [one.probability for one in answer.latents[0].nearest]
    assert 1 >= shares[0] >= shares[1] >= shares[2] > 0
    entry = run_entries(folder)[-1]
    lines = answer_lines(AskResult(entry=entry, answer=answer), 50, UNICODE)
    drawn = " ".join("".join(text for text, _ in each) for each in lines)
    assert "nearest tokens: a reading" in " ".join(drawn.split())
    assert f"'{answer.latents[0].nearest[0].text}'" in drawn
    shown = CliRunner().invoke(app, ["ask", str(folder.path), question])
    assert shown.exit_code == 0 and "nearest tokens: a reading" in " ".join(shown.output.split())
    last = [line for line in read_lines(folder) if line["event"] == "Evaluated"][-1]
    result = CliRunner().invoke(app, ["eval", str(folder.path), "--json"])
    assert result.exit_code == 0, result.output
    found = json.loads(result.output)
    assert found["loss"] == pytest.approx(last["loss"]) and found["implicit"]
    assert found["exact_match"] == last["exact_match"]


@pytest.mark.parametrize(("changed", "reason"), [
    ({"curriculum": {"unit": "token"}}, "replaces whole steps"),
    ({"curriculum": {"side": "right"}}, "replaces the first steps"),
    ({"curriculum": {"keep_positions": True}}, "does not go with coconut"),
])  # fmt: skip
def test_what_does_not_go_with_it_is_refused(changed, reason):
    with pytest.raises(ValueError, match=reason):
        thinking(**changed)
