"""The logit lens: what the model would predict if each site were its last one.

The model's final norm and head are applied to the residual stream at every site (nostalgebraist,
"interpreting GPT: the logit lens", 2020).
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from icot_tui.analysis.residual_stream import ResidualStream, Site
from icot_tui.errors import UserError


@dataclass(frozen=True)
class LensReading:
    """S sites, L columns of one row, k most likely tokens.

    sites          [S]
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
