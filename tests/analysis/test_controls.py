"""Control models at the places of the model that is probed."""

import numpy as np

from icot_tui.analysis.probe_run import at_places
from icot_tui.engine.evaluation.linear_probe import ProbeScores
from icot_tui.models.residual_stream import Site


def test_a_control_counts_at_the_same_place_or_else_at_its_best():
    embeddings, output = Site(0, "resid_pre"), Site(0, "resid_post")
    theirs = {(embeddings, "a0"): 0, (embeddings, "SEP"): 1, (output, "a0"): 2, (output, "SEP"): 3}
    ours = {(output, "SEP"): 0, (output, "z1"): 1, (embeddings, "a0"): 2}
    scores = ProbeScores(
        np.array([[0.1, 0.9, 0.2, 0.3], [0.8, 0.1, 0.2, 0.4]]),
        np.array([[0.01, 0.02, 0.03, 0.04], [0.05, 0.06, 0.07, 0.08]]),
    )
    found = at_places(scores, theirs, ours)
    assert found.score.tolist() == [[0.3, 0.9, 0.1], [0.4, 0.8, 0.8]]
    assert found.error.tolist() == [[0.04, 0.02, 0.01], [0.08, 0.05, 0.05]]
