"""Activation patching: take an activation from another question and see how the answer changes.

Base and source are two examples. The activation at one place of the base is replaced by the
source's: all of it, or only its part in the space that the target's class means span, so that
everything else stays. The target's effect predicts which token the answer digit becomes. The gold
answer is fed up to that digit, and the digit is the arg-max.

Only pairs count whose base the model answers correctly at that digit and whose prediction is
another token. The control compares the same changed answers with the prediction from a third
example: a patch that merely breaks the answer matches it as often.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from icot_tui.analysis.examples import AlignedExamples, Ints
from icot_tui.analysis.probe_targets import Effect, Target
from icot_tui.models.residual_stream import ResidualStream, Site

PAIRS = 256  # at most so many pairs for each place and target
FEWEST_PAIRS = 50  # with fewer, patching supports nothing
DRAWN = 16  # random pairs drawn for each one wanted
LEAST_GAIN = 0.1  # how much more frequent predicted changes must be than the control's
SURE = 4.0  # and by how many standard errors: among some 600 places this gives 0.02 false alarms
Mode = Literal["whole", "part"]
MODES: tuple[Mode, ...] = ("whole", "part")


@dataclass(frozen=True)
class Patched:
    """The effect of patching one place.

    pairs    how many counted
    share    of them in which the answer digit became what was predicted
    control  the same for the prediction from a third example
    """

    pairs: int
    share: float
    control: float

    @property
    def supports(self) -> bool:
        """Does the answer change as predicted, far more often than by chance?"""
        if self.pairs < FEWEST_PAIRS:
            return False
        variance = self.share * (1 - self.share) + self.control * (1 - self.control)
        error = max((variance / self.pairs) ** 0.5, 1 / self.pairs)
        gain = self.share - self.control
        return gain >= LEAST_GAIN and gain >= SURE * error


@dataclass(frozen=True)
class PatchPairs:
    """[n] bases and sources, the digit's predicted token, and the control's prediction."""

    base: Ints
    source: Ints
    predicted: Ints
    control: Ints


class Patcher:
    """Patches places of one model on aligned examples; `seed` draws the pairs."""

    def __init__(self, stream: ResidualStream, aligned: AlignedExamples, seed: int = 0) -> None:
        self._stream, self.aligned, self._seed = stream, aligned, seed
        parts = [self._predictions(rows) for rows in aligned.batches()]
        self._right = np.concatenate(parts) == aligned.tokens[:, aligned.answer :]  # [N, K]

    @property
    def accuracy(self) -> NDArray[np.float64]:
        """[K] share of right tokens at each answer digit, with the gold ones fed before it."""
        found: NDArray[np.float64] = self._right.mean(axis=0)
        return found

    def pairs(self, effect: Effect) -> PatchPairs:
        """Random pairs that count, at most PAIRS."""
        rng = np.random.default_rng((self._seed, effect.digit))
        base, source, other = rng.integers(0, len(self.aligned), (3, PAIRS * DRAWN))
        own = self.aligned.answer_tokens(effect.digit)[base]
        predicted, control = effect.predicted(base, source), effect.predicted(base, other)
        counts = self._right[base, effect.digit] & (predicted != own) & (predicted >= 0)
        counts &= (control != own) & (control != predicted) & (control >= 0)
        kept = np.flatnonzero(counts)[:PAIRS]
        return PatchPairs(base[kept], source[kept], predicted[kept], control[kept])

    def patch(
        self,
        site: Site,
        column: int,
        activations: Tensor,
        target: Target,
        pairs: PatchPairs,
        mode: Mode,
    ) -> Patched:
        """Patch one place for one target.

        Args:
            site, column: the place.
            activations: [N, H] there.
            target: with an effect.
            pairs: from `pairs`.
            mode: replace the whole activation, or the target's part.
        """
        assert target.effect is not None
        if not len(pairs.base):
            return Patched(0, 0.0, 0.0)
        shift = activations[pairs.source] - activations[pairs.base]  # [n, H]
        if mode == "part":
            span = _span(activations, target)
            shift = shift @ span @ span.T
        became = self._patched_predictions(site, column, pairs.base, shift)[:, target.effect.digit]
        return Patched(
            len(pairs.base),
            float((became == pairs.predicted).mean()),
            float((became == pairs.control).mean()),
        )

    def _patched_predictions(self, site: Site, column: int, base: Ints, shift: Tensor) -> Ints:
        """[n, K] arg-max at each answer digit, with `shift` added at a place of the base rows."""
        found, device = [], self._stream.device
        for part in self.aligned.batches(np.arange(len(base))):
            columns = torch.from_numpy(self.aligned.columns[base[part], column])
            change = partial(_add, added=shift[part].to(device), columns=columns)
            with self._stream.changing(site, change):
                found.append(self._predictions(base[part]))
        return np.concatenate(found)

    @torch.no_grad()
    def _predictions(self, rows: Ints) -> Ints:
        """[n, K] arg-max at each answer digit."""
        logits = self._stream.forward(*self.aligned.inputs(rows))
        best: Ints = logits[self.aligned.before_answer(rows)].argmax(-1).cpu().numpy()
        return best


def _add(activation: Tensor, added: Tensor, columns: Tensor) -> Tensor:
    """An activation [B, L, H] with something added in one column [B] of each row."""
    changed = activation.clone()
    changed[torch.arange(len(columns)), columns] += added.to(changed.dtype)
    return changed


def _span(activations: Tensor, target: Target) -> Tensor:
    """[H, r] orthonormal: where the class means differ, or the direction of a running sum.

    The means, not the probe's weights: weights also cancel noise, and moving along them would
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


def strongest(patched: Sequence[Patched]) -> Patched:
    """The one that says most for the target: one that supports it first, then by its gain."""
    return max(patched, key=lambda one: (one.supports, one.share - one.control))
