"""Which threshold of the hybrid per query is chosen, from answers that were made up."""

import math
import time

import numpy as np
import pytest

from icot_tui.analysis.calibration import (
    AskedWithAll,
    cheapest_budget,
    cheapest_threshold,
)


def asked(confidence, right, decoded, new=None):
    """Four questions and the budgets 0, 2 and 8, with as many tokens as there are chain tokens."""
    shape = np.array(confidence).shape
    return AskedWithAll(
        budgets=(0, 2, 8),
        confidence=np.array(confidence),
        right=np.array(right, dtype=np.bool_),
        written=np.repeat([[0], [2], [8]], shape[1], axis=1),
        decoded=np.repeat(np.array(decoded)[:, None], shape[1], axis=1),
        new=np.ones(shape, dtype=np.bool_) if new is None else np.array(new, dtype=np.bool_),
    )


GOLDEN = {
    "confidence": [[0.9, 0.2, 0.6, 0.1], [0.9, 0.8, 0.3, 0.3], [0.9, 0.9, 0.9, 0.1]],
    "right": [[1, 0, 0, 0], [1, 1, 0, 0], [1, 1, 1, 0]],
    "decoded": [3, 5, 11],
}


def test_thresholds_are_judged_by_hand():
    table = asked(**GOLDEN)
    assert table.chosen(0.0).tolist() == [0, 0, 0, 0]
    assert table.chosen(0.5).tolist() == [0, 1, 0, 2]
    assert table.chosen(0.7).tolist() == [0, 1, 2, 2]
    assert table.chosen(math.inf).tolist() == [2, 2, 2, 2]
    found = table.at(0.7)
    assert (found.right, found.shares) == (3, {0: 0.25, 2: 0.25, 8: 0.5})
    assert found.written == (0 + 2 + 8 + 8) / 4
    assert found.written_in_all == (0 + 2 + 10 + 10) / 4
    assert found.decoded_in_all == (3 + 8 + 19 + 19) / 4
    assert table.fixed(2).decoded_in_all == table.fixed(2).decoded == 5
    control = table.at_random(0.7)
    assert control.exact_match == pytest.approx((0.25 + 0.5 + 0.75 + 0.75) / 4)
    assert control.low <= control.exact_match <= control.high
    assert table.thresholds.tolist() == [0, 0.1, 0.2, 0.3, 0.6, 0.8, 0.9, math.inf]


def test_a_curve_goes_from_the_first_answers_to_the_whole_chains():
    table = asked(**GOLDEN)
    assert table.curve() == [table.at(one) for one in table.thresholds]
    few = table.curve(3)
    assert [one.shares for one in few] == [{0: 1.0}, table.at(0.6).shares, {8: 1.0}]


def test_the_threshold_with_the_fewest_tokens_is_chosen():
    table = asked(**GOLDEN)
    assert cheapest_threshold(table, 0.25) == 0.0
    assert cheapest_threshold(table, 0.5) == 0.3  # the fourth is sure enough with two tokens
    assert cheapest_threshold(table, 0.75) == 0.8
    assert cheapest_threshold(table, 0.8) is None
    assert [cheapest_budget(table, one) for one in (0.25, 0.5, 0.75, 0.8)] == [0, 2, 8, None]
    equal = asked(**GOLDEN | {"decoded": [5, 5, 11]})
    assert cheapest_budget(equal, 0.25) == 2  # of as few tokens, what is right more often


def test_a_budget_that_means_the_same_is_no_try():
    new = [[1, 1, 1, 1], [1, 1, 1, 0], [1, 1, 0, 0]]  # the third's chain has two tokens
    table = asked(**GOLDEN, new=new)
    assert table.chosen(math.inf).tolist() == [2, 2, 1, 0]
    assert table.at(math.inf).decoded_in_all == (19 + 19 + 8 + 3) / 4


def drawn(n, seed, decimals=12):
    """n questions whose chains have up to 16 tokens, and six budgets; some confidences are NaN."""
    generator = np.random.default_rng(seed)
    budgets = np.array([0, 1, 2, 4, 8, 16])
    own = np.minimum(budgets[:, None], generator.integers(0, 17, n))
    confidence = generator.random(own.shape).round(decimals)
    confidence[generator.random(own.shape) < 0.01] = math.nan
    return AskedWithAll(
        budgets=tuple(budgets.tolist()),
        confidence=confidence,
        right=generator.random(own.shape) < 0.3 + own / 30,
        written=own,
        decoded=own + generator.integers(2, 5, own.shape),
        new=np.diff(own, axis=0, prepend=-1) > 0,
    )


@pytest.mark.parametrize(("n", "decimals"), [(1, 1), (7, 1), (60, 2), (60, 12)])
@pytest.mark.parametrize("seed", range(4))
def test_all_thresholds_at_once_are_each_of_them_by_a_plain_loop(n, decimals, seed):
    """Confidences to one or two decimals have many ties."""
    table = drawn(n, seed, decimals)
    loop = []
    for threshold in table.thresholds.tolist():
        right = decoded = 0
        for at in range(n):
            tries = np.flatnonzero(table.new[:, at]).tolist()
            for budget in tries:
                decoded += int(table.decoded[budget, at])
                if budget == tries[-1] or table.confidence[budget, at] >= threshold:
                    right += int(table.right[budget, at])
                    break
        loop.append((threshold, right / n, decoded / n))
    assert (table.right_at_all() / n).tolist() == [share for _, share, _ in loop]
    assert (table.decoded_at_all() / n).tolist() == [mean for _, _, mean in loop]
    outcomes = [(one, table.at(one)) for one in table.thresholds.tolist()]
    assert loop == [(one, found.share, found.decoded_in_all) for one, found in outcomes]
    fixed = [(one, table.fixed(one)) for one in table.budgets]
    for wanted in np.linspace(0, 1, 41).tolist():
        enough = [one for one in loop if one[1] >= wanted]
        best = min(enough, key=lambda one: (one[2], -one[1]), default=(None,))
        assert cheapest_threshold(table, wanted) == best[0]
        alike = [(one, at.share, at.decoded_in_all) for one, at in fixed if at.share >= wanted]
        budget = min(alike, key=lambda one: (one[2], -one[1]), default=(None,))
        assert cheapest_budget(table, wanted) == budget[0]


def test_a_threshold_of_ten_thousand_examples_is_chosen_in_a_moment():
    table = drawn(10_000, 0)
    began = time.process_time()
    assert len(table.curve()) == 33
    assert cheapest_threshold(table, 0.5) is not None and cheapest_threshold(table, 1.0) is None
    assert time.process_time() - began < 1
    assert len(table.thresholds) > 40_000
