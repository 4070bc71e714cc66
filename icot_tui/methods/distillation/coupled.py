"""The student with hidden states put into it, as one language model that can be asked.

B rows, C columns, L blocks, H width.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from icot_tui.methods.distillation.models import MindReadingStudent
from icot_tui.models.wrapped import Arguments, WrappedLM

StateSource = Callable[[Tensor, Tensor, Tensor | None, Tensor | None], Tensor]
"""(ids, separators, mask, positions) -> hidden states; see `ThoughtEmulator.forward`."""


class CoupledReading:
    """Gives the student its states at the first separator of each row; see `Reading`.

    Once a question is in the cache, so are its states: tokens that follow cost the student alone.

    Args:
        student: answers.
        source: the emulator, or a `TeacherStateTable`.
    """

    extra_positions = 0

    def __init__(self, student: MindReadingStudent, source: StateSource) -> None:
        self.student = student
        self.source = source

    def first_pass(
        self, decoder: Callable[..., Any], ids: Tensor, separators: Tensor, arguments: Arguments
    ) -> Any:
        """See `Reading`."""
        columns = int(separators.max()) + 1
        mask, positions = arguments.get("attention_mask"), arguments.get("position_ids")
        cut = (part if part is None else part[:, :columns] for part in (mask, positions))
        states = self.source(ids[:, :columns], separators, *cut)
        with self.student.reading(states, separators):
            return decoder(ids, **arguments)

    def later_pass(self, arguments: Arguments) -> Arguments:
        """See `Reading`."""
        return arguments


def coupled_lm(student: MindReadingStudent, source: StateSource, separator_id: int) -> WrappedLM:
    """Student and source as one language model that answers without a written chain of thought."""
    parts: dict[str, nn.Module] = {"student": student}
    if isinstance(source, nn.Module):
        parts["emulator"] = source
    return WrappedLM(student.lm, CoupledReading(student, source), separator_id, parts)


def coupled_reading(lm: Any) -> CoupledReading:
    """How the language model that `coupled_lm` made reads its questions."""
    assert isinstance(lm, WrappedLM) and isinstance(lm.reading, CoupledReading)
    return lm.reading


class TeacherStateTable:
    """The teacher's states by question: they need a chain of thought, which only examples have.

    Of questions that occur twice the later one's states hold.

    Args:
        questions: the tokens of ` {x} SEP`, one list an example.
        states: [n, L, H] in the same order.
    """

    def __init__(self, questions: list[list[int]], states: Tensor) -> None:
        self._place = {tuple(question): place for place, question in enumerate(questions)}
        self._states = states

    def __call__(
        self, ids: Tensor, separators: Tensor, mask: Tensor | None, positions: Tensor | None
    ) -> Tensor:
        """[B, L, H], on the device of `ids`; 0 for a question that is not known."""
        begins = torch.zeros_like(separators) if mask is None else mask.int().argmax(dim=1)
        spans = zip(ids.tolist(), begins.tolist(), separators.tolist(), strict=True)
        places = [self._place.get(tuple(row[begin : end + 1])) for row, begin, end in spans]
        states = self._states[[place or 0 for place in places]].to(ids.device)
        known = torch.tensor([place is not None for place in places], device=ids.device)
        return states * known[:, None, None]
