"""How sure a model is of what it writes."""

from pathlib import Path

import numpy as np
import torch

from icot_tui.engine.evaluation.decoding import decode
from icot_tui.exporting.source import read_source


@torch.no_grad()
def smallest_margin(checkpoint: Path) -> float:
    """Nats between the best token and the next, where the held-out answers have least of it."""
    source = read_source(checkpoint, None, None)
    lm, everything = source.prepared.lm, np.arange(len(source.examples))
    prefixes = source.examples.prefixes(everything, np.zeros_like(everything))
    written = decode(lm, prefixes, source.prepared.token_format.separators)
    smallest = np.inf
    for at in range(len(prefixes)):
        before, after = prefixes.ids[at, -prefixes.lengths[at] :], written.row(at)
        logits = lm(torch.from_numpy(np.concatenate([before, after]))[None]).logits[0]
        best = logits[len(before) - 1 : -1].topk(2).values
        assert (logits[len(before) - 1 : -1].argmax(-1).numpy() == after).all()
        smallest = min(smallest, float((best[:, 0] - best[:, 1]).min()))
    return smallest
