"""ICoT-KD's emulated thoughts beside the teacher's (arXiv 2311.01460).

n examples, B rows, L blocks, H width. A distance is the mean squared difference of two states over
H: the teacher's have variance 1, so that 0 means the same, and about 2 unrelated.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from icot_tui.analysis.examples import load_examples
from icot_tui.analysis.loaded_model import LoadedModel
from icot_tui.analysis.questions import Question
from icot_tui.data.encoded import EncodedSplit
from icot_tui.errors import UserError
from icot_tui.methods.distillation.checkpoints import (
    find_outcome,
    open_emulator,
    open_teacher,
    part_settings,
)
from icot_tui.methods.distillation.config import DistillationConfig
from icot_tui.methods.distillation.models import StateSource, coupled_reading
from icot_tui.methods.distillation.teacher import ComputedStates, StatePositions
from icot_tui.models.positions import position_count

if TYPE_CHECKING:
    from transformers import PreTrainedModel

CLEAR = 0.9  # below this share of a guess's distance, an emulated thought is better than a guess
EXAMPLES = 200  # held-out questions for averages and controls
AT_ONCE = 64  # questions in one forward pass of the emulator


@dataclass(frozen=True)
class Distances:
    """How far a block's thought is from the teacher's.

    own     the emulated one
    before  the same of the emulator before coupling; None where that is gone
    guess   the mean of the teacher's thoughts: the best guess without the question
    """

    own: float
    before: float | None
    guess: float


@dataclass(frozen=True)
class LayerThought:
    """One block's thought about a question.

    layer    counts from 1
    place    what the teacher read there: z3 is its third chain-of-thought token
    token    that token
    here     for this question
    others   mean distance of the emulated one from the teacher's about other questions
    average  over held-out questions
    """

    layer: int
    place: str
    token: str
    here: Distances
    others: float
    average: Distances

    @property
    def predicted(self) -> bool:
        """Does the emulator clearly beat a guess, over the held-out questions?"""
        return self.average.own < CLEAR * self.average.guess

    @property
    def was_predicted(self) -> bool:
        before = self.average.before
        return before is not None and before < CLEAR * self.average.guess


class ThoughtComparison:
    """An emulator beside its teacher.

    Raises:
        UserError: it is no pair, or its teacher is not known or gone.
    """

    def __init__(self, model: LoadedModel) -> None:
        section = _section(model)
        self._model = model
        self._emulate = coupled_reading(model.lm).source
        self._before = _before(model, section)
        self._places = StatePositions(section.subset, section.delta)
        teacher = open_teacher(teacher_path(model, section))
        self._teacher: PreTrainedModel = teacher.eval().to(model.device)
        held_out = load_examples(model, EXAMPLES).split(model)
        held_out = held_out.only(self._fits(held_out))
        self._prompts = [_prompt(held_out, row) for row in range(len(held_out))]
        self.examples = len(self._prompts)
        self._held_out = self._thoughts(held_out)  # [n, L, H]
        self._center = self._held_out.mean(dim=0)
        self._averages = self._distances(self._prompts, self._held_out)

    def of(self, question: Question) -> list[LayerThought]:
        """The thoughts about one question, from the first block to the last.

        Raises:
            UserError: its chain of thought is not known, or too long for the teacher.
        """
        if question.gold is None:
            raise UserError(
                "the chain of thought of this question is unknown, so there are no "
                "teacher's thoughts: ask a question of the run's task"
            )
        if not self._fits(question.gold).all():
            raise UserError("the chain of thought is too long for the teacher: ask something else")
        here = self._distances([question.prompt], self._thoughts(question.gold))
        others = [row for row, prompt in enumerate(self._prompts) if prompt != question.prompt]
        emulated = self._emulated(self._emulate, [question.prompt])
        from_others = _distance(emulated, self._held_out[others]).tolist()
        names = [self._name(question.gold, place) for place in self._where(question.gold)]
        measured = zip(names, here, from_others, self._averages, strict=True)
        return [
            LayerThought(layer, *name, own, others, average)
            for layer, (name, own, others, average) in enumerate(measured, 1)
        ]

    def _distances(self, prompts: Sequence[tuple[int, ...]], thoughts: Tensor) -> list[Distances]:
        """[L] means over questions whose true thoughts are [n, L, H]."""
        own = _distance(self._emulated(self._emulate, prompts), thoughts).tolist()
        guess = _distance(self._center, thoughts).tolist()
        before: list[float | None] = [None] * len(own)
        if self._before is not None:
            before = _distance(self._emulated(self._before, prompts), thoughts).tolist()
        return [Distances(*three) for three in zip(own, before, guess, strict=True)]

    def _fits(self, split: EncodedSplit) -> NDArray[np.bool_]:
        """[n] does the teacher have enough positions?"""
        table = position_count(self._teacher.config)
        needed = split.prompt_lengths.astype(np.int64) + split.cot_lengths + 1
        fits: NDArray[np.bool_] = needed <= (np.inf if table is None else table)
        return fits

    def _where(self, gold: EncodedSplit) -> list[int]:
        """[L] positions of the teacher's thoughts."""
        first = gold.prompt_lengths.astype(np.int64) - 1
        blocks = int(self._teacher.config.num_hidden_layers)
        places = self._places.positions(first, first + gold.cot_lengths + 1, blocks)[0]
        found: list[int] = places.tolist()
        return found

    def _name(self, gold: EncodedSplit, place: int) -> tuple[str, str]:
        """What the teacher read at a place, by name and as text."""
        token = self._model.token_text(int(gold.example(0)[place]))
        thought = place - int(gold.prompt_lengths[0])
        if thought < 0:
            return "SEP", token
        return ("SEP2" if thought == gold.cot_lengths[0] else f"z{thought + 1}"), token

    def _thoughts(self, split: EncodedSplit) -> Tensor:
        """[n, L, H] the teacher's."""
        separator, device = self._model.token_format.separator_id, self._model.device
        return ComputedStates(self._teacher, split, self._places, separator, device).all()

    @torch.no_grad()
    def _emulated(self, emulate: StateSource, prompts: Sequence[tuple[int, ...]]) -> Tensor:
        """[n, L, H] an emulator's, on the CPU."""
        parts, device = [], self._model.device
        for begin in range(0, len(prompts), AT_ONCE):
            rows = [torch.tensor(prompt) for prompt in prompts[begin : begin + AT_ONCE]]
            ids = pad_sequence(rows, batch_first=True)
            separators = torch.tensor([len(row) - 1 for row in rows])
            parts.append(emulate(ids.to(device), separators.to(device), None, None).cpu())
        return torch.cat(parts)


def teacher_path(model: LoadedModel, section: DistillationConfig) -> Path:
    """The checkpoint of the teacher whose thoughts were emulated.

    Raises:
        UserError: it is not known, or gone.
    """
    left = _left(model, "teacher")
    if left is not None:
        return find_outcome(left, "teacher")
    for given in (section.from_teacher, section.from_emulator, section.from_student):
        if given is not None and not part_settings(path := find_outcome(given, "teacher")):
            return path
    raise UserError(f"the teacher of {model.label} is not known: only its run can tell")


def _left(model: LoadedModel, part: str) -> str | None:
    """The checkpoint that an earlier training of the same run chose, if there was one."""
    opened = model.opened
    if opened.run is None or opened.state is None:
        return None
    outcomes = opened.state["run"].get("outcomes", {})
    return str(opened.path.parent / outcomes[part]) if part in outcomes else None


def _before(model: LoadedModel, section: DistillationConfig) -> StateSource | None:
    """The emulator that the coupled training began with; None where it is gone."""
    given = _left(model, "emulator") or section.from_emulator
    if given is None:
        return None
    try:
        return open_emulator(find_outcome(given, "emulator")).eval().to(model.device)
    except UserError:
        return None


def summary(thoughts: Sequence[LayerThought], examples: int) -> str:
    """What may be concluded, over the held-out questions."""
    clear = sum(one.predicted for one in thoughts)
    text = (
        f"Over {examples:,} questions, in {clear} of {len(thoughts)} layers the emulated "
        "thought is clearly nearer to the teacher's than the mean of all its thoughts is, a guess "
        "that ignores the question"
    )
    if any(one.average.before is None for one in thoughts):
        return f"{text}."
    return f"{text}; before the coupled training, in {sum(o.was_predicted for o in thoughts)}."


def as_values(thoughts: Sequence[LayerThought]) -> list[dict[str, Any]]:
    """As plain values."""
    return [
        asdict(one) | {"foretold": one.predicted, "was_foretold": one.was_predicted}
        for one in thoughts
    ]


def _section(model: LoadedModel) -> DistillationConfig:
    config = model.opened.config
    if not model.is_pair:
        what = f"{model.label} is no pair of ICoT-KD"
        raise UserError(f"{what}: only such a pair emulates a teacher's thoughts")
    if config is None or model.opened.run is None:
        raise UserError(f"{model.label} lies in no run of ICoT-KD: its teacher is unknown")
    return config.section(DistillationConfig)


def _prompt(split: EncodedSplit, row: int) -> tuple[int, ...]:
    ids: NDArray[np.int64] = split.example(row)[: split.prompt_lengths[row]]
    return tuple(ids.tolist())


def _distance(one: Tensor, other: Tensor) -> Tensor:
    """[L] of states [n, L, H] or [L, H], averaged over questions."""
    return (one.float() - other.float()).square().mean(dim=-1).mean(dim=0)
