"""Control models, which show what a probe reads where nothing is hidden."""

from typing import TYPE_CHECKING

import numpy as np
import torch

from icot_tui.analysis.linear_probe import ProbeScores
from icot_tui.analysis.probe_report import Grid
from icot_tui.analysis.sites import Site

if TYPE_CHECKING:
    from transformers import PreTrainedModel

Places = dict[tuple[Site, str], int]
"""Number of each place, a site and a column's name, in the order of a grid's cells."""


def untrained(lm: "PreTrainedModel", seed: int) -> "PreTrainedModel":
    """A model of the same shape with random weights, on the same device.

    It draws from the process's random generator, whose state is restored afterwards.
    """
    from transformers import AutoModelForCausalLM

    bare = lm.get_base_model() if hasattr(lm, "get_base_model") else lm
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model: PreTrainedModel = AutoModelForCausalLM.from_config(bare.config)
    return model.to(next(bare.parameters()).device).eval()


def at_places(scores: ProbeScores, theirs: Places, ours: Places) -> ProbeScores:
    """A control's scores [T, S' * C'] at our places: [T, S * C].

    Where the control has no place of that name, its best for the target counts.
    """
    best = scores.score.argmax(1)
    index = np.array([[theirs.get(place, top) for place in ours] for top in best.tolist()])

    def take(grid: Grid) -> Grid:
        taken: Grid = np.take_along_axis(grid, index, axis=1)
        return taken

    return scores.map(take)
