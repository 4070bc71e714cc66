"""What is kept here is what the real files hold; only where they are at hand."""

from itertools import islice

import pytest
import torch
from safetensors.torch import load_file

from tests.golden.lines import multiplication_lines
from tests.golden.test_weights import fingerprint
from tests.golden.values import examples, golden, real_examples
from tests.shared import shared


def test_weights():
    for name, expected in golden("weights").items():
        if name == "codi_projection":
            tensors = load_file(shared("golden/codi/projection.safetensors"))
        elif name in ("coconut", "codi"):
            tensors = load_file(shared(f"golden/{name}/model/model.safetensors"))
        else:
            folder = "si/checkpoint" if name == "si" else f"kd/{name}"
            tensors = torch.load(shared(f"golden/{folder}/state_dict.bin"), weights_only=True)
            del tensors["base_model.lm_head.weight"]  # tied to the embedding
        assert fingerprint(tensors) == pytest.approx(expected, rel=0, abs=1e-3), name


def test_examples():
    with shared("data/4_by_4_mult/valid.txt").open("rb") as file:
        assert b"".join(islice(file, 8)) == multiplication_lines()
    split, expected = real_examples("4_by_4_mult", 0, 8), examples("4_by_4_mult")
    for part in ("tokens", "starts", "prompt_lengths", "cot_lengths"):
        assert (getattr(split, part) == getattr(expected, part)).all()
