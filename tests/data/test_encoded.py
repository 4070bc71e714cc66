"""Part of an encoded split is a split of its own."""

import numpy as np
import pytest

from icot_tui.data.encoded import DataOrder, EncodedSplit


def test_only_some_examples():
    lengths = np.array([3, 5, 4, 6])
    starts = np.concatenate([[0], np.cumsum(lengths)])
    split = EncodedSplit(
        np.arange(18, dtype=np.uint16),
        starts,
        np.array([1, 2, 1, 3], dtype=np.int32),
        np.array([0, 1, 1, 1], dtype=np.int32),
    )
    kept = split.only(split.lengths <= 4)
    assert len(kept) == 2
    assert [kept.example(place).tolist() for place in range(2)] == [
        split.example(0).tolist(),
        split.example(2).tolist(),
    ]
    assert kept.prompt_lengths.tolist() == [1, 1]
    assert kept.cot_lengths.tolist() == [0, 1]
    assert len(split.only(np.zeros(4, dtype=np.bool_))) == 0


@pytest.mark.parametrize(("examples", "batch_size"), [(11, 4), (12, 4), (3, 3)])
def test_what_is_left_at_the_end_of_an_epoch_is_left_out(examples, batch_size):
    """Other examples each time; all batches are whole, and no example stands in two of an epoch."""
    order, steps = DataOrder(examples, batch_size, seed=5), examples // batch_size
    assert order.steps_per_epoch == steps
    left_out = set()
    for epoch in range(20):
        rows = [order.rows(step).tolist() for step in range(epoch * steps, (epoch + 1) * steps)]
        assert [len(batch) for batch in rows] == [batch_size] * steps
        seen = {row for batch in rows for row in batch}
        assert len(seen) == steps * batch_size and seen <= set(range(examples))
        left_out |= set(range(examples)) - seen
        assert DataOrder(examples, batch_size, seed=5).rows(epoch * steps).tolist() == rows[0]
    assert left_out == (set(range(examples)) if examples % batch_size else set())
    assert DataOrder(11, 4, seed=6).rows(0).tolist() != DataOrder(11, 4, seed=5).rows(0).tolist()
