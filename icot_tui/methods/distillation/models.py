"""The mind-reading student, the thought emulator, and the two coupled as one language model.

B rows, C columns, L blocks, H width.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from icot_tui.errors import UserError
from icot_tui.models.blocks import refuse_other_states
from icot_tui.models.wrapped import Arguments, WrappedLM, taken

if TYPE_CHECKING:
    from transformers import PreTrainedModel

Edit = Callable[[int, Tensor], Tensor | None]
"""Called with a block's number and its input [B, C, H]; gives another input, or None."""


class EnoughSeen(Exception):
    """Raised by an edit that needs nothing of what the decoder would do next."""


def decoder_blocks(lm: "PreTrainedModel") -> nn.ModuleList:
    """The blocks in order: the outermost list of modules that is as long as the model is deep.

    Raises:
        UserError: there is none.
    """
    depth = lm.config.num_hidden_layers
    for module in lm.modules():  # outer ones first
        if isinstance(module, nn.ModuleList) and len(module) == depth:
            return module
    raise UserError(
        f"the blocks of {type(lm).__name__} were not found: distillation needs a decoder whose "
        "blocks stand in one list"
    )


def with_usable_blocks(lm: "PreTrainedModel") -> "PreTrainedModel":
    """The model, if its blocks' inputs can be read and replaced.

    Raises:
        UserError: they are not in one list, or hand on more than one state a token.
    """
    refuse_other_states(lm, decoder_blocks(lm))
    return lm


@contextmanager
def edited_inputs(blocks: nn.ModuleList, edit: Edit) -> Iterator[None]:
    """Within it every forward pass shows each block's input to `edit`, which may replace it."""
    hooks = [
        block.register_forward_pre_hook(partial(_show, edit, number), with_kwargs=True)
        for number, block in enumerate(blocks)
    ]
    try:
        yield
    except EnoughSeen:
        pass
    finally:
        for hook in hooks:
            hook.remove()


def _show(
    edit: Edit, number: int, block: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]] | None:
    hidden = args[0] if args else kwargs["hidden_states"]
    replaced = edit(number, hidden)
    if replaced is None:
        return None
    return ((replaced, *args[1:]), kwargs) if args else (args, kwargs | {"hidden_states": replaced})


def with_states(hidden: Tensor, positions: Tensor, states: Tensor) -> Tensor:
    """[B, C, H] with the state of each row at its position [B] replaced by [B, H]."""
    rows = torch.arange(len(hidden), device=hidden.device)
    return hidden.index_put((rows, positions), states.to(hidden.dtype))


class MindReadingStudent(nn.Module):
    """A language model that answers; for each block, an MLP H -> 4H -> H reads a thought."""

    def __init__(self, lm: "PreTrainedModel") -> None:
        super().__init__()
        width = lm.config.hidden_size
        self.lm = lm
        self.mlps = nn.ModuleList(
            nn.Sequential(nn.Linear(width, 4 * width), nn.ReLU(), nn.Linear(4 * width, width))
            for _ in decoder_blocks(lm)
        ).to(dtype=lm.dtype)

    @contextmanager
    def reading(self, thoughts: Tensor, positions: Tensor) -> Iterator[None]:
        """Within it, the input of block l at each row's position [B] is MLP_l(thoughts[:, l])."""

        def put(number: int, hidden: Tensor) -> Tensor:
            thought = thoughts[:, number].to(self.lm.dtype)
            return with_states(hidden, positions, self.mlps[number](thought))

        with edited_inputs(decoder_blocks(self.lm), put):
            yield


class ThoughtEmulator(nn.Module):
    """A language model that goes on thinking from block to block at the first separator.

    It chooses from K ways of thinking, the mixture components; a lower temperature makes the choice
    sharper. The last block and what follows it are never run.
    """

    def __init__(
        self, lm: "PreTrainedModel", mixture_components: int = 1, temperature: float = 0.05
    ) -> None:
        super().__init__()
        width = lm.config.hidden_size
        self.lm = lm
        self.temperature = temperature
        self.mlps = nn.ModuleList(
            nn.Sequential(nn.Linear(2 * width, 4 * width), nn.ReLU(), nn.Linear(4 * width, width))
            for _ in decoder_blocks(lm)
        )
        self.mixture_components = nn.Embedding(mixture_components, width)
        self.rnn = nn.LSTMCell(width, width)
        self.key_proj = nn.Linear(width, width)
        self.query_proj = nn.Linear(width, width)
        self.out_proj = nn.Linear(2 * width, width)
        self.to(dtype=lm.dtype)

    def forward(
        self,
        ids: Tensor,
        separators: Tensor,
        mask: Tensor | None = None,
        positions: Tensor | None = None,
    ) -> Tensor:
        """[B, L, H] predicted thoughts, float32, for `ids` [B, C] with SEP at `separators` [B].

        `mask` [B, C] is False where there is padding on the left, None without it; `positions`
        [B, C] are position ids, None to count from 0.
        """
        thinking = _Thinking(self, separators)
        with edited_inputs(decoder_blocks(self.lm), thinking.block):
            options = {"attention_mask": mask, "position_ids": positions, "use_cache": False}
            self.lm.base_model(ids, **taken(self.lm, options))
        return torch.stack(thinking.predictions, dim=1).float()

    def component(self, state: Tensor) -> Tensor:
        """[B, H] the mixture's embedding for states [B, H]."""
        table = self.mixture_components.weight
        if len(table) == 1:
            return table.expand(len(state), -1)
        shares: Tensor = torch.softmax(state @ table.T / self.temperature, dim=-1)  # [B, K]
        return shares @ table


class _Thinking:
    """What one forward pass carries from block to block."""

    def __init__(self, emulator: ThoughtEmulator, separators: Tensor) -> None:
        self.predictions: list[Tensor] = []
        self._emulator = emulator
        self._separators = separators
        self._memory: tuple[Tensor, Tensor] | None = None
        self._context: Tensor | None = None
        self._keys: list[Tensor] = []

    def block(self, number: int, hidden: Tensor) -> Tensor:
        """The block's input with the emulator's own state at the separator."""
        own = self._emulator
        rows = torch.arange(len(hidden), device=hidden.device)
        state = hidden[rows, self._separators].to(own.out_proj.weight.dtype)
        prediction = own.mlps[number](torch.cat([state, own.component(state)], dim=-1))
        self.predictions.append(prediction)
        if len(self.predictions) == len(own.mlps):
            raise EnoughSeen
        return with_states(hidden, self._separators, self._next(prediction))

    def _next(self, prediction: Tensor) -> Tensor:
        """[B, H] the state that goes on: memory of the blocks so far, and what it recalls."""
        own = self._emulator
        read = prediction if self._context is None else prediction + self._context
        self._memory = own.rnn(read, self._memory)
        output = self._memory[0]
        self._context = self._recalled(output)
        self._keys.append(own.key_proj(output))
        state: Tensor = own.out_proj(torch.cat([output, self._context], dim=-1))
        return state

    def _recalled(self, output: Tensor) -> Tensor:
        """[B, H] attention over the earlier blocks' keys, which serve as values; 0 at the first."""
        if not self._keys:
            return torch.zeros_like(output)
        keys = torch.stack(self._keys, dim=1)  # [B, l, H]
        query = self._emulator.query_proj(output)
        shares = torch.softmax((keys @ query[:, :, None]).squeeze(-1), dim=-1)  # [B, l]
        return (shares[:, None] @ keys).squeeze(1)


StateSource = Callable[[Tensor, Tensor, Tensor | None, Tensor | None], Tensor]
"""(ids, separators, mask, positions) -> hidden states; see `ThoughtEmulator.forward`."""


class CoupledReading:
    """Gives the student its states at the first separator of each row; see `Reading`.

    The source is the emulator, or a `TeacherStateTable`. Once a question is in the cache, so are
    its states: the tokens that follow cost the student alone.
    """

    extra_positions = 0

    def __init__(self, student: MindReadingStudent, source: StateSource) -> None:
        self.student = student
        self.source = source

    def first_pass(
        self, decoder: Callable[..., Any], ids: Tensor, separators: Tensor, arguments: Arguments
    ) -> Any:
        columns = int(separators.max()) + 1
        mask, positions = arguments.get("attention_mask"), arguments.get("position_ids")
        cut = (part if part is None else part[:, :columns] for part in (mask, positions))
        states = self.source(ids[:, :columns], separators, *cut)
        with self.student.reading(states, separators):
            return decoder(ids, **arguments)

    def later_pass(self, arguments: Arguments, tokens: int) -> Arguments:
        return arguments


def coupled_lm(student: MindReadingStudent, source: StateSource, separator_id: int) -> WrappedLM:
    """Student and source as one language model that answers without a written chain of thought."""
    parts: dict[str, nn.Module] = {"student": student}
    if isinstance(source, nn.Module):
        parts["emulator"] = source
    return WrappedLM(student.lm, CoupledReading(student, source), separator_id, parts)


def coupled_reading(lm: Any) -> CoupledReading:
    """How a language model of `coupled_lm` reads its questions."""
    assert isinstance(lm, WrappedLM) and isinstance(lm.reading, CoupledReading)
    return lm.reading


class TeacherStateTable:
    """The teacher's states by question: they need a chain of thought, which only examples have."""

    def __init__(self, questions: list[list[int]], states: Tensor) -> None:
        """The tokens of ` {x} SEP` by example (the last of equal ones counts), and [n, L, H]."""
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
