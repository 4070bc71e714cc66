"""Models from scratch."""

import pytest

from icot_tui.config import ModelConfig
from icot_tui.models.build import build_model


@pytest.mark.parametrize(("wanted", "found"), [(None, 0.02), (0.05, 0.05)])
@pytest.mark.parametrize("architecture", ["gpt2", "llama"])
def test_spread_of_the_first_weights(architecture: str, wanted: float | None, found: float) -> None:
    config = ModelConfig(architecture=architecture, layers=1, width=64, initializer_range=wanted)
    model = build_model(config, vocabulary=50, separator_id=0, positions=40, seed=0)
    weights = model.get_input_embeddings().weight
    assert float(weights.detach().std()) == pytest.approx(found, rel=0.1)
