"""Pause tokens: learned, never supervised, saved with the model, and there wherever it is asked."""

import numpy as np
import pytest
import torch
from transformers import GPT2LMHeadModel
from transformers.utils import ModelOutput

from icot_tui.analysis.loaded_model import LoadedModel
from icot_tui.config import ModelConfig
from icot_tui.data.tokenizing import Separators
from icot_tui.engine.checkpoints.checkpoint import list_checkpoints, load_tensors
from icot_tui.engine.evaluation.decoding import decode
from icot_tui.engine.evaluation.staged_examples import PositionShift, Prefixes
from icot_tui.errors import UserError
from icot_tui.methods.pause import PAUSES, pause_lm
from icot_tui.models.build import build_model
from icot_tui.models.residual_stream import ResidualStream
from icot_tui.models.supervised import SupervisedLM
from icot_tui.runs.opening import open_checkpoint
from tests.methods.common import assert_measured_as_in_training, assert_resumes_exactly
from tests.tiny import (
    news,
    tiny,
    train_new,
)

SEP, WORDS, K = 0, 12, 3
QUESTIONS = [[3, 4, SEP], [5, 6, 7, 8, SEP], [9, SEP], [11, 10, 9, 8, 7, SEP]]
BUDGET = 6
METHODS = ["pause", "pause_stepwise"]


def pausing(method="pause", **sections):
    return tiny(method={"name": method}, **{method: {"tokens": K}}, **sections)


class NewCacheName(GPT2LMHeadModel):
    """GPT-2 as of transformers 5.24, where the cache has another name."""

    def forward(
        self,
        input_ids=None,
        cache=None,
        attention_mask=None,
        position_ids=None,
        use_cache=None,
        logits_to_keep=0,
        **others,
    ):
        out = super().forward(
            input_ids,
            past_key_values=cache,
            attention_mask=attention_mask,
            position_ids=position_ids,
            use_cache=use_cache,
            logits_to_keep=logits_to_keep,
            **others,
        )
        return ModelOutput(logits=out.logits, cache=out.past_key_values)


@pytest.fixture(params=["gpt2", "llama", "gpt2 of 5.24"])
def lm(request):
    family, _, new = request.param.partition(" of ")
    config = ModelConfig(architecture=family, layers=2, heads=2, width=16, initializer_range=0.3)
    plain = build_model(config, WORDS, SEP, 24, 1)
    if new:
        plain.__class__ = NewCacheName
    return pause_lm(plain, K, SEP).eval()


def pauses_of(folder):
    return load_tensors(list_checkpoints(folder.checkpoints)[-1].path / PAUSES)


def by_hand(lm, row, first):
    """[C + K, V] logits of one row with the embeddings put in where they belong."""
    words, pauses = lm.lm.get_input_embeddings(), lm.parts["pauses"].weight
    embedded = words(torch.tensor(row))
    whole = torch.cat([embedded[: first + 1], pauses, embedded[first + 1 :]])
    return lm.lm(inputs_embeds=whole[None]).logits[0]


@torch.no_grad()
@pytest.mark.parametrize("batch_size", [1, 2, 4])
def test_decoding_in_batches_with_a_cache_is_decoding_by_hand(lm, batch_size):
    expected = []
    for question in QUESTIONS:
        row = list(question)
        while len(row) < len(question) + BUDGET:
            row.append(int(by_hand(lm, row, len(question) - 1)[-1].argmax()))
            if row[-1] == SEP:
                break
        expected.append(row[len(question) :])
    count, nowhere = len(QUESTIONS), np.zeros(len(QUESTIONS), dtype=np.int64)
    prefixes = Prefixes.from_rows(
        QUESTIONS, PositionShift(nowhere, nowhere), nowhere + 1, np.full(count, BUDGET)
    )
    written = decode(lm, prefixes, Separators(SEP, SEP, SEP), batch_size=batch_size)
    assert [written.row(row) for row in range(count)] == expected


def test_the_loss_is_on_the_answer_alone_and_teaches_the_pause_tokens(lm):
    """The answer's first token is predicted from the last pause token, and no pause token is."""
    rows = [[3, 4, SEP, 5, 6, SEP], [7, SEP, 8, SEP, SEP, SEP]]
    states, targets = torch.tensor([2, 3, 4, 7, 8]), torch.tensor([5, 6, SEP, 8, SEP])
    loss = SupervisedLM(lm)(torch.tensor(rows), None, states, targets)
    first, second = by_hand(lm, rows[0], 2), by_hand(lm, rows[1][:4], 1)
    predicting = torch.cat([first[2 + K : 5 + K], second[1 + K : 3 + K]])
    expected = torch.nn.functional.cross_entropy(predicting, targets, reduction="sum")
    torch.testing.assert_close(loss, expected, rtol=1e-4, atol=1e-4)
    loss.backward()
    assert (lm.parts["pauses"].weight.grad.abs().sum(dim=1) > 0).all()


def test_kept_position_ids_go_on_behind_the_pause_tokens(lm):
    ids, positions = torch.tensor([[3, SEP, 5, SEP]]), torch.tensor([[0, 4, 5, 6]])
    seen = {}

    def note(module, args, kwargs):
        seen.update(kwargs)

    hook = lm.lm.register_forward_pre_hook(note, with_kwargs=True)
    lm(ids, attention_mask=torch.ones_like(ids), position_ids=positions)
    hook.remove()
    assert seen["position_ids"].tolist() == [[0, 4, 5, 6, 7, 8, 9]]
    assert seen["attention_mask"].shape == (1, 4 + K)


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS)
def test_a_run_resumes_exactly(tmp_path, method):
    assert_resumes_exactly(tmp_path, pausing(method), PAUSES)


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS)
def test_a_run_trains_its_pause_tokens_and_can_be_asked(tmp_path, method):
    folder = train_new(tmp_path, pausing(method, checkpoints={"keep": 1000}))
    first, last = (list_checkpoints(folder.checkpoints)[at].path for at in (0, -1))
    before, after = (load_tensors(path / PAUSES)["parts.pauses.weight"] for path in (first, last))
    assert before.shape == (K, 16) and (before != after).any(dim=1).all()
    removed = [line["stage"] for line in news(folder) if line["event"] == "TokenRemoved"]
    assert bool(removed) == (method == "pause_stepwise")
    opened = open_checkpoint(folder.path)
    table = opened.model.lm.config.max_position_embeddings
    assert opened.model.config.max_position_embeddings == table - K
    assert len(opened.tokenizer) == opened.model.get_output_embeddings().weight.shape[0]
    answer = LoadedModel(opened).ask("12*34")
    assert answer.expected == "408"
    with pytest.raises(UserError, match="plain language models"):
        ResidualStream(opened.model)


def test_a_checkpoint_is_measured_by_the_command(tmp_path):
    folder = train_new(tmp_path, pausing())
    assert_measured_as_in_training(folder)


@pytest.mark.parametrize(
    "option", [{"train": {"compile": True}}, {"model": {"pretrained": "x", "lora": {"rank": 2}}}]
)
def test_what_does_not_go_with_it_is_refused(option):
    with pytest.raises(ValueError, match="does not go with pause: leave it out"):
        pausing(**option)
