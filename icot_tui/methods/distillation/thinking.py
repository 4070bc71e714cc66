"""A student with somebody's thoughts, as a causal language model: it can be asked like any other.

B rows, C columns, L blocks, H width, V words.
"""

import inspect
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from icot_tui.methods.distillation.student import MindReadingStudent

Thinker = Callable[[Tensor, Tensor, Tensor | None, Tensor | None], Tensor]
"""(ids, separators, mask, positions) -> thoughts; see `ThoughtEmulator.forward`."""


class ThinkingLM(nn.Module):
    """Thinks at the first separator of each row, then answers.

    Once a question is in the cache, so is the thought: tokens that follow cost the student alone.

    Args:
        student: answers.
        thinker: the emulator, or `KnownThoughts`.
        separator_id: the end-of-text token.
    """

    def __init__(self, student: MindReadingStudent, thinker: Thinker, separator_id: int) -> None:
        super().__init__()
        self.student = student
        self.thinker = thinker
        self._separator_id = separator_id
        self._accepted = inspect.signature(student.lm.forward).parameters

    @property
    def config(self) -> Any:
        """The student's."""
        return self.student.lm.config

    @property
    def base_model(self) -> Callable[..., Any]:
        """The decoder below the head, which thinks, too."""
        return self._decoder

    def get_input_embeddings(self) -> nn.Module:
        """The student's."""
        words: nn.Module = self.student.lm.get_input_embeddings()
        return words

    def get_output_embeddings(self) -> nn.Module:
        """The student's head."""
        head: nn.Module = self.student.lm.get_output_embeddings()
        return head

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        position_ids: Tensor | None = None,
        past_key_values: Any = None,
        use_cache: bool = False,
        logits_to_keep: int = 0,
    ) -> Any:
        """As the student's own `forward`; without a cache the rows hold their questions whole."""
        options = {"position_ids": position_ids, "logits_to_keep": logits_to_keep}
        options = {name: value for name, value in options.items() if name in self._accepted}
        arguments: dict[str, Any] = {
            "attention_mask": attention_mask,
            "past_key_values": past_key_values,
            "use_cache": use_cache,
            **options,
        }
        if past_key_values is not None:
            return self.student.lm(input_ids, **arguments)
        return self._thinking(self.student.lm, input_ids, arguments)

    def _decoder(self, input_ids: Tensor, **arguments: Any) -> Any:
        return self._thinking(self.student.lm.base_model, input_ids, arguments)

    def _thinking(self, module: nn.Module, ids: Tensor, arguments: dict[str, Any]) -> Any:
        mask, positions = arguments.get("attention_mask"), arguments.get("position_ids")
        separators = self.separators(ids, mask)
        columns = int(separators.max()) + 1
        cut = (part if part is None else part[:, :columns] for part in (mask, positions))
        thoughts = self.thinker(ids[:, :columns], separators, *cut)
        with self.student.reading(thoughts, separators):
            return module(ids, **arguments)

    def separators(self, ids: Tensor, mask: Tensor | None) -> Tensor:
        """[B] where the first separator of each row [B, C] stands; padding may look like one."""
        found = ids == self._separator_id
        if mask is not None:
            found = found & mask.bool()
        return found.int().argmax(dim=1)


class KnownThoughts:
    """Thoughts looked up by question: the teacher's, which only a gold chain of thought gives.

    Of questions that occur twice the later one's thoughts hold.

    Args:
        questions: the tokens of ` {x} SEP`, one list an example.
        thoughts: [n, L, H] in the same order.
    """

    def __init__(self, questions: list[list[int]], thoughts: Tensor) -> None:
        self._place = {tuple(question): place for place, question in enumerate(questions)}
        self._thoughts = thoughts

    def __call__(
        self, ids: Tensor, separators: Tensor, mask: Tensor | None, positions: Tensor | None
    ) -> Tensor:
        """[B, L, H], on the device of `ids`; 0 for a question that is not known."""
        begins = torch.zeros_like(separators) if mask is None else mask.int().argmax(dim=1)
        spans = zip(ids.tolist(), begins.tolist(), separators.tolist(), strict=True)
        places = [self._place.get(tuple(row[begin : end + 1])) for row, begin, end in spans]
        thoughts = self._thoughts[[place or 0 for place in places]].to(ids.device)
        known = torch.tensor([place is not None for place in places], device=ids.device)
        return thoughts * known[:, None, None]
