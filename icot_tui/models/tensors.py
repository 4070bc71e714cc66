"""Tensors by their names: copied into modules, gathered from sharded ones, sharded like others."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from icot_tui.errors import UserError

SHOWN = 8
"""Names of a kind that an error lists."""


def copy_tensors(
    module: nn.Module, saved: dict[str, Tensor], folder: Path, what: str = "this model"
) -> None:
    """Copy saved tensors into a module that has exactly these names and shapes.

    Args:
        module: where they go; tied ones need to be saved once only.
        saved: whole tensors by name.
        folder: where they come from, and...
        what: ... what they go to, for errors.

    Raises:
        UserError: names are missing or unknown, or shapes differ; all kinds are listed.
    """
    ours = module.state_dict(keep_vars=True)
    given = {id(ours[name]) for name in saved if name in ours}
    missing = [name for name, value in ours.items() if id(value) not in given]
    unknown = [name for name in saved if name not in ours]
    wrong = [
        f"{name} is {_shape(tensor)} instead of {_shape(ours[name])}"
        for name, tensor in saved.items()
        if name in ours and tensor.shape != ours[name].shape
    ]
    if missing or unknown or wrong:
        raise UserError(
            f"{folder} does not fit {what}: missing {_some(missing)}; unknown {_some(unknown)}; "
            f"wrong shapes {_some(wrong)}"
        )
    with torch.no_grad():
        for name, tensor in saved.items():
            target = ours[name]
            target.copy_(like(tensor.to(target.device), target))


def _shape(tensor: Tensor) -> str:
    return " x ".join(map(str, tensor.shape)) or "a scalar"


def _some(names: list[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return (", ".join(names[:SHOWN]) or "none") + more


def whole(tensor: Tensor) -> Tensor:
    """A sharded tensor gathered; any other as it is."""
    gather: Any = getattr(tensor, "full_tensor", None)
    return tensor if gather is None else gather()


def like(tensor: Tensor, parameter: Tensor) -> Tensor:
    """A whole tensor sharded as the parameter is; as it is where the parameter isn't."""
    mesh = getattr(parameter, "device_mesh", None)
    if mesh is None:
        return tensor
    from torch.distributed.tensor import distribute_tensor

    placements = parameter.placements  # type: ignore[attr-defined]
    return distribute_tensor(tensor, mesh, placements)
