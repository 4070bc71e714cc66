"""`icot-tui export --to gguf`: llama.cpp answers as icot-tui does, or nothing is written."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gguf import GGUFReader
from transformers import Qwen2Config, Qwen2ForCausalLM

from icot_tui.exporting import gguf
from icot_tui.exporting.gguf import write_gguf
from icot_tui.exporting.portable import make_portable
from icot_tui.exporting.source import read_source
from tests.exporting.margins import smallest_margin
from tests.tiny import byte_pair_tokenizer

MARGIN = 2e-4
"""Nats: of 18 such models, llama.cpp wrote the other token in four, all with less than 1e-4."""
SEEDS = 8


@pytest.fixture
def qwen2(tmp_path: Path) -> str:
    """A folder with a model whose heads share keys and values, and a tokenizer of byte pairs."""
    tokenizer = byte_pair_tokenizer()
    config = Qwen2Config(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=1,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=64,
        eos_token_id=tokenizer.eos_token_id,
        initializer_range=0.1,
    )
    Qwen2ForCausalLM(config).save_pretrained(tmp_path / "qwen2")
    tokenizer.save_pretrained(tmp_path / "qwen2")
    return str(tmp_path / "qwen2")


@pytest.fixture
def sure(trained):  # type: ignore[no-untyped-def]
    """Trains runs until a checkpoint of a stage has no two tokens all but tied."""

    def checkpoint(stage: int, *options: Any, **more: Any) -> Path:
        for seed in range(SEEDS):
            path: Path = trained(*options, seed=seed, **more)[stage]
            if smallest_margin(path) > MARGIN:
                return path
        pytest.fail(f"in {SEEDS} runs two tokens are nearer than {MARGIN} nats")

    return checkpoint


@pytest.mark.slow
@pytest.mark.parametrize("stage", [0, 4, 8])
def test_llama_cpp_answers_as_gpt2_does(sure, export, tmp_path, stage) -> None:
    export(sure(stage, "own", False), "gguf", tmp_path / "out")
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"README.md", "model.gguf"}


@pytest.mark.slow
def test_a_model_with_the_words_of_its_data_is_exported(sure, words, export, tmp_path) -> None:
    checkpoint = sure(8, "own", tokenizer=words, vocabulary="data")
    export(checkpoint, "gguf", tmp_path / "out")


@pytest.mark.slow
def test_llama_cpp_answers_as_llama_does(sure, export, tmp_path) -> None:
    export(sure(0, "own", True, architecture="llama"), "gguf", tmp_path / "out")


@pytest.mark.slow
def test_llama_cpp_answers_as_qwen2_does(sure, trained, qwen2, export, tmp_path) -> None:
    export(sure(8, "eos", False, pretrained=qwen2), "gguf", tmp_path / "out")
    checkpoint = trained("eos", False, pretrained=qwen2)[4]
    said = export(checkpoint, "gguf", tmp_path / "half", status=2)
    assert "can't tell the end of the chain" in said and not (tmp_path / "half").exists()


@pytest.mark.slow
def test_another_answer_of_llama_cpp_is_an_error(trained, export, tmp_path, monkeypatch) -> None:
    names = gguf._tensors

    def damaged(config, tensors):
        for name, tensor in names(config, tensors):
            yield name, -tensor if name == "output_norm.weight" else tensor

    monkeypatch.setattr(gguf, "_tensors", damaged)
    said = export(trained("own", False)[8], "gguf", tmp_path / "out", status=1)
    assert "nothing was exported: llama.cpp answers" in said and not list(tmp_path.iterdir())


@pytest.mark.slow
def test_a_file_that_llama_cpp_does_not_load(trained, export, tmp_path, monkeypatch) -> None:
    names = gguf._tensors
    monkeypatch.setattr(gguf, "_tensors", lambda *model: list(names(*model))[:-1])
    said = export(trained("own", False)[8], "gguf", tmp_path / "out", status=1)
    assert "llama.cpp doesn't load its file" in said and not list(tmp_path.iterdir())


@pytest.mark.slow
def test_the_file_holds_every_weight(trained, tmp_path) -> None:
    portable = make_portable(read_source(trained("own", True)[8], None, None))
    write_gguf(portable, tmp_path / "model.gguf")
    tensors = {one.name: one.data for one in GGUFReader(tmp_path / "model.gguf").tensors}
    block = portable.model.transformer.h[0]
    assert np.array_equal(tensors["blk.0.ffn_up.weight"], block.mlp.c_fc.weight.detach().T)
    positions = portable.model.transformer.wpe.weight.detach()
    assert np.array_equal(tensors["position_embd.weight"], positions)
