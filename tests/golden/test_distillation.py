"""The published code's positions, states and losses of ICoT-KD (arXiv 2311.01460)."""

import numpy as np
import pytest
import torch

from icot_tui.curriculum.removal import RemovalPlan, remove
from icot_tui.curriculum.schedule import ALL
from icot_tui.methods.distillation.checkpoints import (
    load_published_emulator,
    load_published_student,
)
from icot_tui.methods.distillation.objectives import (
    CoupledObjective,
    EmulatorObjective,
    StudentObjective,
)
from icot_tui.methods.distillation.teacher import StatePositions, teacher_states
from icot_tui.models.published import load_published
from tests.golden.tokenizer import SEPARATOR
from tests.golden.values import examples, golden

ANSWER_ONLY = RemovalPlan(answer_only=True)


@pytest.fixture(scope="module")
def models(checkpoints):
    base = str(checkpoints / "kd_base")
    return {
        "teacher": load_published(checkpoints / "teacher", base).eval(),
        "student": load_published_student(checkpoints / "student", base).eval(),
        1: load_published_emulator(checkpoints / "emulator_single", base).eval(),
        5: load_published_emulator(checkpoints / "emulator_mixture", base).eval(),
    }


class Case:
    """One entry of the golden values with its batch."""

    def __init__(self, row):
        split = examples(row["data"], row["first_example"], row["examples"])
        rows = np.arange(len(split))
        self.first = split.prompt_lengths.astype(np.int64) - 1
        self.second = self.first + split.cot_lengths + 1
        self.separators = torch.from_numpy(self.first)
        self.whole = torch.from_numpy(remove(split, rows, 0, RemovalPlan(), SEPARATOR).ids)
        self.batch = remove(split, rows, ALL, ANSWER_ONLY, SEPARATOR)
        self.prompts = self.whole[:, : self.first.max() + 1]
        places = StatePositions()
        self.positions = places.positions(self.first, self.second, 4)
        self.blocks = places.blocks(4)

    def thoughts(self, teacher):
        return teacher_states(teacher, self.whole, torch.from_numpy(self.positions), self.blocks)

    def targets(self):
        return (torch.from_numpy(array) for array in self.batch.supervised())


def name_of(row):
    return f"{row['data']}-{row['first_example']}-{row['mixture_size']}"


@pytest.fixture(params=golden("kd"), ids=name_of)
def row(request):
    return request.param


@pytest.fixture
def case(row):
    return Case(row)


def close(values, expected):
    torch.testing.assert_close(values, torch.tensor(expected), rtol=1e-5, atol=1e-5)


def test_positions(row, case):
    assert case.first.tolist() == row["first_separator"]
    assert case.second.tolist() == row["second_separator"]
    assert case.positions.tolist() == row["positions_per_layer"]


def test_teacher_states(row, case, models):
    close(case.thoughts(models["teacher"])[0], row["teacher_states_first_example"])


@torch.no_grad()
def test_emulated_states(row, case, models):
    emulator = models[row["mixture_size"]]
    close(emulator(case.prompts, case.separators)[0], row["emulated_states_first_example"])


@torch.no_grad()
def test_mind_reading_loss(row, case, models):
    states, targets = case.targets()
    assert len(targets) == row["mind_reading_supervised_tokens"]
    objective = StudentObjective(models["student"])
    thoughts = case.thoughts(models["teacher"])
    ids = torch.from_numpy(case.batch.ids)
    total = objective(ids, None, states, targets, case.separators, thoughts)
    assert total.item() / len(targets) == pytest.approx(row["mind_reading_loss"], rel=1e-5)


@torch.no_grad()
def test_emulation_loss(row, case, models):
    objective = EmulatorObjective(models[row["mixture_size"]])
    thoughts = case.thoughts(models["teacher"])
    parts = objective(case.prompts, case.separators, thoughts, torch.ones(len(thoughts)))
    total = sum(parts.values())
    assert total.item() / len(thoughts) == pytest.approx(row["emulation_loss"], rel=1e-5)
    emulated = models[row["mixture_size"]](case.prompts, case.separators)
    for number, part in enumerate(parts.values(), start=1):
        assert list(parts)[number - 1] == f"block_{number}"
        missed = emulated[:, number - 1] - thoughts[:, number - 1]
        assert part.item() == pytest.approx(0.5 * missed.square().sum().item(), rel=1e-5)


@torch.no_grad()
def test_coupled_loss(row, case, models):
    states, targets = case.targets()
    objective = CoupledObjective(models[row["mixture_size"]], models["student"])
    ids = torch.from_numpy(case.batch.ids)
    total = objective(ids, None, states, targets, case.prompts, case.separators)
    assert total.item() / len(targets) == pytest.approx(row["coupled_loss"], rel=1e-5)
