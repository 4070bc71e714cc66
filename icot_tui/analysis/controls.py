"""Models that cannot know what is asked for, and how their places match."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch

from icot_tui.analysis.probe_report import Grid
from icot_tui.analysis.residual_stream import Site

if TYPE_CHECKING:
    from transformers import PreTrainedModel


def untrained(lm: "PreTrainedModel", seed: int) -> "PreTrainedModel":
    """A model of the same shape with random weights, where the other one is.

    The process's random generator is as before afterwards; it is not left alone meanwhile.
    """
    from transformers import AutoModelForCausalLM

    bare = lm.get_base_model() if hasattr(lm, "get_base_model") else lm
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model: PreTrainedModel = AutoModelForCausalLM.from_config(bare.config)
    first = next(bare.parameters())
    return model.to(first.device).eval()


def at_same_places(
    sites: Sequence[Site],
    columns: Sequence[str],
    their_sites: Sequence[Site],
    their_columns: Sequence[str],
) -> Callable[[Grid, Grid], Grid]:
    """A function that brings a control's grid into our shape.

    It takes values and scores, both [T, S', C'], and gives [T, S, C] values: those at the place of
    the same name, or, where the control has no such place, those where its score is best.
    """
    site_of = {site: number for number, site in enumerate(their_sites)}
    column_of = {name: number for number, name in enumerate(their_columns)}

    def bring(values: Grid, scores: Grid) -> Grid:
        flat, best = values.reshape(len(values), -1), scores.reshape(len(scores), -1).argmax(1)
        ours = np.empty((len(values), len(sites), len(columns)))
        ours[:] = flat[np.arange(len(values)), best][:, None, None]
        for row, site in enumerate(sites):
            for at, name in enumerate(columns):
                if site in site_of and name in column_of:
                    ours[:, row, at] = values[:, site_of[site], column_of[name]]
        return ours

    return bring
