"""The residual stream of a model with continuous thoughts, over all passes that a batch takes.

Its columns are those of one row that holds everything, the questions' separators in one column:
` {x} SEP START t_1 .. t_n END {z} SEP #### {y}`. A change in the column of a thought reaches all
later thoughts, as each is made of what comes before it.

B rows, C columns of the rows as given, L of the stream, H width, V words.
"""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from icot_tui.models.latents import LatentReading, ThoughtCounts
from icot_tui.models.residual_stream import Change, ResidualStream, Site
from icot_tui.models.wrapped import WrappedLM, unadapted

if TYPE_CHECKING:
    from transformers import PreTrainedModel

Ints = NDArray[np.int64]


def thoughts_of(lm: object, stage: int, prompt_lengths: Ints) -> ThoughtCounts | None:
    """The thoughts of rows with such prompts ` {x} SEP`; None for a model without."""
    reading = getattr(lm, "reading", None)
    if not isinstance(reading, LatentReading):
        return None
    prompts = int(prompt_lengths.min()), int(prompt_lengths.max())
    return ThoughtCounts(reading.thoughts_at(stage), None, prompts)


def stream_columns(counts: ThoughtCounts, prompt_lengths: Ints, columns: Ints) -> Ints:
    """[B, K] in the stream of columns [B, K] of the rows; END has the column of its separator."""
    assert counts.prompts is not None
    shortest, longest = counts.prompts
    asked = columns + longest - prompt_lengths[:, None]
    rest = columns - (shortest - 1) + longest + 1 + counts.most
    return np.where(columns < prompt_lengths[:, None] - 1, asked, rest)


class LatentStream(ResidualStream):
    """See `ResidualStream`; `counts` says how many thoughts there are, and of what prompts."""

    def __init__(self, whole: WrappedLM, counts: ThoughtCounts) -> None:
        super().__init__(whole.lm)
        self._whole, self._counts, self._length = whole, counts, 0
        self.has_middle = ResidualStream(whole.lm).has_middle

    def forward(self, ids: Tensor, positions: Tensor | None) -> Tensor:
        """[B, C, V] logits in the rows' own columns; END's in the place of the separator's."""
        assert positions is None and self._counts.prompts is not None
        shortest, longest = self._counts.prompts
        self._length = longest + 1 + self._counts.most + ids.shape[1] - (shortest - 1)
        logits: Tensor = self._whole(ids.to(self.device), thoughts=self._counts).logits
        return logits

    @contextmanager
    def recording(self, sites: Sequence[Site]) -> Iterator[dict[Site, Tensor]]:
        """Activations [B, L, H] of the last forward pass, by site."""
        found: dict[Site, Tensor] = {}
        passes: dict[Site, list[Tensor]] = {site: [] for site in sites}

        def keep(where: Site, activation: Tensor) -> Tensor:
            parts = passes[where]
            parts.append(activation.detach())
            if sum(part.shape[1] for part in parts) == self._length:
                found[where] = torch.cat(parts, dim=1)
                parts.clear()
            return activation

        with ExitStack() as stack:
            for where in sites:
                stack.enter_context(super().changing(where, partial(keep, where)))
            yield found

    @contextmanager
    def changing(self, where: Site, change: Change) -> Iterator[None]:
        """Replace an activation [B, L, H] by what `change` makes of it, pass by pass.

        In each pass the columns of the others are 0, and what becomes of them is left out.
        """
        seen = 0

        def change_pass(activation: Tensor) -> Tensor:
            nonlocal seen
            begin, end = seen, seen + activation.shape[1]
            seen = end % self._length
            whole = activation.new_zeros(len(activation), self._length, activation.shape[2])
            whole[:, begin:end] = activation
            return change(whole)[:, begin:end]

        with super().changing(where, change_pass):
            yield


def stream_of(lm: "PreTrainedModel", counts: ThoughtCounts | None) -> ResidualStream:
    """The stream of a model, which has thoughts where `counts` says so.

    Raises:
        UserError: it reads its rows in yet another way, or its blocks can't be found.
    """
    bare: nn.Module = unadapted(lm)
    if counts is None or not isinstance(bare, WrappedLM):
        return ResidualStream(lm)
    return LatentStream(bare, counts)
