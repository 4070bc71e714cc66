"""The attention that a model trains with."""

import json

import pytest
import torch
from transformers import PreTrainedModel

from icot_tui.config import ModelConfig
from icot_tui.models.attention import LONGEST, choose_attention
from icot_tui.models.build import build_model
from icot_tui.models.supervised import SupervisedLM
from tests.tiny import tiny, train_new

WORDS = 20


def built(precision="float32", architecture="gpt2", positions=32, device="cpu"):
    config = ModelConfig(architecture=architecture, layers=2, heads=2, width=16)
    lm = build_model(config, WORDS, 0, positions, seed=0)
    choose_attention(lm, precision, device, positions)
    return lm


def attention(lm):
    return lm.config._attn_implementation


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, "sdpa"),
        ({"precision": "bfloat16-mixed"}, "eager"),
        ({"precision": "bfloat16"}, "eager"),
        ({"precision": "bfloat16-mixed", "architecture": "llama"}, "eager"),
        ({"precision": "bfloat16-mixed", "device": "cuda"}, "sdpa"),
        ({"precision": "bfloat16-mixed", "positions": LONGEST + 1}, "sdpa"),
    ],
)
def test_in_bfloat16_on_a_cpu_it_is_not_fused(changes, expected):
    assert attention(built(**changes)) == expected


@pytest.mark.parametrize("architecture", ["gpt2", "llama"])
def test_loss_and_gradients_are_the_same_and_a_checkpoint_does_not_tell(architecture, tmp_path):
    found, configs = [], []
    ids = torch.randint(0, WORDS, (3, 12), generator=torch.Generator().manual_seed(1))
    states = torch.arange(36).view(3, 12)[:, 4:-1].flatten()
    for precision in ("float32", "bfloat16-mixed"):
        lm = built(precision, architecture).eval()
        loss = SupervisedLM(lm)(ids, None, states, ids.flatten()[states + 1])
        loss.backward()
        found.append([loss.detach(), *(one.grad for one in lm.parameters())])
        lm.save_pretrained(tmp_path / precision)
        configs.append(json.loads((tmp_path / precision / "config.json").read_text()))
    torch.testing.assert_close(found[0], found[1])
    assert configs[0] == configs[1]


@pytest.mark.parametrize(("precision", "expected"), [("float32", 0), ("bfloat16-mixed", 1)])
def test_a_training_chooses_it(precision, expected, tmp_path, monkeypatch):
    chosen = []
    monkeypatch.setattr(
        PreTrainedModel, "set_attn_implementation", lambda lm, name: chosen.append(name)
    )
    train_new(tmp_path, tiny(model={"precision": precision}, train={"max_steps": 1}))
    assert chosen == ["eager"] * expected
