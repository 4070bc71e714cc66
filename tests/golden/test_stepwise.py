"""The published code's batches and losses of Stepwise Internalization (arXiv 2405.14838)."""

import numpy as np
import pytest
import torch

from icot_tui.curriculum.removal import RemovalPlan, remove
from icot_tui.models.published import load_published
from icot_tui.models.supervised import SupervisedLM
from tests.golden.tokenizer import SEPARATOR
from tests.golden.values import examples, golden


@pytest.fixture(scope="module")
def model(checkpoints):
    return SupervisedLM(load_published(checkpoints / "si", str(checkpoints / "si_base")).eval())


def name_of(row):
    kept = "-kept" * row["keep_position"]
    return f"{row['data']}-{row['removal_side']}-{row['tokens_removed']}{kept}"


def rows():
    """All of them; a few stages are enough for a quick run."""
    for row in golden("si"):
        marks = [] if row["tokens_removed"] in (0, 10, 47, 100000) else pytest.mark.slow
        yield pytest.param(row, marks=marks, id=name_of(row))


@pytest.mark.parametrize("row", rows())
@torch.no_grad()
def test_loss(row, model):
    """Same tokens, same positions, same loss, at every stage, side and with kept positions."""
    plan = RemovalPlan(row["removal_side"], row["keep_position"])
    split = examples(row["data"], 0, row["examples"])
    batch = remove(split, np.arange(len(split)), row["tokens_removed"], plan, pad_id=SEPARATOR)
    assert batch.supervised_tokens == row["supervised_tokens"]
    assert batch.ids.shape[1] == row["sequence_length"]
    if "first_input_ids" in row:
        expected = row["first_input_ids"]
        assert batch.ids[0, : batch.lengths[0]].tolist() == expected[: batch.lengths[0]]
    states, targets = (torch.from_numpy(array) for array in batch.supervised())
    positions = None if batch.positions is None else torch.from_numpy(batch.positions)
    ids = torch.from_numpy(batch.ids)
    total = model(ids, positions, states, targets).item()
    assert total / len(targets) == pytest.approx(row["mean_loss"], rel=1e-5)
    nll, best = model.score(ids, positions, states, targets)
    assert nll.mean().item() == pytest.approx(row["mean_loss"], rel=1e-5)
    assert (best == targets).sum().item() == row["correct_tokens"]
