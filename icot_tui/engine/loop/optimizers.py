"""The optimizers: an update that is not finite is left out, and nobody waits for the device."""

from collections.abc import Iterator
from typing import cast

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers.pytorch_utils import Conv1D

from icot_tui.config import TrainConfig
from icot_tui.errors import UserError
from icot_tui.models.tensors import like, whole

MOMENTUM = "momentum_buffer"
"""What `torch.optim.Muon` calls a matrix's momentum."""
LEAST_FALL = 2**-8
"""Of a number in bfloat16, relative to it: a smaller one may be rounded away."""


class SkippingAdamW(torch.optim.AdamW):
    """AdamW that leaves parameters and moments alone where a flag on the device says so.

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

    def step_unless(self, skip: Tensor, learning_rate: float) -> None:
        """One update, unless `skip` (a boolean scalar on the device) is true."""
        for group in self.param_groups:
            group["lr"] = learning_rate
        self.found_inf = skip.float()
        self.step()

    def reset(self) -> None:
        """Drop the moments and the step count (arXiv 2405.14838, section 3)."""
        self.state.clear()


class SkippingMuon(SkippingAdamW):
    """Muon for the matrices inside the model, AdamW for all other weights, skipping alike.

    Muon's update is scaled to AdamW's usual size (arXiv 2502.16982, section 2.2), so that both take
    rates of the same order.
    """

    def __init__(
        self, matrices: list[nn.Parameter], others: list[nn.Parameter], config: TrainConfig
    ) -> None:
        super().__init__(others, config)
        self._matrices = matrices
        self._faster = (config.muon_learning_rate or config.learning_rate) / config.learning_rate
        self._muon = torch.optim.Muon(
            matrices, weight_decay=config.weight_decay, adjust_lr_fn="match_rms_adamw"
        )

    def step_unless(self, skip: Tensor, learning_rate: float) -> None:
        """See `SkippingAdamW`."""
        super().step_unless(skip, learning_rate)
        for group in self._muon.param_groups:
            group["lr"] = learning_rate * self._faster
        # One state, saved, restored and dropped as a whole. Accelerate replaces it in `prepare`.
        self._muon.state = self.state
        before = [tensor.clone() for tensor in self._changed()]
        self._muon.step()  # type: ignore[no-untyped-call]
        for new, old in zip(self._changed(), before, strict=True):
            new.copy_(torch.where(skip, old, new))

    def zero_grad(self, set_to_none: bool = True) -> None:
        super().zero_grad(set_to_none)
        self._muon.zero_grad(set_to_none)

    def _changed(self) -> list[Tensor]:
        """What an update of Muon changes: its matrices and their momenta, zero at first."""
        for matrix in self._matrices:
            if MOMENTUM not in self.state[matrix]:
                self.state[matrix][MOMENTUM] = torch.zeros_like(matrix)
        momenta = [self.state[matrix][MOMENTUM] for matrix in self._matrices]
        return [*(matrix.detach() for matrix in self._matrices), *momenta]


def build_optimizer(objective: nn.Module, config: TrainConfig, *, sharded: bool) -> SkippingAdamW:
    """The optimizer that the config asks for, of all weights that are trained.

    Raises:
        UserError: Muon would see parts of matrices (`sharded`), or the model has none to train.
    """
    trained = [p for p in objective.parameters() if p.requires_grad]
    if config.optimizer == "adamw":
        return SkippingAdamW(trained, config)
    if sharded:
        raise UserError("train.optimizer 'muon' needs whole matrices, and FSDP shards them")
    matrices = hidden_matrices(objective)
    if not matrices:
        raise UserError("train.optimizer 'muon' is for matrices, and none is trained in this model")
    found = {id(matrix) for matrix in matrices}
    return SkippingMuon(matrices, [p for p in trained if id(p) not in found], config)


def unforgetting(optimizer: SkippingAdamW, config: TrainConfig) -> Iterator[str]:
    """A warning, if AdamW's second moment can't fall.

    See findings/torch-adamw-bfloat16-never-forgets.sh.
    """
    weights = [weight for group in optimizer.param_groups for weight in group["params"]]
    if 1 - config.beta2 < LEAST_FALL and any(one.dtype == torch.bfloat16 for one in weights):
        yield (
            f"AdamW's second moment never falls in bfloat16 with train.beta2 = {config.beta2:g}: "
            "after a spike the steps stay small until the optimizer is reset; set train.beta2 to "
            "0.99, or model.precision to 'bfloat16-mixed'"
        )


def hidden_matrices(objective: nn.Module) -> list[nn.Parameter]:
    """Trained weights of linear layers, without those of a head that gives the logits."""
    heads = {
        id(parameter)
        for module in objective.modules()
        if isinstance(module, PreTrainedModel) and module.get_output_embeddings() is not None
        for parameter in module.get_output_embeddings().parameters()
    }
    linear = (one for one in objective.modules() if isinstance(one, (nn.Linear, Conv1D)))
    weights: dict[nn.Parameter, None] = {cast("nn.Parameter", one.weight): None for one in linear}
    return [
        weight
        for weight in weights
        if weight.requires_grad and weight.ndim == 2 and id(weight) not in heads
    ]


def optimizer_tensors(
    optimizer: torch.optim.Optimizer, parameters: dict[str, nn.Parameter]
) -> dict[str, Tensor]:
    """The state as `name/moment` on the CPU, whole even where parameters are sharded.

    Every process must call it; all of them get it.
    """
    return {
        f"{name}/{key}": whole(value).detach().cpu().clone()
        for name, parameter in parameters.items()
        for key, value in optimizer.state.get(parameter, {}).items()
    }


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
        value = tensor.to(parameter.device)
        optimizer.state[parameter][key] = value if key == "step" else like(value, parameter)
