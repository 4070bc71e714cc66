"""Tensors by their names: copied into modules, gathered from sharded ones, sharded like others."""

from collections.abc import Collection, Iterable
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
    """Copy whole tensors into a module that has exactly these names and shapes.

    Tied ones need to be saved once only. Errors name the `folder` they come from, and `what` they
    go to.

    Raises:
        UserError: names are missing or unknown, or shapes differ; all kinds are listed.
    """
    ours = module.state_dict(keep_vars=True)
    given = {id(ours[name]) for name in saved if name in ours}
    missing = [name for name, value in ours.items() if id(value) not in given]
    unknown = [name for name in saved if name not in ours]
    refuse_misfits(folder, what, missing, unknown, wrong_shapes(saved, ours))
    with torch.no_grad():
        for name, tensor in saved.items():
            target = ours[name]
            target.copy_(like(tensor.to(target.device), target))


def wrong_shapes(saved: dict[str, Tensor], own: dict[str, Tensor]) -> list[str]:
    """Names that both have in different shapes, with the shapes."""
    return [
        f"{name} is {shape(tensor.shape)} instead of {shape(own[name].shape)}"
        for name, tensor in saved.items()
        if name in own and tensor.shape != own[name].shape
    ]


def refuse_misfits(
    source: str | Path,
    target: str,
    missing: Collection[str],
    unknown: Collection[str],
    wrong: Collection[str],
) -> None:
    """Raise a UserError with all lists if anything is in one of them.

    The source lacks what is `missing`, the target what is `unknown`; `wrong` has both shapes.
    """
    if missing or unknown or wrong:
        raise UserError(
            f"{source} does not fit {target}: missing {_some(missing)}; unknown {_some(unknown)}; "
            f"wrong shapes {_some(wrong)}"
        )


def shape(sizes: Iterable[int]) -> str:
    """A tensor's shape in an error."""
    return " x ".join(map(str, sizes)) or "a scalar"


def _some(names: Collection[str]) -> str:
    names = sorted(names)
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
