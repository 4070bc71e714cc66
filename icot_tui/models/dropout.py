"""Dropout of any family: its names in configs."""

from typing import Any

from icot_tui.errors import UserError

OTHERS = ("classifier", "summary", "layer")
"""Of heads that language models lack, and of whole layers."""


def set_dropout(config: Any, probability: float) -> None:
    """Set every dropout that a transformers config has, those of its parts included.

    Raises:
        UserError: the config refuses the value.
    """
    for name, value in list(vars(config).items()):
        if hasattr(value, "model_type"):
            set_dropout(value, probability)
        elif _is_dropout(name) and isinstance(value, int | float):
            _set(config, name, probability)


def _set(config: Any, name: str, probability: float) -> None:
    """Of whole numbers alone, as an MPT config's attn_pdrop has to be, 0 is one."""
    from huggingface_hub.errors import StrictDataclassError

    try:
        setattr(config, name, probability)
    except StrictDataclassError:
        if probability:
            raise UserError(
                f"model.dropout = {probability:g} is not possible in a {type(config).__name__}, "
                f"which takes whole numbers alone for {name}: leave it out"
            ) from None
        setattr(config, name, 0)


def _is_dropout(name: str) -> bool:
    return ("dropout" in name or name.endswith("pdrop")) and not name.startswith(OTHERS)
