"""Models from scratch."""

import resource

import pytest

from icot_tui.config import ModelConfig
from icot_tui.errors import UserError
from icot_tui.models.build import build_model


@pytest.mark.parametrize(("wanted", "found"), [(None, 0.02), (0.05, 0.05)])
@pytest.mark.parametrize("architecture", ["gpt2", "llama"])
def test_spread_of_the_first_weights(architecture: str, wanted: float | None, found: float) -> None:
    config = ModelConfig(architecture=architecture, layers=1, width=64, initializer_range=wanted)
    model = build_model(config, vocabulary=50, separator_id=0, positions=40, seed=0)
    weights = model.get_input_embeddings().weight
    assert float(weights.detach().std()) == pytest.approx(found, rel=0.1)


@pytest.mark.parametrize(
    ("sizes", "sentence"),
    [
        ({"layers": 1, "width": 10**7}, "1 layer of width 10,000,000 .*: lower .* or model.width"),
        ({"width": 10**9}, "2 layers of width 1,000,000,000: lower"),
        ({"positions": 10**12}, r"512,000 GB of weights, .*: lower .* or model.positions"),
    ],
)
def test_more_weights_than_memory_are_refused_before_any_is_taken(
    sizes: dict[str, int], sentence: str
) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(UserError, match=f"^there is no memory for a model of .*{sentence}"):
        build_model(ModelConfig(**sizes), vocabulary=20, separator_id=0, positions=40, seed=0)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200 << 10  # KiB
