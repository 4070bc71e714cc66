"""Taking an activation from another question: does the answer change as it should?

Base and source are two examples; the activation at one place of the base is replaced by the
source's, either all of it or only its part in the space that the target's class means span (so that
what else stands there stays). The target's effect says which token the answer digit should become.
The gold answer is fed up to that digit, and the digit is the arg-max.

Only pairs count whose base the model answers rightly at that digit, and whose prediction is another
token than that. The control compares the same changed answers with what some other source would
have predicted: a patch that merely breaks the answer does no better than that.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from icot_tui.analysis.activations import batches
from icot_tui.analysis.aligned_examples import AlignedExamples
from icot_tui.analysis.probe_targets import Effect, Target
from icot_tui.analysis.residual_stream import ResidualStream, Site

PAIRS = 256
"""Pairs a place and target."""
FEWEST_PAIRS = 50
DRAWN = 16
"""Random pairs drawn for each one wanted."""
LEAST_GAIN = 0.1
"""Predicted changes must be so much more frequent than the control's."""
SURE = 4.0
"""And the gain so many standard errors: at this many, some 600 places give 0.02 false alarms."""
Mode = Literal["whole", "part"]


@dataclass(frozen=True)
class Patched:
    """What patching one place did.

    pairs    how many counted
    share    of them in which the answer digit became what was predicted
    control  the same for the prediction of another source
    changed  share in which it changed at all
    mode     whole activation, or the target's part of it
    """

    pairs: int
    share: float
    control: float
    changed: float
    mode: Mode

    @property
    def supports(self) -> bool:
        """Does the answer change as predicted, far more often than by chance?"""
        if self.pairs < FEWEST_PAIRS:
            return False
        spread = self.share * (1 - self.share) + self.control * (1 - self.control)
        error = max((spread / self.pairs) ** 0.5, 1 / self.pairs)
        gain = self.share - self.control
        return gain >= LEAST_GAIN and gain >= SURE * error


@dataclass(frozen=True)
class Pairs:
    """Pairs of a target: [n] bases, sources, the digit's predicted token, and the control's."""

    base: NDArray[np.int64]
    source: NDArray[np.int64]
    predicted: NDArray[np.int64]
    control: NDArray[np.int64]


class Patcher:
    """Patches places of one model on aligned examples.

    Args:
        stream: the model's.
        aligned: its examples.
        seed: of the pairs.
    """

    def __init__(self, stream: ResidualStream, aligned: AlignedExamples, seed: int = 0) -> None:
        self._stream, self.aligned, self._seed = stream, aligned, seed
        self._device = next(stream.lm.parameters()).device
        self._written = self._digits(np.arange(len(aligned)))  # [N, K]
        gold = aligned.tokens[:, aligned.answer :]
        self._right = self._written == gold

    @property
    def accuracy(self) -> NDArray[np.float64]:
        """[K] share of right tokens at each answer digit, the gold ones fed before it."""
        found: NDArray[np.float64] = self._right.mean(axis=0)
        return found

    def pairs(self, effect: Effect) -> Pairs:
        """Random pairs that count, at most PAIRS."""
        rng = np.random.default_rng((self._seed, effect.digit))
        n, wanted = len(self.aligned), PAIRS * DRAWN
        base, source, other = rng.integers(0, n, (3, wanted))
        own = self.aligned.answer_tokens(effect.digit)[base]
        predicted, control = effect.predicted(base, source), effect.predicted(base, other)
        counts = self._right[base, effect.digit] & (predicted != own) & (predicted >= 0)
        counts &= (control != own) & (control != predicted) & (control >= 0)
        kept = np.flatnonzero(counts)[:PAIRS]
        return Pairs(base[kept], source[kept], predicted[kept], control[kept])

    def patch(
        self,
        site: Site,
        column: int,
        activations: Tensor,
        target: Target,
        mode: Mode = "whole",
        pairs: Pairs | None = None,
    ) -> Patched:
        """Patch one place for one target.

        Args:
            site: place on the residual stream.
            column: of the aligned.
            activations: [N, H] what stands there.
            target: with an effect.
            mode: replace all of it, or the target's part.
            pairs: from `pairs`, if they are known already.
        """
        assert target.effect is not None
        pairs = pairs or self.pairs(target.effect)
        if not len(pairs.base):
            return Patched(0, 0.0, 0.0, 0.0, mode)
        span = _span(activations, target) if mode == "part" else None
        became = self._became(site, column, activations, pairs, span)[:, target.effect.digit]
        own = self.aligned.answer_tokens(target.effect.digit)[pairs.base]
        return Patched(
            len(pairs.base),
            float((became == pairs.predicted).mean()),
            float((became == pairs.control).mean()),
            float((became != own).mean()),
            mode,
        )

    def _became(
        self, site: Site, column: int, activations: Tensor, pairs: Pairs, span: Tensor | None
    ) -> NDArray[np.int64]:
        move = activations[pairs.source] - activations[pairs.base]  # [n, H]
        if span is not None:
            move = move @ span @ span.T
        found = []
        for part in batches(self.aligned, np.arange(len(pairs.base))):
            rows, where = pairs.base[part], self.aligned.columns[pairs.base[part], column]
            shift, at = move[part].to(self._device), torch.from_numpy(where).to(self._device)

            def change(activation: Tensor, shift: Tensor = shift, at: Tensor = at) -> Tensor:
                changed = activation.clone()
                changed[torch.arange(len(at), device=at.device), at] += shift.to(changed.dtype)
                return changed

            with self._stream.changing(site, change):
                found.append(self._forward(rows))
        return np.concatenate(found)

    def _digits(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        return np.concatenate([self._forward(part) for part in batches(self.aligned, rows)])

    @torch.no_grad()
    def _forward(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """[n, K] arg-max at each answer digit."""
        aligned = self.aligned
        ids, positions = aligned.rows(rows)
        logits = self._stream.forward(
            ids.to(self._device), None if positions is None else positions.to(self._device)
        )
        where = torch.from_numpy(aligned.columns[rows, aligned.answer - 1 : -1]).to(self._device)
        if aligned.digits != where.shape[1]:
            where = where[:, : aligned.digits]
        at = torch.arange(len(rows), device=self._device)[:, None]
        best: NDArray[np.int64] = logits[at, where].argmax(-1).cpu().numpy()
        return best


def _span(activations: Tensor, target: Target) -> Tensor:
    """[H, r] orthonormal: where the class means differ, or the direction of a running sum.

    The means, not the probe's weights: weights also cancel noise, and to move along them would
    change what the model never reads (Haufe et al., 2014).
    """
    x = activations - activations.mean(0)
    values = torch.from_numpy(target.values)
    if target.kind == "sum":
        y = values.float() - values.float().mean()
        direction = (x.T @ y)[:, None]
        unit: Tensor = direction / direction.norm().clamp(min=1e-12)
        return unit
    hot = torch.nn.functional.one_hot(values).float()
    means = (x.T @ hot) / hot.sum(0).clamp(min=1)  # [H, V]
    left, sizes, _ = torch.linalg.svd(means, full_matrices=False)
    kept: Tensor = left[:, sizes > 1e-4 * sizes.max().clamp(min=1e-12)]
    return kept


def best_of(tried: Sequence[Patched]) -> Patched:
    """The one that says most for the target: one that supports it first, then by its gain."""
    return max(tried, key=lambda one: (one.supports, one.share - one.control))
