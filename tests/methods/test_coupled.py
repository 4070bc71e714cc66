"""A pair asked in batches, padded and with a cache, answers as it does one by one without."""

import numpy as np
import pytest
import torch

from icot_tui.config import ModelConfig
from icot_tui.data.tokenizing import Separators
from icot_tui.engine.evaluation.decoding import decode
from icot_tui.engine.evaluation.staged_examples import PositionShift, Prefixes
from icot_tui.methods.distillation.models import (
    MindReadingStudent,
    TeacherStateTable,
    ThoughtEmulator,
    coupled_lm,
)
from icot_tui.methods.distillation.objectives import CoupledObjective
from icot_tui.methods.distillation.teacher import StatePositions, teacher_states
from icot_tui.models.build import build_model
from icot_tui.models.supervised import SupervisedLM

SEP, WORDS = 0, 12
QUESTIONS = [[3, 4, SEP], [5, 6, 7, 8, SEP], [9, SEP], [3, 4, 5, SEP], [11, 10, 9, 8, 7, SEP]]
BUDGET = 6


def lm(architecture, seed):
    config = ModelConfig(
        architecture=architecture, layers=3, heads=2, width=16, initializer_range=0.3
    )
    return build_model(config, WORDS, SEP, 24, seed).eval()


@pytest.fixture(params=["gpt2", "llama"])
def pair(request):
    torch.manual_seed(0)
    emulator = ThoughtEmulator(lm(request.param, 1), mixture_components=3)
    return coupled_lm(MindReadingStudent(lm(request.param, 2)), emulator, SEP).eval()


@torch.no_grad()
def alone(pair, question):
    """No cache, no padding: the whole row anew for each token."""
    row = list(question)
    thoughts = pair.reading.source(torch.tensor([question]), torch.tensor([len(question) - 1]))
    while len(row) < len(question) + BUDGET:
        with pair.reading.student.reading(thoughts, torch.tensor([len(question) - 1])):
            logits = pair.reading.student.lm(torch.tensor([row])).logits[0, -1]
        row.append(int(logits.argmax()))
        if row[-1] == SEP:
            break
    return row[len(question) :]


@pytest.mark.slow
@pytest.mark.parametrize("batch_size", [1, 2, 5])
def test_decoding_in_batches_is_decoding_alone(pair, batch_size):
    count = len(QUESTIONS)
    nowhere = np.zeros(count, dtype=np.int64)
    prefixes = Prefixes.from_rows(
        QUESTIONS, PositionShift(nowhere, nowhere), np.ones(count, dtype=np.int64),
        np.full(count, BUDGET),
    )  # fmt: skip
    written = decode(pair, prefixes, Separators(SEP, SEP, SEP), batch_size=batch_size)
    assert [written.row(row) for row in range(count)] == [alone(pair, one) for one in QUESTIONS]


@torch.no_grad()
def test_scoring_is_the_training_loss(pair):
    """What evaluation asks and what the coupled training minimises are the same function."""
    answers = [[4, 5, SEP], [6, SEP], [7, 8, 9, SEP], [2, 2, SEP], [1, SEP]]
    rows = [question + answer for question, answer in zip(QUESTIONS, answers, strict=True)]
    width = max(map(len, rows))
    ids = torch.tensor([row + [SEP] * (width - len(row)) for row in rows])
    at = [
        (number, place)
        for number, (question, row) in enumerate(zip(QUESTIONS, rows, strict=True))
        for place in range(len(question), len(row))
    ]
    states = torch.tensor([number * width + place - 1 for number, place in at])
    targets = torch.tensor([rows[number][place] for number, place in at])
    separators = torch.tensor([len(question) - 1 for question in QUESTIONS])
    nll, _ = SupervisedLM(pair).score(ids, None, states, targets)
    loss = CoupledObjective(pair.reading.source, pair.reading.student)(
        ids, None, states, targets, ids[:, : separators.max() + 1], separators
    )
    assert nll.sum().item() == pytest.approx(loss.item(), rel=1e-5)


def test_known_thoughts_are_found_in_padded_rows():
    thoughts = torch.arange(5.0)[:, None, None].expand(-1, 2, 4)
    known = TeacherStateTable(QUESTIONS, thoughts)
    ids = torch.tensor([[SEP, SEP, 3, 4, SEP], [5, 6, 7, 8, SEP], [SEP, SEP, SEP, 2, SEP]])
    mask = torch.tensor([[0, 0, 1, 1, 1], [1, 1, 1, 1, 1], [0, 0, 0, 1, 1]])
    found = known(ids, torch.tensor([4, 4, 4]), mask, None)
    assert found[:, 0, 0].tolist() == [0, 1, 0]
    assert torch.equal(found[1], thoughts[1])


def test_positions():
    first, second = np.array([2, 5]), np.array([10, 9])

    def at(*arguments):
        return StatePositions(*arguments).positions(first, second, 5).tolist()

    assert at() == [[2, 4, 6, 8, 10], [5, 6, 7, 8, 9]]
    assert at("diagonal", 3.0) == [[2, 5, 8, 10, 10], [5, 8, 9, 9, 9]]
    assert at("first_column") == [[2] * 5, [5] * 5]
    assert at("last_column") == [[10] * 5, [9] * 5]
    assert at("top_row") == at("bottom_row") == at()
    assert StatePositions("top_row").blocks(3) == [2, 2, 2]
    assert StatePositions("bottom_row").blocks(3) == [0, 0, 0]
    assert StatePositions().positions(first, second, 1).tolist() == [[2], [5]]


@pytest.mark.parametrize("architecture", ["gpt2", "llama", "opt", "gpt_neox", "qwen2"])
@pytest.mark.parametrize("subset", ["diagonal", "top_row", "bottom_row", "last_column"])
def test_thoughts_are_normalised_hidden_states(architecture, subset):
    teacher = lm(architecture, 0)
    ids = torch.tensor([[3, 4, SEP, 5, 6, 7, SEP, 8, SEP], [3, SEP, 5, 6, SEP, 8, SEP, 0, 0]])
    places = StatePositions(subset)
    positions = places.positions(np.array([2, 1]), np.array([6, 4]), 3)
    thoughts = teacher_states(teacher, ids, torch.from_numpy(positions), places.blocks(3))
    hidden = teacher(ids, output_hidden_states=True).hidden_states
    for row in range(2):
        for place, block in enumerate(places.blocks(3)):
            expected = hidden[block][row, positions[row, place]]
            expected = torch.nn.functional.layer_norm(expected, (16,))
            torch.testing.assert_close(thoughts[row, place], expected, rtol=1e-5, atol=1e-5)


def test_hooks_are_gone_afterwards(pair):
    ids = torch.tensor([QUESTIONS[0]])
    with torch.no_grad():
        before = pair.reading.student.lm(ids).logits
        thinking = pair(ids).logits
        after = pair.reading.student.lm(ids).logits
    assert torch.equal(before, after)
    assert not torch.equal(before, thinking)
