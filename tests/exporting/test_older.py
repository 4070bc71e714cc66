"""Exported settings stand where transformers 4 and programs like it look for them, too."""

import json
from pathlib import Path
from typing import Any

import pytest
from transformers import AutoConfig, AutoTokenizer

from icot_tui.data.tokenizing import add_own_separators, character_tokenizer
from icot_tui.exporting.older import add_older_places

LINEAR = {"rope_type": "linear", "factor": 4.0}
BY_LAYER = {"full_attention": {"rope_type": "default", "rope_theta": 5.0}}
CASES = [
    ("gpt2", {}, {}),
    ("llama", {"rope_theta": 500.0}, {"rope_theta": 500.0, "rope_scaling": None}),
    ("qwen2", {"rope_parameters": dict(LINEAR)}, {"rope_theta": 10000.0, "rope_scaling": LINEAR}),
    (
        "phi",
        {"rope_theta": 50.0, "partial_rotary_factor": 0.4},
        {"rope_theta": 50.0, "partial_rotary_factor": 0.4, "rope_scaling": None},
    ),
    ("gemma3_text", {"rope_parameters": BY_LAYER, "layer_types": ["full_attention"] * 26}, {}),
]


@pytest.mark.parametrize(("kind", "settings", "added"), CASES)
def test_rotary_positions_stand_where_they_used_to(
    kind: str, settings: dict[str, Any], added: dict[str, Any], tmp_path: Path
) -> None:
    config: Any = AutoConfig.for_model(kind, **settings)
    config.save_pretrained(tmp_path)
    before = json.loads((tmp_path / "config.json").read_text())
    made = character_tokenizer("0123456789*")
    add_own_separators(made)
    made.save_pretrained(tmp_path)
    add_older_places(tmp_path)
    assert json.loads((tmp_path / "config.json").read_text()) == before | added
    again: Any = AutoConfig.from_pretrained(tmp_path)
    assert getattr(again, "rope_parameters", None) == getattr(config, "rope_parameters", None)
    again.save_pretrained(tmp_path / "again")
    assert json.loads((tmp_path / "again" / "config.json").read_text()) == before


def test_the_tokenizer_has_the_names_of_transformers_4(tmp_path: Path) -> None:
    made = character_tokenizer("0123456789*")
    add_own_separators(made)
    made.save_pretrained(tmp_path)
    AutoConfig.for_model("llama").save_pretrained(tmp_path)
    add_older_places(tmp_path)
    settings = json.loads((tmp_path / "tokenizer_config.json").read_text())
    assert settings["tokenizer_class"] == "PreTrainedTokenizerFast"
    assert settings["additional_special_tokens"] == ["<|cot|>", "<|answer|>"]
    assert "extra_special_tokens" not in settings
    read, text = AutoTokenizer.from_pretrained(tmp_path), " 1 * 2<|cot|> 3<|answer|> #### 4"
    assert read(text) == {key: made(text)[key] for key in ("input_ids", "attention_mask")}
    assert set(read.all_special_tokens) == {"<|sep|>", "<|cot|>", "<|answer|>"}
