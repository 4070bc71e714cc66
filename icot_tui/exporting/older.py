"""Settings that transformers 5 writes in new places, also where other programs look for them."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

Settings = dict[str, Any]


def add_older_places(folder: Path) -> None:
    """Make a folder's settings readable by transformers 4, and by programs that read as it does.

    They take rotary positions for the default ones if `rope_theta` isn't where they look for it,
    without a word (findings/transformers-rope-theta-moved.sh).
    """
    _change(folder / "config.json", _positions)
    _change(folder / "tokenizer_config.json", _tokenizer)


def _change(file: Path, changed: Callable[[Settings], Settings]) -> None:
    settings = changed(json.loads(file.read_text(encoding="utf-8")))
    text = json.dumps(settings, indent=2, sort_keys=True, ensure_ascii=False)
    file.write_text(text + "\n", encoding="utf-8")


def _positions(config: Settings) -> Settings:
    rope = config.get("rope_parameters") or {}
    if "rope_theta" not in rope:  # none, or others for each kind of layer
        return config
    apart = {key: rope[key] for key in ("rope_theta", "partial_rotary_factor") if key in rope}
    scaling = {key: value for key, value in rope.items() if key not in apart}
    return (
        config | apart | {"rope_scaling": None if scaling == {"rope_type": "default"} else scaling}
    )


def _tokenizer(config: Settings) -> Settings:
    """With the generic class, and the list of special tokens, by their names in transformers 4."""
    changed = config | {"model_input_names": ["input_ids", "attention_mask"]}
    if config["tokenizer_class"] == "TokenizersBackend":
        changed["tokenizer_class"] = "PreTrainedTokenizerFast"
    if special := changed.pop("extra_special_tokens", []):
        changed["additional_special_tokens"] = special
    return changed
