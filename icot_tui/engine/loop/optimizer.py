"""AdamW whose non-finite updates are skipped on the device, and whose state travels by name."""

import torch
from torch import Tensor, nn

from icot_tui.config import TrainConfig
from icot_tui.models.tensors import like, whole


class SkippingAdamW(torch.optim.AdamW):
    """AdamW that leaves parameters and moments alone when told so by a tensor on the device.

    The fused kernels read `found_inf` on the device, as under a gradient scaler: no multiplication
    by zero that would let a NaN through, and nobody waits.
    """

    def __init__(self, parameters: list[nn.Parameter], config: TrainConfig) -> None:
        super().__init__(
            parameters,
            lr=config.learning_rate,
            betas=(config.beta1, config.beta2),
            weight_decay=config.weight_decay,
            fused=True,
        )
        self.grad_scale: Tensor | None = None
        self.found_inf: Tensor | None = None

    def step_unless(self, skip: Tensor) -> None:
        """One update, unless `skip` (a boolean scalar on the device) is true."""
        self.found_inf = skip.float()
        self.step()

    def reset(self) -> None:
        """Drop the moments and the step count (arXiv 2405.14838, section 3)."""
        self.state.clear()


def optimizer_tensors(
    optimizer: torch.optim.Optimizer, parameters: dict[str, nn.Parameter]
) -> dict[str, Tensor]:
    """The state as `name/moment` on the CPU, whole even where parameters are sharded.

    Every process must call it; all of them get it.
    """
    tensors = {}
    for name, parameter in parameters.items():
        for key, value in optimizer.state.get(parameter, {}).items():
            tensors[f"{name}/{key}"] = whole(value).detach().cpu().clone()
    return tensors


def restore_optimizer(
    optimizer: torch.optim.Optimizer,
    parameters: dict[str, nn.Parameter],
    tensors: dict[str, Tensor],
) -> None:
    """The opposite of `optimizer_tensors`, bit for bit: no cast to the parameters' type."""
    optimizer.state.clear()
    for full_name, tensor in tensors.items():
        name, key = full_name.rsplit("/", 1)
        parameter = parameters[name]
        if key == "step":
            value = tensor.to(parameter.device)
        else:
            value = like(tensor.to(parameter.device), parameter)
        optimizer.state[parameter][key] = value
