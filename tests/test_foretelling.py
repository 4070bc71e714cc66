"""`benchmarks/foretelling.py`: rank correlations of constructed data, and outcomes of removals."""

import math

import numpy as np

from benchmarks.foretelling import (
    FEW,
    correlation,
    of_tokens,
    ranks,
    removals,
    spearman,
    steps_to_recover,
)
from icot_tui.engine.journal.events import Event
from tests.events import STARTED, probed, removed, trained

ROUNDS = 999


def together(n: int) -> np.ndarray:
    return np.zeros(n, dtype=np.int64)


def test_ranks_share_their_mean_among_equal_values() -> None:
    assert ranks(np.array([5.0, 1.0, 5.0, math.inf, 1.0])).tolist() == [2.5, 0.5, 2.5, 4.0, 0.5]


def test_any_rising_relation_is_one_and_a_falling_one_minus_one() -> None:
    x = np.array([0.1, 0.7, 0.3, 0.9, 0.5])
    assert math.isclose(spearman(x, np.exp(9 * x), together(5)), 1)
    assert math.isclose(spearman(x, -(x**3), together(5)), -1)
    assert math.isnan(spearman(x, np.ones(5), together(5)))


def test_it_equals_the_textbook_formula_without_ties() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.permutation(30).astype(float), rng.permutation(30).astype(float)
    textbook = 1 - 6 * ((x - y) ** 2).sum() / (30 * (30**2 - 1))
    assert math.isclose(spearman(x, y, together(30)), textbook)


def test_shuffled_pairs_tell_a_relation_from_chance() -> None:
    rng = np.random.default_rng(1)
    x = rng.normal(size=40)
    related = correlation(x, x + rng.normal(size=40), together(40), ROUNDS)
    assert related.rho > related.high and related.p < 0.01
    assert abs(related.low + related.high) < 0.1 and -0.45 < related.low < -0.2
    chance = [correlation(x, rng.normal(size=40), together(40), 199, seed).p for seed in range(40)]
    assert sum(p < 0.05 for p in chance) <= 6 and np.mean(chance) > 0.3


def test_what_only_differs_between_groups_is_no_relation_within_them() -> None:
    """Late tokens are read badly and recover slowly; the same token in other runs does not."""
    rng = np.random.default_rng(2)
    groups = np.repeat(np.arange(5), 8)
    x, y = groups + 0.1 * rng.normal(size=40), groups + 0.1 * rng.normal(size=40)
    assert correlation(x, y, together(40), ROUNDS).p < 0.01
    within = correlation(x, y, groups, ROUNDS)
    assert within.p > 0.05 and abs(within.rho) < 0.4


def test_many_runs_of_few_tokens_are_as_many_pairs_as_there_are_tokens() -> None:
    """Six tokens, each as hard in all of fifty runs."""
    rng = np.random.default_rng(3)
    tokens, runs = np.tile(np.arange(6), 50), np.repeat(np.arange(50), 6)
    hard, read = rng.permutation(6).astype(float), rng.permutation(6).astype(float)
    y = hard[tokens] * (1 + runs)  # later runs take longer: only ranks inside a run count
    x = read[tokens] + 0.01 * rng.normal(size=300)
    means = of_tokens(x, y, runs, tokens)
    assert np.allclose(means[0], read, atol=0.02)
    assert ranks(means[1]).tolist() == hard.tolist()
    assert correlation(*means, together(6), ROUNDS).p > 0.001


def test_a_removal_recovers_when_ten_losses_are_down_again() -> None:
    before = [1.0] * FEW
    assert steps_to_recover(before, [3.0] * 7 + [1.0] * 40) == 17
    assert steps_to_recover(before, [0.5] * 20) == FEW
    assert steps_to_recover(before, [1.1] * 50) is None


def told(step: int, stage: int, losses: list[float], tokens: int) -> Event:
    """Losses of steps in which an example had so many tokens."""
    import msgspec

    line = trained(step, stage, losses)
    return msgspec.structs.replace(line, supervised_tokens=tokens * len(losses))


def test_removals_are_paired_with_their_looks_and_losses_count_by_example() -> None:
    events = [
        STARTED,
        told(20, 0, [0.4] * 20, tokens=10),
        probed(20, 0, 0.9),
        removed(20, 1),
        # As many nats an example as before, on fewer tokens: at once as low.
        told(40, 1, [0.5] * 20, tokens=8),
        probed(40, 1, 0.3),
        removed(40, 2),
        told(60, 2, [0.9] * 20, tokens=6),
        removed(60, 3),  # without a look
        told(80, 3, [0.1] * 20, tokens=4),
    ]
    found = list(removals("a", events))
    assert [(one.look.stage, one.look.readable, one.recovered) for one in found] == [
        (1, 0.9, FEW), (2, 0.3, None),
    ]  # fmt: skip
    assert math.isclose(found[0].excess, (0.9 - 0.29) / 0.71)
