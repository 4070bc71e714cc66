"""Continuous thoughts for models that read a batch as each row alone; others are refused."""

import pytest

from icot_tui.errors import UserError
from icot_tui.models.latent_lm import latent_lm
from tests.families.configs import tiny_model


@pytest.mark.parametrize("family", ["gpt2", "llama", "gemma2", "bloom", "falcon_alibi", "opt"])
def test_attention_takes_thoughts(family: str) -> None:
    lm = tiny_model(family).train()
    assert latent_lm(lm, 0, lambda stage: 2, 2).lm.training


@pytest.mark.parametrize("family", ["qwen3_next", "jamba", "minimax", "mamba", "rwkv"])
def test_a_running_state_is_refused(family: str) -> None:
    with pytest.raises(UserError, match=f"'{family}' cannot have continuous thoughts: "):
        latent_lm(tiny_model(family), 0, lambda stage: 2, 2)
