"""The losses of ICoT-KD's trainings, as sums over a batch. Dropout is off in all of them.

B rows, L blocks, H width, C columns, N supervised tokens. `separators` [B] says where the first
separator stands in each row, and `thoughts` are [B, L, H].
"""

from typing import Self

import torch
from torch import Tensor, nn

from icot_tui.methods.distillation.models import MindReadingStudent, ThoughtEmulator, decoder_blocks
from icot_tui.models.supervised import Loss, SupervisedLM


class _WithoutDropout(nn.Module):
    def train(self, mode: bool = True) -> Self:
        return super().train(False)


class StudentObjective(_WithoutDropout):
    """The student's answers to the teacher's thoughts."""

    def __init__(self, student: MindReadingStudent) -> None:
        super().__init__()
        self.student = student
        self.answers = SupervisedLM(student.lm)

    def forward(
        self,
        ids: Tensor,
        positions: Tensor | None,
        states: Tensor,
        targets: Tensor,
        separators: Tensor,
        thoughts: Tensor,
    ) -> Loss:
        """Sum of the negative log-likelihoods of the answers; see `SupervisedLM.forward`."""
        with self.student.reading(thoughts, separators):
            loss: Loss = self.answers(ids, positions, states, targets)
        return loss


class EmulatorObjective(_WithoutDropout):
    """How far the emulator's thoughts are from the teacher's."""

    def __init__(self, emulator: ThoughtEmulator) -> None:
        super().__init__()
        self.emulator = emulator

    def forward(
        self, prompts: Tensor, separators: Tensor, thoughts: Tensor, counts: Tensor
    ) -> Loss:
        """Half the squared error of each block, summed over width and rows.

        `prompts` are [B, C] ` {x} SEP`, padded on the right; `thoughts` the teacher's; `counts` [B]
        1 for a row that counts, 0 for one that fills a batch up.
        """
        errors = emulation_errors(self.emulator(prompts, separators), thoughts)
        blocks = (errors * counts[:, None]).sum(dim=0).unbind()
        return {f"block_{number}": error for number, error in enumerate(blocks, start=1)}


class CoupledObjective(_WithoutDropout):
    """The student's answers to the emulator's thoughts: no chain of thought is used here."""

    def __init__(self, emulator: ThoughtEmulator, student: MindReadingStudent) -> None:
        super().__init__()
        self.emulator = emulator
        self.student = StudentObjective(student)

    def forward(
        self,
        ids: Tensor,
        positions: Tensor | None,
        states: Tensor,
        targets: Tensor,
        prompts: Tensor,
        separators: Tensor,
    ) -> Loss:
        """Sum of the negative log-likelihoods of the answers; see `SupervisedLM.forward`."""
        thoughts = self.emulator(prompts, separators)
        loss: Loss = self.student(ids, positions, states, targets, separators, thoughts)
        return loss


def emulation_errors(emulated: Tensor, thoughts: Tensor) -> Tensor:
    """[B, L] half the squared error of each block's thought."""
    return 0.5 * (emulated.float() - thoughts.float()).square().sum(dim=-1)


def freeze_unused(emulator: ThoughtEmulator, separator_id: int) -> None:
    """Freeze what comes after the last thought: its gradients would be waited for in vain."""
    ids = torch.full((1, 2), separator_id)
    emulator(ids, torch.tensor([1])).sum().backward()
    # Within earlier blocks a parameter may be idle for one token only (mixtures of experts).
    earlier = {id(p) for p in decoder_blocks(emulator.lm)[:-1].parameters()}
    for parameter in emulator.parameters():
        if parameter.grad is None and id(parameter) not in earlier:
            parameter.requires_grad_(False)
        parameter.grad = None
