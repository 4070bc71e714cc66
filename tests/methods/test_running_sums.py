"""Running sums: as by hand, learned beside the answer, saved, and not needed to answer.

Also while a chain of thought is removed beside them.
"""

import numpy as np
import pytest
import torch
from accelerate import Accelerator
from transformers import AutoModelForCausalLM

from icot_tui.config import DataConfig, ModelConfig
from icot_tui.curriculum.removal import RemovalPlan, TokenFormat
from icot_tui.curriculum.schedule import ALL
from icot_tui.data.load import load_data
from icot_tui.engine.checkpoints.checkpoint import list_checkpoints, load_tensors
from icot_tui.engine.loop.optimizers import SkippingAdamW
from icot_tui.engine.loop.update import Padding, Update
from icot_tui.errors import UserError
from icot_tui.methods.running_sums import HEADS, arguments
from icot_tui.methods.running_sums.config import RunningSumsConfig
from icot_tui.methods.running_sums.objective import RunningSumsLM
from icot_tui.methods.running_sums.targets import Products
from icot_tui.models.build import build_model
from icot_tui.models.supervised import SupervisedLM
from icot_tui.runs.opening import open_checkpoint
from tests.methods.common import assert_measured_as_in_training, assert_resumes_exactly
from tests.tiny import (
    byte_pair_tokenizer,
    news,
    tiny,
    train_new,
)

SUMS = {  # of digits that stand lowest first: 99 * 99, 12 * 34, 7 * 80
    "9 9 * 9 9||- #### 1 0 8 9": [81, 170, 98, 9],
    "2 1 * 4 3||- #### 8 0 4 0": [8, 10, 4, 0],
    "7 * 0 8||- #### 0 6 5": [0, 56, 5],
}
LAYERS, HEADS_EACH, WIDTH = 2, 4, 16


METHODS = ["running_sums", "running_sums_stepwise"]


def summing(method="running_sums", **sections):
    return tiny(method={"name": method}, **sections)


def products_of(folder, lines, tokenizer="character"):
    """Data of some lines, and what reads the running sums of its batches."""
    path = folder / "lines.txt"
    path.write_text("\n".join(lines) + "\n")
    data = load_data(
        DataConfig(train=str(path), validation=str(path), tokenizer=tokenizer, max_overlap=1.0)
    )
    token_format = TokenFormat(data.tokenizer, data.separator_id, RemovalPlan())
    return Products(token_format, data.train), token_format, data.train


@pytest.mark.parametrize("tokenizer", ["character", "bytes"])
def test_running_sums_are_those_worked_out_by_hand(tmp_path, tokenizer):
    if tokenizer == "bytes":
        tokenizer = str(tmp_path / "tokenizer")
        byte_pair_tokenizer().save_pretrained(tokenizer)
    products, token_format, split = products_of(tmp_path, SUMS, tokenizer)
    batch = token_format.batch(split, np.arange(3), ALL)
    digits = products.read(batch)
    for row, expected in enumerate(SUMS.values()):
        assert digits.sums[digits.row == row].tolist() == expected
    every = [one for sums in SUMS.values() for one in sums]
    assert products.mean == pytest.approx(np.mean(every))
    assert products.spread == pytest.approx(np.std(every))
    texts = token_format.tokenizer.batch_decode(batch.ids[digits.row, digits.column, None])
    assert [int(text) for text in texts] == digits.digit.tolist() == [s % 10 for s in every]


@pytest.mark.parametrize("stage", [0, 1, 3, 5, 6, ALL])
def test_only_digits_of_the_answer_have_sums_whatever_is_left_of_the_chain(tmp_path, stage):
    lines = ["2 1 * 4 3||8 4 0 + 0 6 3 0 #### 8 0 4 0", "7 * 0 8||- #### 0 6 5"]
    products, token_format, split = products_of(tmp_path, lines)
    batch = token_format.batch(split, np.arange(2), stage)
    digits = products.read(batch)
    assert digits.counts.tolist() == [4, 3] and digits.sums.tolist() == [8, 10, 4, 0, 0, 56, 5]
    ends = [
        [int(length) - 1 - left for left in range(many, 0, -1)]
        for length, many in zip(batch.lengths, [4, 3], strict=True)
    ]
    assert digits.column.tolist() == [column for row in ends for column in row]


@pytest.mark.parametrize("architecture", ["gpt2", "llama"])
def test_the_loss_is_the_one_worked_out_by_hand(tmp_path, architecture):
    products, token_format, split = products_of(tmp_path, SUMS)
    model = ModelConfig(
        architecture=architecture, layers=LAYERS, heads=HEADS_EACH, width=WIDTH, dropout=0.0
    )
    end = token_format.separator_id
    lm = build_model(model, len(token_format.tokenizer), end, 32, 1)
    config = RunningSumsConfig(weight=0.5, layer=1, heads=3)
    objective = RunningSumsLM(lm, config, products.mean, products.spread)
    torch.nn.init.normal_(objective.heads.weight)
    torch.nn.init.normal_(objective.heads.bias)
    own = summing().train
    update = Update(
        objective=objective,
        optimizer=SkippingAdamW(list(objective.parameters()), own),
        accelerator=Accelerator(cpu=True),
        config=own,
        padding=Padding(5, 32, end),
        feed=lambda update, batch: arguments(products, update, batch),
    )
    batch = token_format.batch(split, np.arange(3), ALL)
    parts = objective(*arguments(products, update, batch))
    loss = sum(parts.values())

    seen = {}
    block = lm.base_model.h[0] if architecture == "gpt2" else lm.base_model.layers[0]
    projection = block.attn.c_proj if architecture == "gpt2" else block.self_attn.o_proj
    hook = projection.register_forward_hook(lambda module, args, out: seen.update(read=args[0]))
    nll = SupervisedLM(lm)(*update.tensors(batch))
    hook.remove()
    expected = nll.item()
    answers = zip(SUMS.values(), batch.lengths, batch.prompt_lengths, strict=True)
    for row, (sums, length, prompt) in enumerate(answers):
        errors = []
        for k, value in enumerate(sums):
            column = length - 1 - len(sums) + k - 1  # the answer's digits end before the last SEP
            heads = seen["read"][row, column].reshape(HEADS_EACH, -1)[:3]
            said = (heads * objective.heads.weight).sum(1) + objective.heads.bias
            errors.append((said * products.spread + products.mean - value) ** 2)
        mean = torch.stack(errors).mean().item() / products.spread**2
        expected += 0.5 * mean * (length - prompt)
    assert {name: part.item() for name, part in parts.items()} == pytest.approx(
        {"nll": nll.item(), "running_sums": expected - nll.item()}, rel=1e-5
    )
    assert loss.item() == pytest.approx(expected, rel=1e-5)
    loss.backward()
    assert projection.weight.grad is not None and (objective.heads.weight.grad != 0).all()
    empty = arguments(products, update, batch.rows(np.array([], dtype=np.int64)))
    assert len(empty[-1].values) == 0


def test_the_heads_are_trained_and_saved(tmp_path):
    folder = train_new(tmp_path, summing(running_sums={"heads": 1}))
    first, last = (
        load_tensors(list_checkpoints(folder.checkpoints)[at].path / HEADS) for at in (0, -1)
    )
    assert first.keys() == {f"heads.{name}" for name in ("weight", "bias", "mean", "spread")}
    assert (first["heads.weight"] != last["heads.weight"]).all()
    torch.testing.assert_close(first["heads.mean"], last["heads.mean"], rtol=0, atol=0)


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS)
def test_a_run_resumes_exactly(tmp_path, method):
    assert_resumes_exactly(tmp_path, summing(method), HEADS)


def test_the_chain_is_removed_beside_the_heads(tmp_path):
    folder = train_new(tmp_path, summing("running_sums_stepwise"))
    lines = list(news(folder))
    assert any(line["event"] == "TokenRemoved" for line in lines)
    parts = [line["loss_parts"] for line in lines if line["event"] == "StepsTrained"]
    assert all(part.keys() == {"nll", "running_sums"} for part in parts)


@pytest.mark.slow
def test_what_answers_is_an_ordinary_language_model(tmp_path):
    folder = train_new(tmp_path, summing())
    opened = open_checkpoint(folder.path)
    assert opened.description.language_model
    plain = AutoModelForCausalLM.from_pretrained(opened.path)
    assert type(opened.model) is type(plain)
    assert_measured_as_in_training(folder)


@pytest.mark.parametrize(
    "line",
    [
        "9 9 * 9 9||- #### 9 8 0 1",  # highest first
        "9 9 + 9 9||- #### 8 9 1",
        "99 * 99||- #### 9801",
        "0 * 0||- #### 0 0 0",  # more digits than the product can have
        "2 * 3||- #### six",
    ],
)
def test_data_whose_sums_are_not_known_are_refused(tmp_path, line):
    with pytest.raises(UserError, match=r"known of products only.*training example 4 is none"):
        products_of(tmp_path, [*SUMS, line])


@pytest.mark.parametrize(
    ("sections", "problem"),
    [
        ({"train": {"compile": True}}, "does not go with running_sums: leave it out"),
        ({"model": {"gradient_checkpointing": True}}, "does not go with running_sums"),
        ({"data": {"task": "parity", "options": {}}}, "of products only, not of parity: set data"),
    ],
)
def test_configs_that_it_cannot_train_are_refused(sections, problem):
    with pytest.raises(ValueError, match=problem):
        summing(**sections)


@pytest.mark.parametrize("own", [{"layer": 2}, {"heads": 3}])
def test_heads_that_the_model_lacks_are_refused(tmp_path, own):
    with pytest.raises(UserError, match="but the model has 2 heads in each of 1 layers"):
        train_new(tmp_path, summing(running_sums=own))
