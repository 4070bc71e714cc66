"""What happens inside a model: attribution to swapped tokens, attention, and the logit lens."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from icot_tui.analysis.examples import AlignedExamples, Ints
from icot_tui.analysis.probe_report import Grid
from icot_tui.errors import UserError
from icot_tui.models.residual_stream import ResidualStream, Site, forward

if TYPE_CHECKING:
    from transformers import PreTrainedModel


@dataclass(frozen=True)
class Attribution:
    """I input columns that differ between examples × K answer digits.

    columns  [I] their names
    digits   [K] c0, c1, ...
    logit    [I, K] mean fall of the right token's logit when the column holds another token
    size     [I, K] mean absolute change of it
    changed  [I, K] share of examples in which the arg-max changes
    examples averaged over
    """

    columns: tuple[str, ...]
    digits: tuple[str, ...]
    logit: Grid
    size: Grid
    changed: Grid
    examples: int


@torch.no_grad()
def attribute(stream: ResidualStream, aligned: AlignedExamples, rows: Ints) -> Attribution:
    """Replace each column's token by one that another example has there; all else stays.

    The gold answer is fed in all cases, so that each digit is looked at by itself.
    """
    columns = np.flatnonzero(aligned.varies[: aligned.separator])
    rng = np.random.default_rng(0)
    sums = np.zeros((3, len(columns), aligned.digits))
    for part in aligned.batches(rows):
        ids, positions = aligned.inputs(part)
        before, best = _gold_logits(stream, aligned, part, ids, positions)
        for number, column in enumerate(columns.tolist()):
            swapped = ids.clone()
            others = torch.from_numpy(_other_tokens(aligned.tokens[:, column], part, rng))
            swapped[np.arange(len(part)), aligned.columns[part, column]] = others
            after, best_after = _gold_logits(stream, aligned, part, swapped, positions)
            fall = before - after
            sums[:, number] += np.sum([fall, np.abs(fall), best != best_after], axis=1)
    logit, size, changed = sums / len(rows)
    return Attribution(
        columns=tuple(aligned.names[column] for column in columns),
        digits=aligned.names[aligned.answer :],
        logit=logit,
        size=size,
        changed=changed,
        examples=len(rows),
    )


def _other_tokens(tokens: Ints, rows: Ints, rng: np.random.Generator) -> Ints:
    """[n] tokens from the same column of random examples, but never a row's own token."""
    own, drawn = tokens[rows], rng.choice(tokens, len(rows))
    while (same := drawn == own).any():
        drawn[same] = rng.choice(tokens, int(same.sum()))
    return drawn


def _gold_logits(
    stream: ResidualStream,
    aligned: AlignedExamples,
    rows: Ints,
    ids: Tensor,
    positions: Tensor | None,
) -> tuple[Grid, Ints]:
    """([n, K] logits of the gold answer less the mean logit, [n, K] arg-max)."""
    logits = stream.forward(ids, positions)[aligned.before_answer(rows)].float().cpu()
    centred = logits - logits.mean(-1, keepdim=True)  # a shift of all logits means nothing
    gold = torch.from_numpy(aligned.tokens[rows, aligned.answer :])
    right = centred.gather(2, gold[..., None])[..., 0]
    return right.double().numpy(), logits.argmax(-1).numpy()


@torch.no_grad()
def attention(lm: "PreTrainedModel", ids: Tensor, positions: Tensor | None = None) -> Tensor:
    """[layers, B, heads, query L, key L] float32 weights on the CPU of rows padded on the right.

    Raises:
        UserError: the model does not return its attention weights.
    """
    bare = lm.get_base_model() if hasattr(lm, "get_base_model") else lm
    before = bare.config._attn_implementation
    bare.set_attn_implementation("eager")  # only this implementation returns weights
    try:
        weights = forward(lm, ids, positions, output_attentions=True).attentions
    finally:
        bare.set_attn_implementation(before)
    if not weights or weights[0] is None:
        raise UserError(f"a {type(lm).__name__} does not return its attention weights")
    return torch.stack([layer.float().cpu() for layer in weights])


def mean_attention(
    lm: "PreTrainedModel", aligned: AlignedExamples, rows: Ints
) -> NDArray[np.float64]:
    """[layers, heads, query C, key C] weights between aligned columns, averaged over examples."""
    total: Tensor | float = 0.0
    for part in aligned.batches(rows):
        found = attention(lm, *aligned.inputs(part))
        columns = torch.from_numpy(aligned.columns[part])  # [n, C]
        row = torch.arange(len(part))[:, None, None]
        # Advanced indices around a slice come first: [n, C, C, layers, heads].
        chosen = found.permute(1, 3, 4, 0, 2)[row, columns[:, :, None], columns[:, None]]
        total = total + chosen.sum(0).permute(2, 3, 0, 1).double()
    assert isinstance(total, Tensor)
    mean: NDArray[np.float64] = (total / len(rows)).numpy()
    return mean


@dataclass(frozen=True)
class LensReading:
    """S sites, L columns of one row, k most likely tokens.

    tokens         [S, L, k] ids, the most likely first
    probabilities  [S, L, k]
    of_chosen      [S, L] probability of the chosen token
    """

    sites: tuple[Site, ...]
    tokens: Tensor
    probabilities: Tensor
    of_chosen: Tensor


class LogitLens:
    """Reads the residual stream with the model's own final norm and head.

    Nostalgebraist, "interpreting GPT: the logit lens", 2020.

    Raises:
        UserError: norm and head together don't give the model's own logits from its last state.
    """

    def __init__(self, stream: ResidualStream) -> None:
        self._stream = stream
        head = stream.lm.get_output_embeddings()
        others = (nn.ModuleList, nn.Embedding, nn.Dropout)
        norms = [module for module in stream.decoder.children() if not isinstance(module, others)]
        norms.append(nn.Identity())
        fitting = [norm for norm in norms if head is not None and self._fits(norm, head)]
        if not fitting:
            raise UserError("this model's logits are more than a norm and a head: no logit lens")
        self._norm, self._head = fitting[0], head

    @torch.no_grad()
    def read(self, ids: Tensor, positions: Tensor | None, chosen: int, k: int = 3) -> LensReading:
        """The k most likely tokens at every site and position of one row [1, L].

        And the probabilities of the token `chosen`.
        """
        sites = self._stream.sites
        with self._stream.recording(sites) as recorded:
            self._stream.forward(ids, positions)
        states = torch.stack([recorded[site][0] for site in sites])  # [S, L, H]
        shares = torch.softmax(self._head(self._norm(states)).float(), -1)
        best = shares.topk(min(k, shares.shape[-1]), -1)
        return LensReading(tuple(sites), best.indices, best.values, shares[..., chosen])

    @torch.no_grad()
    def _fits(self, norm: nn.Module, head: nn.Module) -> bool:
        vocabulary = len(self._stream.lm.get_input_embeddings().weight)
        ids = torch.arange(4).remainder(vocabulary)[None]
        last = Site(len(self._stream.blocks) - 1, "resid_post")
        with self._stream.recording([last]) as recorded:
            logits = self._stream.forward(ids, None)
        try:
            read = head(norm(recorded[last]))
        except (TypeError, RuntimeError, IndexError):
            return False
        return read.shape == logits.shape and torch.allclose(read, logits, atol=1e-4, rtol=1e-4)
