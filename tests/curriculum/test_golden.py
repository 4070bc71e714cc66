"""The published code's schedule and losses (shared golden values)."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from icot_tui.curriculum.curriculum import Curriculum
from icot_tui.curriculum.removal import RemovalPlan, remove
from icot_tui.curriculum.schedule import ALL, Beyond, Linear
from icot_tui.data.chunks import Chunk
from icot_tui.data.encoding import Encoder
from icot_tui.data.tokenizing import pretrained_tokenizer
from icot_tui.models.published import load_published
from icot_tui.models.supervised import SupervisedLM
from tests.shared import shared


def traces():
    path = Path(__file__).parents[2].parent / "shared/golden/si/schedule_traces.json"
    return json.loads(path.read_text()) if path.exists() else [None]


@pytest.mark.parametrize("trace", traces())
def test_schedule_trace(trace):
    """Every change of stage at its step, with or without a reset, and the stage at epochs' ends."""
    if trace is None:
        shared("golden/si/schedule_traces.json")
    per_epoch, epochs = trace["steps_per_epoch"], trace["epochs"]
    schedule = Linear.per_epoch(
        trace["remove_per_epoch"], per_epoch, trace["pretrain_epochs"], trace["remove_start_from"]
    )
    if trace["remove_all_when_remove_beyond"] is not None:
        schedule = Beyond(schedule, trace["remove_all_when_remove_beyond"])
    # The published schedule goes on counting when nothing is left, so let it.
    curriculum = Curriculum(schedule, max_cot_tokens=ALL, resets_optimizer=trace["reset_optimizer"])
    changes, ends = [], []
    for step in range(per_epoch * epochs):
        change = curriculum.begin_step()
        if change is not None:
            changes.append(
                {
                    "epoch": step // per_epoch,
                    "step": step,
                    "tokens_removed": change.after,
                    "optimizer_reset": change.resets_optimizer,
                }
            )
        curriculum.end_step(batch_was_implicit=curriculum.stage >= trace["cot_tokens"])
        if (step + 1) % per_epoch == 0:
            ends.append("all" if curriculum.stage == ALL else curriculum.stage)
    expected = trace["changes"]
    beyond = trace["remove_all_when_remove_beyond"]
    assert len(changes) == len(expected)
    for ours, theirs in zip(changes, expected, strict=True):
        if ours["tokens_removed"] == ALL:  # reaching the bound removes all at this very step
            ours["tokens_removed"] = beyond
        assert ours == theirs
    assert ends == trace["tokens_removed_at_epoch_end"]


@pytest.fixture(scope="module")
def published():
    model = load_published(shared("golden/si/checkpoint"), str(shared("golden/si/base_config")))
    return SupervisedLM(model.eval())


@pytest.fixture(scope="module")
def encoded():
    encoder = Encoder(pretrained_tokenizer(str(shared("data/gpt2_tokenizer"))))
    splits = {}
    for name in ("4_by_4_mult", "gsm8k"):
        lines = shared(f"data/{name}/valid.txt").read_bytes().splitlines(keepends=True)[:8]
        splits[f"{name}/valid.txt"] = encoder.encode(Chunk(b"".join(lines), name, 1))
    return splits


def losses():
    path = Path(__file__).parents[2].parent / "shared/golden/si/losses.json"
    return json.loads(path.read_text()) if path.exists() else [None]


@pytest.mark.parametrize("row", losses(), ids=str)
def test_loss(row, published, encoded):
    """Same tokens, same positions, same loss, at every stage, side and with kept positions."""
    split = encoded[row["data"]]
    plan = RemovalPlan(row["removal_side"], row["keep_position"])
    batch = remove(split, np.arange(8), row["tokens_removed"], plan, pad_id=50256)
    assert batch.supervised_tokens == row["supervised_tokens"]
    assert batch.ids.shape[1] == row["sequence_length"]
    if "first_input_ids" in row:
        expected = row["first_input_ids"]
        assert batch.ids[0, : batch.lengths[0]].tolist() == expected[: batch.lengths[0]]
    states, targets = (torch.from_numpy(array) for array in batch.supervised())
    positions = None if batch.positions is None else torch.from_numpy(batch.positions)
    ids = torch.from_numpy(batch.ids)
    total = published(ids, positions, states, targets).item()
    assert total / len(targets) == pytest.approx(row["mean_loss"], rel=1e-5)
    nll, best = published.score(ids, positions, states, targets)
    assert nll.mean().item() == pytest.approx(row["mean_loss"], rel=1e-5)
    assert (best == targets).sum().item() == row["correct_tokens"]
