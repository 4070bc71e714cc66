"""The plot of the budget of chain tokens."""

import numpy as np

from icot_tui.analysis.budget import BudgetPoint
from icot_tui.analysis.hybrid import BudgetOutcome
from icot_tui.formatting import percent
from icot_tui.tui.play.budget_plot import BudgetPlot, conclusion


def test_all_curves_of_the_budget_plot_count_the_tokens_really_written() -> None:
    """Nine chains of 2 tokens and one of 20: the longest says little of what is written."""
    fast, slow = 40.0, 10.0
    points = [
        BudgetPoint(
            written=20 - stage,
            stage=stage,
            examples=10,
            exact_match=share,
            low=share - 0.1,
            high=share + 0.1,
            mean_written=mean,
            examples_per_second=speed,
        )
        for stage, share, mean, speed in ((0, 0.9, 3.8, slow), (10, 0.5, 1.0, fast))
    ]
    tokens = np.array([2] * 9 + [20])
    whole = BudgetOutcome.of(
        chosen=[20] * 10,
        verdicts=[True] * 9 + [False],
        written=tokens,
        decoded=tokens,
        written_in_all=2 * tokens,
        decoded_in_all=2 * tokens,
    )
    plot = BudgetPlot("mixed", points, [whole], True)
    fixed, low, high, chosen, in_all = plot.accuracy.data.curves
    assert chosen.x.tolist() == [3.8] and in_all.x.tolist() == [7.6]
    [speed] = plot.speed.data.curves
    assert [curve.x.tolist() for curve in (fixed, low, high, speed)] == [[1.0, 3.8]] * 4
    assert fixed.y.tolist() == [0.5, 0.9] and speed.y.tolist() == [fast, slow]
    assert plot.accuracy.data.extent == plot.speed.data.extent == (1.0, 7.6)
    assert "mean over the examples" in plot.accuracy.data.x_label == plot.speed.data.x_label
    assert conclusion(plot.points) == (
        f"{percent(0.5)} right with 1 tokens written on average, {percent(0.9)} with 3.8 "
        "(10 examples). Writing 1 is 4.0 times as fast as writing 3.8."
    )
