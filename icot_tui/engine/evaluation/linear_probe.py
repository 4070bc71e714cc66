"""Linear probes for many places and many targets at once, in closed form.

Classes are predicted by linear discriminant analysis (one covariance for all classes). With S the
covariance of the activations, M [H, V] the centred class means and Π the classes' shares, the
covariance within classes is S - M Π Mᵀ, and by Woodbury

    (S - M Π Mᵀ)⁻¹ M = S⁻¹ M (I - Π Mᵀ S⁻¹ M)⁻¹,

so that one Cholesky factor a place serves all targets. (Least squares on one-hot targets needs no
more, but never picks the middle one of classes that lie on a line, as digits do.) A running sum is
predicted by ridge regression from the same factor.

Five folds: three fit the probes, one chooses the ridge, one scores; each scores once. Examples that
are permutations of one another (12 * 34 and 34 * 12) share a fold.

P places, N examples, H width, T targets of V classes at most.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Ints = NDArray[np.int64]

FOLDS = 5
RIDGES = (1e-3, 1e-1)  # added to the covariance, as shares of its mean variance
PLACE_BYTES = 256 << 20  # class scores held at once
NOISE = 1e-5  # differences below this share of an activation's size are rounding errors
LEAST_LEVEL = 1e-2
"""Of the mean variance, where an activation hardly varies: rounding must not dominate."""
_ABSENT = -1e9  # the score of a class that no fitting example has


@dataclass(frozen=True)
class ProbeTargets:
    """T targets of probes, classes or numbers.

    classes  [Tc, N] classes from 0
    counts   [Tc] how many classes each has
    numbers  [Tn, N] standardised: mean 0, variance 1
    """

    classes: Tensor
    counts: tuple[int, ...]
    numbers: Tensor

    @classmethod
    def of(cls, classes: Sequence[Ints], numbers: Sequence[Ints]) -> "ProbeTargets":
        """From values of each target."""
        n = len(classes[0]) if classes else len(numbers[0])
        values = np.array(numbers, dtype=np.float32).reshape(len(numbers), n)
        values -= values.mean(axis=1, keepdims=True)
        values /= np.maximum(values.std(axis=1, keepdims=True), 1e-9)
        stacked = np.array(classes, dtype=np.int64).reshape(len(classes), n)
        counts = tuple(int(row.max()) + 1 for row in stacked)
        return cls(torch.from_numpy(stacked), counts, torch.from_numpy(values))

    def shuffled(self, rng: np.random.Generator) -> "ProbeTargets":
        """The same values, assigned to the wrong examples."""
        order = torch.from_numpy(rng.permutation(self.classes.shape[1]))
        return ProbeTargets(self.classes[:, order], self.counts, self.numbers[:, order])

    @property
    def widest(self) -> int:
        return max(self.counts, default=1)

    def one_hot(self) -> Tensor:
        """[Tc, V, N] float32."""
        hot = torch.nn.functional.one_hot(self.classes, self.widest)
        return hot.transpose(1, 2).float()


class ProbeScores(NamedTuple):
    """How well held-out examples are predicted: [T, P] for P places, classes first, then numbers.

    score  accuracy of classes, R² of numbers
    error  its standard error
    """

    score: NDArray[np.float64]
    error: NDArray[np.float64]

    @classmethod
    def of(cls, mean: Tensor, square: Tensor, examples: int) -> "ProbeScores":
        """From the mean loss and mean squared loss [T, P].

        The loss of a class is 0 or 1; that of a number the squared error in units of its variance.
        """
        error = ((square - mean**2).clamp(min=0) / examples).sqrt()
        return cls((1 - mean).double().numpy(), error.double().numpy())

    @classmethod
    def join(cls, parts: Sequence["ProbeScores"]) -> "ProbeScores":
        """Of the places of all parts."""
        return cls(*(np.concatenate(same, axis=1) for same in zip(*parts, strict=True)))

    def map(self, change: Callable[[NDArray[np.float64]], NDArray[np.float64]]) -> "ProbeScores":
        """The same rearrangement of scores and errors."""
        return ProbeScores(*(change(grid) for grid in self))


def folds(prompts: Ints, seed: int = 0) -> Ints:
    """[N] random fold of each example by its input's tokens [N, L]; permutations share one."""
    _, group = np.unique(np.sort(prompts, axis=1), axis=0, return_inverse=True)
    group = group.reshape(-1)
    order = np.random.default_rng(seed).permutation(int(group.max()) + 1)
    sizes = np.bincount(group)[np.argsort(order)]
    part = (np.cumsum(sizes) - sizes) * FOLDS // len(prompts)  # whole groups, nearly equal parts
    found: Ints = part[order[group]]
    return found


def constant_scores(targets: ProbeTargets, part: Ints) -> ProbeScores:
    """[T, 1] of always predicting the fitting examples' most common class, or their mean."""
    hot, numbers = targets.one_hot(), targets.numbers
    losses = torch.zeros(len(hot) + len(numbers), len(part))
    for fold in range(FOLDS):
        fit, _, test = _masks(part, fold)
        common = hot[:, :, fit].sum(2).argmax(1)
        losses[: len(hot), test] = (targets.classes[:, test] != common[:, None]).float()
        mean = numbers[:, fit].mean(1, keepdim=True)
        losses[len(hot) :, test] = (numbers[:, test] - mean) ** 2
    return ProbeScores.of(losses.mean(1)[:, None], (losses**2).mean(1)[:, None], len(part))


def probe(activations: Tensor, targets: ProbeTargets, part: Ints) -> ProbeScores:
    """Fit and score probes for every target from activations [P, N, H], in folds [N]."""
    examples = activations.shape[1]
    row = 4 * examples * max(1, len(targets.counts)) * targets.widest // FOLDS + 1
    size = max(1, PLACE_BYTES // row)
    parts = [_probe(some, targets, part) for some in torch.split(activations, size)]
    means, squares = (torch.cat(same, 1) for same in zip(*parts, strict=True))
    return ProbeScores.of(means, squares, examples)


def probe_with_best(
    activations: Tensor, targets: ProbeTargets, part: Ints, eligible: int
) -> tuple[ProbeScores, ProbeScores]:
    """([T, P], [T, 1]): as `probe`, and at the best of the first `eligible` places.

    Each fold chooses it for each target, by the examples that choose the ridge: those that score
    have no part in the choice.
    """
    total = torch.zeros(len(targets.counts) + len(targets.numbers), len(activations) + 1)
    squares = torch.zeros_like(total)
    for choice, losses in _fold_losses(activations, targets, part):
        best = choice[:, :eligible].argmin(1)  # [T]
        both = torch.cat([losses, losses[torch.arange(len(best)), best][:, None]], 1)
        total += both.sum(2)
        squares += (both**2).sum(2)
    n = len(part)
    everywhere, at_best = (
        ProbeScores.of(total[:, where] / n, squares[:, where] / n, n)
        for where in (slice(-1), slice(-1, None))
    )
    return everywhere, at_best


def _masks(part: Ints, fold: int) -> tuple[Tensor, Tensor, Tensor]:
    """[N] which examples fit, choose and score."""
    test, choose = part == fold, part == (fold + 1) % FOLDS
    return tuple(map(torch.from_numpy, (~test & ~choose, choose, test)))  # type: ignore[return-value]


def _probe(x: Tensor, targets: ProbeTargets, part: Ints) -> tuple[Tensor, Tensor]:
    """([T, P], [T, P]) mean loss and mean squared loss."""
    total = torch.zeros(len(targets.counts) + len(targets.numbers), len(x))
    squares = torch.zeros_like(total)
    for _, losses in _fold_losses(x, targets, part):
        total += losses.sum(2)
        squares += (losses**2).sum(2)
    return total / len(part), squares / len(part)


@torch.no_grad()
def _fold_losses(x: Tensor, targets: ProbeTargets, part: Ints) -> Iterator[tuple[Tensor, Tensor]]:
    """Of each fold, with the ridge that is best for place and target: the mean loss [T, P] of the
    examples that chose it, and the losses [T, P, n] of those that score.
    """
    rounding = NOISE * x.abs().mean((1, 2), keepdim=True).clamp(min=1e-30)
    x = x - x.mean(1, keepdim=True)
    spread = x.std(1, keepdim=True)
    x = torch.where(spread > rounding, x / spread, 0.0)
    width = x.shape[2]
    if (
        width > x.shape[1]
    ):  # the span of the examples is all there is: the same probes, fewer numbers
        x = torch.linalg.qr(x.mT).R.mT
    hot = targets.one_hot()
    in_folds = [torch.from_numpy(part == fold) for fold in range(FOLDS)]
    sums = [_moments(x[:, i], hot[:, :, i], targets.numbers[:, i]) for i in in_folds]
    for fold in range(FOLDS):
        _, choose, test = _masks(part, fold)
        fitting = [own for n, own in enumerate(sums) if n not in (fold, (fold + 1) % FOLDS)]
        moments = _Moments(*(torch.stack(same).sum(0) for same in zip(*fitting, strict=True)))
        fits = [_fit(moments, ridge, width) for ridge in RIDGES]
        chosen = [_losses(x[:, choose], fit, targets, choose).mean(2) for fit in fits]
        lowest = torch.stack(chosen).min(0)  # [T, P]
        losses = torch.stack([_losses(x[:, test], fit, targets, test) for fit in fits])
        index = lowest.indices[None, ..., None].expand(1, -1, -1, losses.shape[3])
        yield lowest.values, losses.gather(0, index)[0]


class _Moments(NamedTuple):
    """Sums over examples, each of one fold or of several: adding gives those of their union.

    [] n; [P, H] Σx; [P, H, H] Σxxᵀ; [Tc, V] counts; [P, H, Tc, V] and [P, H, Tn] Σ of x with
    classes and numbers; [Tn] Σ of numbers.
    """

    examples: Tensor
    x: Tensor
    xx: Tensor
    classes: Tensor
    x_classes: Tensor
    x_numbers: Tensor
    numbers: Tensor


def _moments(x: Tensor, hot: Tensor, numbers: Tensor) -> _Moments:
    across = x.transpose(1, 2)  # [P, H, n]
    flat = across @ hot.flatten(0, 1).T  # [P, H, Tc * V]
    return _Moments(
        examples=torch.tensor(x.shape[1]),
        x=x.sum(1),
        xx=across @ x,
        classes=hot.sum(2),
        x_classes=flat.view(*flat.shape[:2], *hot.shape[:2]),
        x_numbers=across @ numbers.T,
        numbers=numbers.sum(1),
    )


@dataclass(frozen=True)
class _Fit:
    """Weights: [P, H, Tc, V] weights and [P, Tc, V] biases of classes; [P, H, Tn], [P, Tn]."""

    classes: Tensor
    biases: Tensor
    numbers: Tensor
    offsets: Tensor


def _fit(moments: _Moments, ridge: float, width: int) -> _Fit:
    n = moments.examples.clamp(min=1)
    mean = (moments.x / n).double()  # [P, H]
    covariance = moments.xx.double() / n - mean[:, :, None] * mean[:, None]
    level = (covariance.diagonal(dim1=1, dim2=2).sum(1) / width).clamp(min=LEAST_LEVEL)
    covariance.diagonal(dim1=1, dim2=2).add_((ridge * level)[:, None])
    factor = torch.linalg.cholesky(covariance)

    counts = moments.classes.double()  # [Tc, V]
    shares = counts / n
    means = moments.x_classes.double() / counts.clamp(min=1) - mean[:, :, None, None]
    means = means * (counts > 0)  # [P, H, Tc, V]
    with_numbers = moments.x_numbers.double() / n
    with_numbers -= mean[:, :, None] * (moments.numbers.double() / n)  # [P, H, Tn]
    solved = torch.cholesky_solve(torch.cat([means.flatten(2), with_numbers], 2), factor)
    classified, widest = counts.shape
    inverse = solved[:, :, : classified * widest].reshape(means.shape)  # S⁻¹ M
    overlap = torch.einsum("phtv,phtw->ptvw", means, inverse)
    within = torch.eye(widest, dtype=torch.double) - shares[:, :, None] * overlap
    weights = torch.linalg.solve(within.mT, inverse.permute(0, 2, 3, 1))  # [P, Tc, V, H]
    weights = weights.permute(0, 3, 1, 2)
    biases = shares.clamp(min=1e-12).log() - (means * weights).sum(1) / 2
    biases = torch.where(counts > 0, biases, _ABSENT) - torch.einsum("ph,phtv->ptv", mean, weights)
    slopes = solved[:, :, classified * widest :]
    offsets = moments.numbers.double() / n - torch.einsum("ph,pht->pt", mean, slopes)
    return _Fit(weights.float(), biases.float(), slopes.float(), offsets.float())


def _losses(x: Tensor, fit: _Fit, targets: ProbeTargets, where: Tensor) -> Tensor:
    """[T, P, n] of the examples x [P, n, H]."""
    scores = x @ fit.classes.flatten(2)  # [P, n, Tc * V]
    scores = scores.view(*scores.shape[:2], *fit.classes.shape[2:]) + fit.biases[:, None]
    predicted = scores.argmax(3).permute(2, 0, 1)  # [Tc, P, n]
    wrong = (predicted != targets.classes[:, None, where]).float()
    read = (x @ fit.numbers + fit.offsets[:, None]).permute(2, 0, 1)
    return torch.cat([wrong, (read - targets.numbers[:, None, where]) ** 2])
