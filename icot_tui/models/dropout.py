"""Dropout of any family: its names in configs."""

from typing import Any

OTHERS = ("classifier", "summary", "layer")
"""Of heads that language models lack, and of whole layers."""


def set_dropout(config: Any, probability: float) -> None:
    """Set every dropout that a transformers config has, those of its parts included."""
    for name, value in list(vars(config).items()):
        if hasattr(value, "model_type"):
            set_dropout(value, probability)
        elif _is_dropout(name) and isinstance(value, int | float):
            setattr(config, name, probability)


def _is_dropout(name: str) -> bool:
    return ("dropout" in name or name.endswith("pdrop")) and not name.startswith(OTHERS)
