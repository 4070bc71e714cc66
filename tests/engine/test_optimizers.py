"""Muon for matrices inside a model, AdamW for the rest: which are which, updates, skips, resume."""

import pytest
import torch
from torch import nn

from icot_tui.config import ModelConfig, TrainConfig
from icot_tui.engine.checkpoints.checkpoint import OPTIMIZER, list_checkpoints, load_tensors
from icot_tui.engine.loop.optimizers import (
    SkippingMuon,
    build_optimizer,
    hidden_matrices,
    unforgetting,
)
from icot_tui.errors import UserError
from icot_tui.models.build import build_model
from icot_tui.models.supervised import SupervisedLM
from tests.methods.common import assert_resumes_exactly
from tests.tiny import assert_same, read_lines, tiny, train_new

MUON = {"optimizer": "muon", "muon_learning_rate": 3e-3, "learning_rate": 1e-3}
GO_ON, SKIP = torch.tensor(False), torch.tensor(True)


def objective(architecture="gpt2"):
    section = ModelConfig(architecture=architecture, layers=2, heads=2, width=16, dropout=0.0)
    return SupervisedLM(build_model(section, 20, 1, 32, 0))


def config(**changes):
    return TrainConfig(max_steps=1, weight_decay=0.1, **{**MUON, **changes})


def with_gradients(model, value=None):
    generator = torch.Generator().manual_seed(3)
    for parameter in model.parameters():
        drawn = torch.randn(parameter.shape, generator=generator)
        parameter.grad = drawn if value is None else torch.full_like(drawn, value)
    return model


@pytest.mark.parametrize(("architecture", "each"), [("gpt2", 4), ("llama", 7)])
def test_matrices_of_blocks_are_found_and_neither_embeddings_nor_head(architecture, each):
    model = objective(architecture)
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    found = [names[id(matrix)] for matrix in hidden_matrices(model)]
    assert len(found) == 2 * each
    assert all("weight" in name and (".h." in name or ".layers." in name) for name in found)
    assert not any("norm" in name or "ln_" in name for name in found)


def test_frozen_weights_are_left_to_nobody():
    model = objective()
    first = hidden_matrices(model)[0]
    first.requires_grad_(False)
    optimizer = build_optimizer(model, config(), sharded=False)
    before = first.detach().clone()
    with_gradients(model)
    optimizer.step_unless(GO_ON, 1e-3)
    assert torch.equal(first, before) and first not in optimizer.state


def test_an_update_is_torchs_own_of_either_kind():
    ours, theirs = objective(), objective()
    optimizer = build_optimizer(ours, config(), sharded=False)
    matrices = hidden_matrices(theirs)
    others = [p for p in theirs.parameters() if not any(p is matrix for matrix in matrices)]
    muon = torch.optim.Muon(matrices, 1.5e-3, 0.1, adjust_lr_fn="match_rms_adamw")
    adamw = torch.optim.AdamW(others, 5e-4, weight_decay=0.1, fused=True)
    for _ in range(3):
        with_gradients(ours)
        with_gradients(theirs)
        optimizer.step_unless(GO_ON, 5e-4)
        muon.step()
        adamw.step()
    assert_same(ours.state_dict(), theirs.state_dict())
    optimizer.zero_grad()
    assert all(parameter.grad is None for parameter in ours.parameters())


@pytest.mark.parametrize("steps_before", [0, 2])
def test_an_update_that_is_not_finite_changes_nothing(steps_before):
    model = objective()
    optimizer = build_optimizer(model, config(), sharded=False)
    for _ in range(steps_before):
        with_gradients(model)
        optimizer.step_unless(GO_ON, 1e-3)
    before = [tensor.clone() for tensor in model.state_dict().values()]
    states = [{k: v.clone() for k, v in one.items()} for one in optimizer.state.values()]
    with_gradients(model, float("nan"))
    optimizer.step_unless(SKIP, 1e-3)
    assert all(map(torch.equal, model.state_dict().values(), before))
    for old, new in zip(states, optimizer.state.values(), strict=False):
        assert all(torch.equal(old[key], new[key]) for key in old)
    with_gradients(model)
    optimizer.step_unless(GO_ON, 1e-3)
    assert all(tensor.isfinite().all() for tensor in model.state_dict().values())


def test_a_reset_drops_the_momentum():
    model = objective()
    optimizer = build_optimizer(with_gradients(model), config(), sharded=False)
    assert isinstance(optimizer, SkippingMuon)
    optimizer.step_unless(GO_ON, 1e-3)
    optimizer.reset()
    fresh = build_optimizer(model, config(), sharded=False)
    copy = [p.detach().clone() for p in model.parameters()]
    optimizer.step_unless(GO_ON, 1e-3)
    after = [p.detach().clone() for p in model.parameters()]
    with torch.no_grad():
        for parameter, value in zip(model.parameters(), copy, strict=True):
            parameter.copy_(value)
    fresh.step_unless(GO_ON, 1e-3)
    assert all(map(torch.equal, model.parameters(), after))


@pytest.mark.slow
def test_a_run_with_muon_resumes_exactly_and_saves_its_momenta(tmp_path):
    config = tiny(train=MUON)
    assert_resumes_exactly(tmp_path / "resumed", config)
    folder = train_new(tmp_path / "saved", config)
    saved = load_tensors(list_checkpoints(folder.checkpoints)[-1].path / OPTIMIZER)
    kinds = {name.rsplit("/", 1)[1] for name in saved}
    assert kinds == {"momentum_buffer", "exp_avg", "exp_avg_sq", "step"}


def test_what_muon_cannot_do_is_said_in_a_sentence():
    with pytest.raises(UserError, match="FSDP shards"):
        build_optimizer(objective(), config(), sharded=True)
    with pytest.raises(UserError, match="none is trained"):
        build_optimizer(nn.Embedding(3, 3), config(), sharded=False)
    with pytest.raises(ValueError, match=r"is for train\.optimizer = 'muon'"):
        TrainConfig(max_steps=1, muon_learning_rate=1e-3)


@pytest.mark.parametrize("beta2", [0.99, 0.996, 0.997, 0.999])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_second_moment_that_never_falls_is_told(dtype, beta2):
    weight = nn.Parameter(torch.zeros(1, dtype=dtype))
    settings = TrainConfig(max_steps=1, beta2=beta2)
    optimizer = build_optimizer(nn.ParameterList([weight]), settings, sharded=False)
    seen = []
    for gradient, steps in ((3.0, 20), (0.1, 3000)):
        for _ in range(steps):
            weight.grad = torch.full_like(weight, gradient)
            optimizer.step_unless(GO_ON, 0.0)
        seen.append(optimizer.state[weight]["exp_avg_sq"].item())
    assert (seen[0] == seen[1]) == bool([*unforgetting(optimizer, settings)])


@pytest.mark.parametrize(("beta2", "warnings"), [(0.999, 1), (0.99, 0)])
def test_a_run_in_bfloat16_warns_of_it(tmp_path, beta2, warnings):
    changes = {"train": {"max_steps": 1, "beta2": beta2}, "model": {"precision": "bfloat16"}}
    lines = read_lines(train_new(tmp_path, tiny(**changes)))
    assert sum("never falls in bfloat16" in line.get("message", "") for line in lines) == warnings
