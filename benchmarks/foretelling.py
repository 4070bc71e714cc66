"""Does what is read of a token before it is written foretell how its removal goes?

    python benchmarks/foretelling.py RUNS... [--rounds 10000]

RUNS are run folders, or folders of them. Each removal that was probed just before it
(`NextTokensProbed`) is paired with what became of it: the steps until ten losses in a row were on
average as low as the last ten before, in nats an example, and whether that was so before the next
removal or the end of the run. A removal that never recovered takes the rank of the longest.

Rank correlations (Spearman) beside those of shuffled pairs: over all removals; within runs, where
outcomes are shuffled inside each run and only ranks inside it count; within tokens, which asks
whether the same token, read better in one run than in another, goes better there; and between the
means of tokens over runs, which are as many as there are tokens.
"""

import argparse
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from icot_tui.engine.journal.events import (
    Event,
    NextTokensProbed,
    RunEnded,
    StepsTrained,
    TokenRemoved,
)
from icot_tui.engine.journal.journal import JournalReader
from icot_tui.engine.journal.rewind import effective

FEW = 10
"""Steps that a loss before or after a removal is the mean of."""
Values = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Removal:
    """One removal: the look just before it, and the steps until it had recovered; None: never."""

    run: str
    look: NextTokensProbed
    recovered: int | None

    @property
    def excess(self) -> float:
        """How far it is read above the most common token: 0 not at all, 1 wholly."""
        assert self.look.readable is not None and self.look.majority is not None
        return (self.look.readable - self.look.majority) / (1 - self.look.majority)


def removals(run: str, events: Sequence[Event]) -> Iterator[Removal]:
    """The probed removals of a run's effective events, the loss per example as it was trained."""
    nats: dict[int, float] = {}
    looks: dict[int, NextTokensProbed] = {}
    begins: list[TokenRemoved] = []
    for event in events:
        if isinstance(event, StepsTrained):
            tokens = event.supervised_tokens / len(event.losses)
            nats |= {
                step: tokens * (math.nan if loss is None else loss)
                for step, loss in enumerate(event.losses, event.first)
            }
        elif isinstance(event, NextTokensProbed):
            looks[event.step] = event
        elif isinstance(event, TokenRemoved):
            begins.append(event)
    last = max(nats, default=0)
    ends = [event.step for event in begins[1:]] + [last]
    for removal, end in zip(begins, ends, strict=False):
        look = looks.get(removal.step)
        if look is None or look.readable is None or look.stage != removal.stage:
            continue
        before = [
            nats.get(step, math.nan) for step in range(removal.step - FEW + 1, removal.step + 1)
        ]
        after = [nats.get(step, math.nan) for step in range(removal.step + 1, end + 1)]
        if len(after) >= FEW:
            yield Removal(run=run, look=look, recovered=steps_to_recover(before, after))


def steps_to_recover(before: Sequence[float], after: Sequence[float]) -> int | None:
    """Steps until FEW losses in a row are on average as low as those before; None: never."""
    means = np.convolve(after, np.full(FEW, 1 / FEW), "valid")
    down = np.flatnonzero(means <= np.nanmean(before))
    return int(down[0]) + FEW if len(down) else None


def ranks(values: Values) -> Values:
    """Ranks from 0, their mean for equal values."""
    _, where, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = counts.cumsum()
    found: Values = ((ends - counts + ends - 1) / 2)[where]
    return found


def spearman(x: Values, y: Values, groups: NDArray[np.int64]) -> float:
    """Correlation of the ranks inside each group; NaN where one side is constant."""
    one, other = ranks_inside(x, groups), ranks_inside(y, groups)
    norm = math.sqrt(float((one**2).sum() * (other**2).sum()))
    return float((one * other).sum()) / norm if norm else math.nan


def ranks_inside(values: Values, groups: NDArray[np.int64]) -> Values:
    """Ranks inside each group, less their mean and on one scale for groups of all sizes."""
    found = np.empty(len(values))
    for group in np.unique(groups):
        own = ranks(values[groups == group])
        found[groups == group] = (own - own.mean()) / len(own)
    return found


def of_tokens(
    x: Values, y: Values, runs: NDArray[np.int64], tokens: NDArray[np.int64]
) -> tuple[Values, Values]:
    """Means over runs of each token's value and of its outcome's rank in its run.

    A token is as hard in each run as in the others, so that runs are no further evidence of which
    tokens are hard.
    """
    ranked = ranks_inside(y, runs)
    every = np.unique(tokens)
    one, other = (
        np.array([values[tokens == token].mean() for token in every]) for values in (x, ranked)
    )
    return one, other


@dataclass(frozen=True)
class Correlation:
    """A rank correlation; of shuffled pairs where 95 % are, and the share that is as far off."""

    rho: float
    low: float
    high: float
    p: float


def correlation(
    x: Values, y: Values, groups: NDArray[np.int64], rounds: int, seed: int = 0
) -> Correlation:
    """Beside shuffles of `y` inside the groups [n]."""
    rng, rho = np.random.default_rng(seed), spearman(x, y, groups)
    places = [np.flatnonzero(groups == group) for group in np.unique(groups)]
    found = np.empty(rounds)
    for number in range(rounds):
        shuffled = y.copy()
        for where in places:
            shuffled[where] = y[rng.permutation(where)]
        found[number] = spearman(x, shuffled, groups)
    low, high = np.quantile(found, [0.025, 0.975])
    p = (1 + int((np.abs(found) >= abs(rho) - 1e-12).sum())) / (1 + rounds)
    return Correlation(rho, float(low), float(high), p)


PREDICTORS: dict[str, Callable[[Removal], float]] = {
    "readable": lambda one: one.look.readable or 0.0,
    "above the most common": lambda one: one.excess,
    "the last layer's": lambda one: one.look.layers[-1],
    "number of the token": lambda one: one.look.stage,
}
OUTCOMES: dict[str, Callable[[Removal], float]] = {
    "steps to recover": lambda one: math.inf if one.recovered is None else one.recovered,
    "not recovered": lambda one: one.recovered is None,
}
GROUPS: dict[str, Callable[[Removal], str]] = {
    "all": lambda one: "",
    "within runs": lambda one: one.run,
    "within tokens": lambda one: str(one.look.stage),
}
TOKENS = "means of tokens"


def rows(found: Sequence[Removal], rounds: int) -> Iterator[str]:
    """Lines of a Markdown table, of the removals of tokens that differ between examples."""
    yield "| predictor | outcome | pairs | n | ρ | 95 % of shuffles | p |"
    yield "|---|---|---|---|---|---|---|"
    for predictor, x in PREDICTORS.items():
        for outcome, y in OUTCOMES.items():
            values = _values(found, x), _values(found, y)
            groups = {
                pairs: np.unique([group(one) for one in found], return_inverse=True)[1]
                for pairs, group in GROUPS.items()
            }
            compared = [(pairs, (*values, at)) for pairs, at in groups.items()]
            means = of_tokens(*values, groups["within runs"], groups["within tokens"])
            compared.append((TOKENS, (*means, np.zeros(len(means[0]), dtype=np.int64))))
            for pairs, data in compared:
                one, n = correlation(*data, rounds), len(data[0])
                numbers = f"{one.rho:+.2f} | {one.low:+.2f} to {one.high:+.2f} | {one.p:.4f}"
                told = "– | – | –" if math.isnan(one.rho) else numbers
                yield f"| {predictor} | {outcome} | {pairs} | {n} | {told} |"


def _values(found: Sequence[Removal], of: Callable[[Removal], float]) -> Values:
    return np.array([of(one) for one in found], dtype=np.float64)


def journals(paths: Sequence[Path]) -> Iterator[tuple[str, list[Event]]]:
    """Runs that were trained to their end."""
    for path in paths:
        for journal in sorted({*path.glob("journal.jsonl"), *path.glob("*/journal.jsonl")}):
            events = [event for _, event in effective(JournalReader(journal).events())]
            if events and isinstance(events[-1], RunEnded) and events[-1].finished:
                yield journal.parent.name, events


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("runs", type=Path, nargs="+")
    parser.add_argument("--rounds", type=int, default=10_000)
    options = parser.parse_args()
    found: list[Removal] = []
    looking = training = 0.0
    for run, events in journals(options.runs):
        found += removals(run, events)
        looking += sum(one.seconds for one in events if isinstance(one, NextTokensProbed))
        training += sum(one.seconds for one in events if isinstance(one, StepsTrained))
    vary = [one for one in found if one.look.majority != 1]
    print("| run | removal | readable | shuffled | most common | last layer | recovered after |")
    print("|---|---|---|---|---|---|---|")
    for one in vary:
        look, after = one.look, "never" if one.recovered is None else f"{one.recovered:,}"
        shares = (look.readable, look.shuffled, look.majority, look.layers[-1])
        told = " | ".join("–" if share is None else f"{share:.2f}" for share in shares)
        print(f"| {one.run} | {look.stage} | {told} | {after} |")
    print(f"\n{len(found)} removals, of them {len(vary)} of tokens that differ between examples:\n")
    print("\n".join(rows(vary, options.rounds)))
    if training:
        print(f"\nlooking took {looking:.1f} s beside {training:.1f} s of training steps: ", end="")
        print(f"{looking / training:.2%}")


if __name__ == "__main__":
    main()
