"""The weights of the models that the published code was run on, drawn again from their seeds.

Tensors have the published checkpoints' names and order. Everything is drawn in the order in which
it was drawn then; numbers that are drawn and thrown away keep that order.
"""

import math
from collections.abc import Sequence

import torch
from torch import Generator, Tensor, nn
from transformers import GPT2Config, GPT2LMHeadModel

Tensors = dict[str, Tensor]

TINY = {
    "n_embd": 24, "n_head": 3, "n_layer": 3, "n_positions": 64, "initializer_range": 0.25,
    "attn_pdrop": 0.0, "embd_pdrop": 0.0, "resid_pdrop": 0.0,
}  # fmt: skip
SI_CONFIG = GPT2Config(n_embd=16, n_head=2, n_layer=2, n_positions=512)
KD_CONFIG = GPT2Config(n_embd=16, n_head=2, n_layer=4, n_positions=256)
COCONUT_CONFIG = GPT2Config(vocab_size=32, bos_token_id=0, eos_token_id=0, **TINY)
CODI_CONFIG = GPT2Config(vocab_size=40, bos_token_id=0, eos_token_id=0, **TINY)


def si_weights() -> Tensors:
    """ICoT-SI: GPT-2's initialization with every matrix multiplied by ten."""
    return _published(_tenfold(gpt2(SI_CONFIG, Generator().manual_seed(11))))


def kd_weights() -> dict[str, Tensors]:
    """ICoT-KD's four models: the same base model, and noise from a seed of each one's own."""
    generator = Generator().manual_seed(21)
    base = _published(_tenfold(gpt2(KD_CONFIG, generator)))
    unused = torch.empty(KD_CONFIG.vocab_size, KD_CONFIG.n_embd)
    for _ in range(2):
        unused.normal_(generator=generator)  # the base's output layer, before it is tied
    models = {}
    for name, components, seed in (
        ("teacher", None, 22), ("student", 0, 23), ("emulator_single", 1, 25),
        ("emulator_mixture", 5, 29),
    ):  # fmt: skip
        unused.normal_(generator=generator)  # this copy's output layer
        own = {} if components is None else _own_parts(components, generator)
        models[name] = _noisy(base | own, Generator().manual_seed(seed))
    return models


def coconut_weights() -> Tensors:
    """Coconut: GPT-2's initialization with a standard deviation of 0.25."""
    return gpt2(COCONUT_CONFIG, Generator().manual_seed(7))


def codi_weights() -> Tensors:
    """CODI: the same with another seed."""
    return gpt2(CODI_CONFIG, Generator().manual_seed(11))


def codi_projection() -> nn.Sequential:
    """What a latent thought goes through in CODI: Linear, GELU, Linear, LayerNorm."""
    generator, width, hidden = Generator().manual_seed(5), CODI_CONFIG.n_embd, 32
    layers = nn.Sequential(
        nn.Linear(width, hidden), nn.GELU(), nn.Linear(hidden, width), nn.LayerNorm(width)
    )
    drawn = _linear("0", width, hidden, generator) | _linear("2", hidden, width, generator)
    layers.load_state_dict(drawn, strict=False)
    return layers


@torch.no_grad()
def gpt2(config: GPT2Config, generator: Generator) -> Tensors:
    """A new GPT-2 as transformers 5 initializes it, without its tied output layer."""
    tensors = {name: tensor.detach() for name, tensor in GPT2LMHeadModel(config).named_parameters()}
    matrices = {name: tensor for name, tensor in tensors.items() if tensor.ndim == 2}
    for matrix in matrices.values():
        matrix.normal_(generator=generator)  # each layer's own initialization
    std = config.initializer_range
    for name, matrix in matrices.items():
        matrix.normal_(std=std, generator=generator)
        if name.endswith("c_proj.weight"):
            matrix.normal_(std=std / math.sqrt(2 * config.n_layer), generator=generator)
    return tensors


def _own_parts(components: int, generator: Generator) -> Tensors:
    """What a student (0 components) or an emulator has besides its base model."""
    width = KD_CONFIG.n_embd
    read = 2 * width if components else width
    parts: Tensors = {}
    for block in range(KD_CONFIG.n_layer):
        parts |= _linear(f"mlps.{block}.0", read, 4 * width, generator)
        parts |= _linear(f"mlps.{block}.2", 4 * width, width, generator)
    if components:
        table = torch.empty(components, width).normal_(generator=generator)
        parts["mixture_components.weight"] = table
        for kind, size in (("weight", (4 * width, width)), ("bias", (4 * width,))):
            for source in ("ih", "hh"):
                parts[f"rnn.{kind}_{source}_l0"] = _uniform(size, width, generator)
        for name, inputs in (("key", width), ("query", width), ("out", 2 * width)):
            parts |= _linear(f"{name}_proj", inputs, width, generator)
    return parts


def _linear(name: str, inputs: int, outputs: int, generator: Generator) -> Tensors:
    return {
        f"{name}.weight": _uniform((outputs, inputs), inputs, generator),
        f"{name}.bias": _uniform((outputs,), inputs, generator),
    }


def _uniform(size: Sequence[int], inputs: int, generator: Generator) -> Tensor:
    """PyTorch's initialization of a layer with so many inputs."""
    bound = inputs**-0.5
    return torch.empty(*size).uniform_(-bound, bound, generator=generator)


def _tenfold(tensors: Tensors) -> Tensors:
    return {name: 10 * tensor if tensor.ndim == 2 else tensor for name, tensor in tensors.items()}


def _noisy(tensors: Tensors, generator: Generator) -> Tensors:
    return {
        name: tensor + 0.05 * torch.empty_like(tensor).normal_(generator=generator)
        for name, tensor in tensors.items()
    }


def _published(tensors: Tensors) -> Tensors:
    return {f"base_model.{name}": tensor for name, tensor in tensors.items()}
