"""Padded shapes are few, and a compiler or a graph has met all of them before the first step."""

import numpy as np
import pytest

from icot_tui.engine.loop.trainer import Trainer
from icot_tui.engine.loop.update import Update
from tests.tiny import tiny, train_new

MULTIPLE = 4
SIZES = {
    "alike": {"options": {"digits": "3x3"}},
    "mixed": {"options": {"digits": "1-3x1-3"}, "train_examples": 100},
}


@pytest.mark.slow
@pytest.mark.parametrize("micro_batch_size", [None, 3])
@pytest.mark.parametrize("data", SIZES.values(), ids=SIZES)
def test_every_shape_is_met_in_the_warm_up(data, micro_batch_size, tmp_path, monkeypatch) -> None:
    warmed, met = set(), set()
    tensors, run, splits = Update.tensors, Trainer.run, []

    def recorded(update: Update, batch):
        sent = tensors(update, batch)
        met.add((tuple(sent[0].shape), len(sent[2])))
        return sent

    def warm_run(trainer: Trainer):
        splits.append(trainer.split)
        trainer.warm_up()
        warmed.update(met)
        met.clear()
        return run(trainer)

    monkeypatch.setattr(Update, "tensors", recorded)
    monkeypatch.setattr(Trainer, "run", warm_run)
    train = {"max_steps": 40, "pad_to_multiple": MULTIPLE, "micro_batch_size": micro_batch_size}
    pace = {"schedule": "linear", "remove_per_epoch": 9, "smoothing": 1.0}
    sections = {"train": {**train, "split_by_length": False}, "curriculum": pace}
    train_new(tmp_path, tiny(data=data, evaluation={"every_steps": 100}, **sections))
    (split,) = splits
    columns = {columns for (_, columns), _ in met}
    assert len(columns) > 2
    assert all(one % MULTIPLE == 0 or one == split.max_length for one in columns)
    assert met <= warmed
    sizes = len({rows for (rows, _), _ in warmed})
    rooms = int(np.ptp(split.prompt_lengths)) // MULTIPLE + 2
    assert len(warmed) <= sizes * rooms * (split.max_length // MULTIPLE + 1)
