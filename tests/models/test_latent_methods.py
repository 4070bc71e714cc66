"""Checkpoints of Coconut, CODI and SIM-CoT give their language model, and say what is left out."""

import json
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import save_file
from torch import nn
from transformers import AutoModelForCausalLM, GPT2Config, GPT2LMHeadModel

from icot_tui.cli.app import run
from tests.tiny import byte_pair_tokenizer

IDS = torch.tensor([[5, 9, 2, 40, 7]])


@pytest.fixture
def base(tmp_path: Path) -> str:
    """A folder with a GPT-2 whose square weights tell apart both ways of storing them."""
    tokenizer = byte_pair_tokenizer()
    config = GPT2Config(vocab_size=len(tokenizer), n_positions=32, n_embd=16, n_layer=2, n_head=2)
    GPT2LMHeadModel(config).save_pretrained(tmp_path / "base")
    tokenizer.save_pretrained(tmp_path / "base")
    return str(tmp_path / "base")


@pytest.fixture
def model(base: str) -> Any:
    """The base model with three more words, as all these methods begin."""
    lm = AutoModelForCausalLM.from_pretrained(base)
    lm.resize_token_embeddings(lm.config.vocab_size + 3, mean_resizing=False)
    return lm


class Saved(nn.Module):
    """Modules under the names that a method gives them."""

    def __init__(self, **modules: nn.Module) -> None:
        super().__init__()
        for name, module in modules.items():
            self.add_module(name, module)


def imported(source: Path, base: str, out: Path, *more: str) -> Any:
    """The language model that transformers finds in the new folder."""
    options = ["--base", base, "--tokenizer", base, "--out", str(out), "--json", *more]
    assert run(["import", str(source), *options]) == 0
    return AutoModelForCausalLM.from_pretrained(out).eval()


@torch.no_grad()
def same(first: Any, second: Any) -> bool:
    return torch.allclose(first.eval()(IDS).logits, second.eval()(IDS).logits, atol=1e-6)


@pytest.mark.parametrize("decoder", [False, True])
def test_coconut_and_sim_cot_beside_it(base, model, tmp_path, capsys, decoder) -> None:
    modules = {"base_causallm": model, "embedding": model.get_input_embeddings()}
    if decoder:
        modules["expainable_llm"] = GPT2LMHeadModel(model.config)
    for epoch in (9, 10):
        torch.save(Saved(**modules).state_dict(), tmp_path / f"checkpoint_{epoch}")
    torch.save({"base_causallm.wrong": torch.ones(1)}, tmp_path / "checkpoint_9")
    out = tmp_path / "out"
    lm = imported(tmp_path, base, out)
    told = json.loads(capsys.readouterr().out)
    assert same(lm, model)
    assert [part.partition(" (")[0] for part in told["left_out"]] == (
        ["SIM-CoT's decoder of latent thoughts"] if decoder else []
    )
    added = json.loads((out / "tokenizer.json").read_text())["added_tokens"][-3:]
    words = [(one["id"], one["content"]) for one in added]
    first = model.config.vocab_size - 3
    assert words == [
        *((first, "<|start-latent|>"), (first + 1, "<|end-latent|>"), (first + 2, "<|latent|>")),
    ]


@pytest.mark.slow
@pytest.mark.parametrize("file", ["pytorch_model.bin", "model.safetensors"])
def test_codi_with_its_adapters_merged(base, model, tmp_path, capsys, file) -> None:
    adapted = get_peft_model(
        model,
        LoraConfig(r=4, lora_alpha=8, target_modules=["c_attn", "c_proj", "c_fc"]),
    )
    for name, weight in adapted.named_parameters():
        if "lora_" in name:
            nn.init.normal_(weight, std=0.1)
    tensors = Saved(codi=adapted, prj=nn.Sequential(nn.Linear(16, 8))).state_dict()
    if file.endswith("bin"):
        torch.save({"state_dict": tensors, "epoch": 3}, tmp_path / file)
    else:
        save_file({k: v.clone() for k, v in tensors.items() if "lm_head" not in k}, tmp_path / file)
    lm = imported(tmp_path, base, tmp_path / "out", "--lora-alpha", "8")
    assert same(lm, adapted)
    told = json.loads(capsys.readouterr().out)
    assert told["left_out"] == ["CODI's projection of latent thoughts (prj.*, 136 values)"]


def test_what_cannot_be_known_is_refused(base, model, tmp_path, capsys) -> None:
    adapted = get_peft_model(deepcopy(model), LoraConfig(r=4, target_modules=["c_attn"]))
    torch.save(Saved(codi=adapted).state_dict(), tmp_path / "codi.pth")
    options = ["--base", base, "--tokenizer", base, "--out", str(tmp_path / "out")]

    def refused(file: str) -> str:
        assert run(["import", str(tmp_path / file), *options]) == 2
        return capsys.readouterr().err

    assert "LoRA adapters of rank 4, but not their alpha: give --lora-alpha" in refused("codi.pth")
    other = {"embedding": nn.Embedding(3, 16), "base_causallm": model}
    torch.save(Saved(**other).state_dict(), tmp_path / "other.pt")
    assert "embedding.weight is not the embedding of its language model" in refused("other.pt")
    torch.save(Saved(base_causallm=model, extra=nn.Linear(2, 2)).state_dict(), tmp_path / "x.pt")
    assert "unknown extra.bias, extra.weight" in refused("x.pt")
    torch.save({"one": {"a": torch.ones(1)}, "two": {"a": torch.ones(1)}}, tmp_path / "two.pt")
    assert "holds several tables of tensors by name" in refused("two.pt")
    assert not (tmp_path / "out").exists()
