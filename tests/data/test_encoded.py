"""Part of an encoded split is a split of its own."""

import numpy as np

from icot_tui.data.encoded import EncodedSplit


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
