"""The logit lens: what the model would say at each place if it had to speak there."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from icot_tui.analysis.residual_stream import ResidualStream, Site
from icot_tui.errors import UserError


@dataclass(frozen=True)
class Lens:
    """S sites, L columns of one row, k likeliest tokens.

    tokens         [S, L, k] ids, the likeliest first
    probabilities  [S, L, k]
    of_chosen      [S, L] probability of the token that was asked for; None if none was
    """

    sites: tuple[str, ...]
    tokens: Tensor
    probabilities: Tensor
    of_chosen: Tensor | None


class LogitLens:
    """Reads the residual stream with the model's own last norm and head.

    Args:
        stream: of the model.

    Raises:
        UserError: norm and head together don't give the model's own logits from its last state.
    """

    def __init__(self, stream: ResidualStream) -> None:
        self._stream = stream
        head = stream.lm.get_output_embeddings()
        norms = [m for m in stream.decoder.children() if not _has_parts(m)] + [nn.Identity()]
        fitting = [norm for norm in norms if head is not None and self._fits(norm, head)]
        if not fitting:
            raise UserError("this model's logits are more than a norm and a head: no logit lens")
        self._norm, self._head = fitting[0], head

    def logits(self, states: Tensor) -> Tensor:
        """[..., H] -> [..., V]."""
        found: Tensor = self._head(self._norm(states))
        return found

    @torch.no_grad()
    def read(
        self, ids: Tensor, positions: Tensor | None = None, chosen: int | None = None, k: int = 3
    ) -> Lens:
        """What is said at every place of one row.

        Args:
            ids: [1, L].
            positions: [1, L] position ids.
            chosen: a token whose probability is wanted.
            k: how many of the likeliest.
        """
        sites = self._stream.sites
        with self._stream.recording(sites) as recorded:
            self._stream.forward(ids, positions)
        states = torch.stack([recorded[site][0] for site in sites])  # [S, L, H]
        chances = torch.softmax(self.logits(states).float(), -1)
        best = chances.topk(min(k, chances.shape[-1]), -1)
        return Lens(
            tuple(site.name for site in sites),
            best.indices,
            best.values,
            None if chosen is None else chances[..., chosen],
        )

    @torch.no_grad()
    def _fits(self, norm: nn.Module, head: nn.Module) -> bool:
        words: Any = self._stream.lm.get_input_embeddings().weight
        ids = torch.arange(4, device=words.device).remainder(len(words))[None]
        last = Site(len(self._stream.blocks) - 1, "resid_post")
        with self._stream.recording([last]) as recorded:
            whole = self._stream.forward(ids, None)
        try:
            read = head(norm(recorded[last]))
        except (TypeError, RuntimeError, IndexError):
            return False
        return read.shape == whole.shape and torch.allclose(read, whole, atol=1e-4, rtol=1e-4)


def _has_parts(module: nn.Module) -> bool:
    return isinstance(module, (nn.ModuleList, nn.Embedding, nn.Dropout))
