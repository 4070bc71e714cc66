"""The weights drawn here are those that the published code was run on."""

import pytest
import torch

from tests.golden import weights
from tests.golden.values import golden


def models():
    return weights.kd_weights() | {
        "si": weights.si_weights(),
        "coconut": weights.coconut_weights(),
        "codi": weights.codi_weights(),
        "codi_projection": weights.codi_projection().state_dict(),
    }


def fingerprint(tensors):
    """How many values, their sum weighted by the cosine of each one's place, and of squares."""
    values = torch.cat([tensors[name].flatten() for name in sorted(tensors)]).double()
    places = torch.arange(len(values), dtype=torch.float64)
    return [len(values), float(values @ places.cos()), float(values @ values)]


def test_weights():
    """To 1e-3 in a sum of up to 800,000 values: processors may differ in the last bit of each."""
    found, expected = models(), golden("weights")
    assert found.keys() == expected.keys()
    for name, tensors in found.items():
        assert fingerprint(tensors) == pytest.approx(expected[name], rel=0, abs=1e-3), name
