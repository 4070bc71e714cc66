"""Adapters do something where they are, and modules that were named and have none are told."""

import re

import pytest
import torch
from peft import LoraConfig, get_peft_model

from icot_tui.config import ModelConfig
from icot_tui.errors import UserError
from icot_tui.models.adapters import bare_modules
from icot_tui.models.build import build_model
from icot_tui.models.loading import load_pretrained, merged
from tests.families.configs import tiny_model

WORDS, IDS = 64, torch.arange(12).reshape(2, 6)


def built(tmp_path, family, targets):
    tiny_model(family).save_pretrained(tmp_path)
    config = ModelConfig(pretrained=str(tmp_path), lora={"rank": 2, "targets": targets})
    return build_model(config, WORDS, 0, 16, seed=0), config.lora


@pytest.mark.parametrize("family", ["mamba", "falcon_mamba"])
def test_adapters_on_a_layer_that_is_never_called_are_refused(tmp_path, family):
    with pytest.raises(UserError, match=r"adapters on dt_proj do nothing .*model\.lora\.targets"):
        built(tmp_path, family, ["in_proj", "dt_proj"])


def foreign(tmp_path, family, targets):
    """A folder of adapters that were made elsewhere."""
    base = tiny_model(family)
    base.save_pretrained(tmp_path / "base")
    config = LoraConfig(task_type="CAUSAL_LM", target_modules=targets)
    adapted = get_peft_model(base, config)
    adapted.peft_config["default"].base_model_name_or_path = str(tmp_path / "base")
    adapted.save_pretrained(tmp_path / "adapters")
    return str(tmp_path / "adapters")


def test_so_are_those_of_a_folder(tmp_path):
    folder = foreign(tmp_path, "jamba", ["dt_proj", "o_proj"])
    with pytest.raises(UserError, match=r"adapters on dt_proj do nothing .*adapters can't be used"):
        load_pretrained(folder)


def test_a_model_that_cannot_be_called_with_its_adapters_is_told_as_such(tmp_path):
    folder = foreign(tmp_path, "phimoe", "all-linear")
    with pytest.raises(UserError, match=r"phimoe\) cannot be asked"):
        build_model(ModelConfig(pretrained=folder), WORDS, 0, 16, seed=0)


def test_all_linear_layers_are_those_that_are_called(tmp_path):
    model, lora = built(tmp_path, "jamba", "all-linear")
    (told,) = bare_modules(model, lora)
    assert "model.layers.*.mamba.dt_proj" in told
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "lora_B" in name:
                weight.normal_()
        answered = model.eval()(IDS).logits
        torch.testing.assert_close(merged(model)(IDS).logits, answered, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(
    ("family", "targets", "bare"),
    [
        ("llama", "all-linear", ""),
        ("mixtral", "all-linear", ""),
        ("deepseek_v3", ["q_a_proj", "o_proj"], ""),
        ("llama", [], ""),
        ("gpt_oss", "all-linear", r"on model\.layers\.\*\.mlp\.experts, \d\d\.\d % of the weights"),
        ("qwen3_next", "all-linear", r"shared_expert\.up_proj, "),
        ("deepseek_v3", "all-linear", r"\.\*\.mlp\.gate_proj, .*shared_experts\.up_proj"),
        ("deepseek_v3", ["shared_experts.down_proj"], r"on model\.layers\.\*\.mlp\.shared_experts"),
        ("deepseek_v3", ["layers.0.mlp.down_proj"], r"on model\.layers\.\*\.mlp\.down_proj, "),
    ],
)
def test_modules_that_were_named_and_have_none_are_told(tmp_path, family, targets, bare):
    told = " ".join(bare_modules(*built(tmp_path, family, targets)))
    assert re.search(bare, told) if bare else not told
