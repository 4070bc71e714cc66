"""What is kept here is what the real files hold; only where they are at hand."""

from itertools import islice

import pytest
import torch
from safetensors.torch import load_file

from icot_tui.data.chunks import Chunk
from icot_tui.data.encoding import Encoder
from icot_tui.data.tokenizing import pretrained_tokenizer
from tests.golden.lines import multiplication_lines
from tests.golden.test_weights import fingerprint
from tests.golden.values import examples, golden
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
    encoder = Encoder(pretrained_tokenizer(str(shared("data/gpt2_tokenizer"))))
    for data in ("4_by_4_mult", "gsm8k"):
        with shared(f"data/{data}/valid.txt").open("rb") as file:
            lines = b"".join(islice(file, 8))
        split, expected = encoder.encode(Chunk(lines, data, 1)), examples(data)
        for part in ("tokens", "starts", "prompt_lengths", "cot_lengths"):
            assert (getattr(split, part) == getattr(expected, part)).all()
        if data == "4_by_4_mult":
            assert lines == multiplication_lines()
