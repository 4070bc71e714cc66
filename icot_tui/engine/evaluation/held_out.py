"""A checkpoint and held-out examples: in its own tokens, at its stage, in its layout; its speed.

Speeds drift with the load of the machine, so models are compared side by side: all answer the same
question, one after another, before the next question is asked.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

import numpy as np
import torch

from icot_tui.config import DataConfig, EvaluationConfig
from icot_tui.curriculum.removal import RemovalPlan, TokenFormat, removed_tokens
from icot_tui.curriculum.schedule import ALL
from icot_tui.data.comparison import Compare, default_compare
from icot_tui.data.encoded import EncodedSplit
from icot_tui.data.encoding import Encoder
from icot_tui.data.examples import Chunk, chunk_examples
from icot_tui.data.reading import ExampleReader
from icot_tui.data.splits import open_source
from icot_tui.engine.checkpoints.opened import OpenedCheckpoint
from icot_tui.engine.evaluation.decoding import decode
from icot_tui.engine.evaluation.evaluate import evaluate, position_table
from icot_tui.engine.evaluation.exact_match import EvaluationResult
from icot_tui.engine.evaluation.staged_examples import Prefixes, StagedExamples
from icot_tui.errors import UserError
from icot_tui.models.supervised import SupervisedLM
from icot_tui.models.wrapped import ask_at_stage
from icot_tui.units import Unit

if TYPE_CHECKING:
    from transformers import PreTrainedModel

QUESTIONS = 16  # examples a round
LEAST_ROUNDS = 3  # rounds at least, however slow the models are


@dataclass(frozen=True)
class PreparedModel:
    """A model in evaluation mode and what it is asked: a split in its own tokens, at its stage."""

    lm: "PreTrainedModel"
    split: EncodedSplit
    stage: int
    token_format: TokenFormat

    @property
    def implicit(self) -> bool:
        """Is nothing of the chain of thought left to write?"""
        return self.stage >= self.token_format.plan.greatest_stage(self.split)

    def evaluate(self, config: EvaluationConfig | None = None) -> EvaluationResult:
        """Exact match of its greedy answers, without samples; see `evaluate`."""
        config = (config or EvaluationConfig()).model_copy(update={"samples": 0})
        return evaluate(
            SupervisedLM(self.lm).eval(), self.split, self.stage, self.token_format, config
        )


def held_out_text(
    data: DataConfig,
    split: str,
    whose: str = "",
    limit: int | None = None,
    unit: Unit = "token",
) -> Chunk:
    """The lines of a held-out split, as many as wanted; `whose` is named in errors.

    Steps are marked if they are the `unit` of removal.

    A `UserError` says that the data's source is missing.
    """
    source = open_source(data, unit)
    of = f" of {whose}" if whose else ""
    if split not in source.names:
        raise UserError(
            f"there are no {split} examples{of}, only {', '.join(source.names[1:])}: choose "
            "another --split, or name a file with --data"
        )
    lines = (line for chunk in source.chunks(split) for line in chunk.lines())
    text = b"".join(islice(lines, limit))
    return Chunk(text, f"the {split} examples{of}", 1, marked=unit == "step")


def examples_of(
    opened: OpenedCheckpoint,
    source: Path | None,
    limit: int | None = None,
    split: str | None = None,
    unit: Unit | None = None,
) -> Chunk:
    """A file's examples, or a split of the run's (None: the one it reports), as many as wanted.

    Steps are marked if the checkpoint's `unit` of removal, or the given one, is "step".

    Raises:
        UserError: there is no such file, or neither a file nor a run to take them from.
    """
    unit = unit or opened.unit
    if source is not None:
        data = None if opened.config is None else opened.config.data
        reader = ExampleReader.of(str(source), split or "test", data, unit)
        chunks = reader.chunks(limit)
        text = b"".join(chunk.text for chunk in chunks)
        return Chunk(text, str(source), 1, marked=unit == "step")
    if opened.data is None:
        raise UserError(f"{opened.path} lies in no run: name a file of examples with --data")
    split = split or opened.data.reported_split
    run = opened.path.name if opened.config is None else opened.config.name
    return held_out_text(opened.data, split, run, limit, unit)


def compare_of(opened: OpenedCheckpoint, text: Chunk) -> Compare:
    """How answers are compared: as its run did, or without one as the examples suggest."""
    if opened.config is not None:
        return opened.config.evaluation.compare or "text"
    return default_compare(example.answer for _, example in chunk_examples(text))


def prepare(
    opened: OpenedCheckpoint, stage: int | None, text: Chunk, device: torch.device | str
) -> PreparedModel:
    """The model on its device, and its examples, with `stage` tokens (or steps) removed.

    ALL removes the whole chain of thought; None, as many as when the checkpoint was saved.

    Raises:
        UserError: checkpoint and examples don't fit each other, or the stage is not known.
    """
    split = Encoder(opened.tokenizer).encode(text)
    if len(split) == 0:
        raise UserError(f"{text.source} has no examples")
    plan = opened.plan or RemovalPlan()
    stage = _stage(opened, stage, plan.greatest_stage(split))
    token_format = opened.token_format(stage)
    gone = removed_tokens(split, np.arange(len(split)), stage, plan)
    kept = np.zeros_like(gone) if plan.keep_positions else gone
    longest, table = (split.lengths - kept).max(), position_table(opened.model)
    if table is not None and longest > table:
        raise UserError(
            f"{opened.path}: the longest of {text.source} needs {longest} positions, but the "
            f"model has {table}"
        )
    if int(split.tokens.max()) >= opened.model.get_input_embeddings().weight.shape[0]:
        raise UserError(f"the tokenizer in {opened.path} has more tokens than the model")
    return PreparedModel(opened.model.to(device).eval(), split, stage, token_format)


def _stage(opened: OpenedCheckpoint, wanted: int | None, longest: int) -> int:
    if opened.answer_only:
        if wanted not in (None, ALL):
            raise UserError(f"{opened.path} never writes a thought: leave --stage out")
        return longest
    if wanted is not None:
        return longest if wanted == ALL else wanted
    if opened.stage is None:
        raise UserError(
            f"{opened.path} has no training state: give the number of removed tokens with --stage "
            "(0 writes the whole chain of thought)"
        )
    about = opened.description
    if about is not None and opened.stage >= about.greatest_stage:
        return max(longest, opened.stage)  # it writes nothing, however long a chain would be
    return opened.stage


@dataclass(frozen=True)
class Speed:
    """Seconds that one model took, a value a round."""

    seconds: list[float]
    questions: int

    @property
    def examples_per_second(self) -> float:
        """Of the median round."""
        return self.questions / median(self.seconds)

    def ratio(self, other: "Speed") -> float:
        """How many times as fast as the other: the median over rounds, which they shared."""
        pairs = zip(self.seconds, other.seconds, strict=True)
        return median(theirs / ours for ours, theirs in pairs)


def measure_speed(
    models: Sequence[PreparedModel],
    seconds: float,
    questions: int = QUESTIONS,
    clock: Callable[[], float] = time.perf_counter,
) -> list[Speed]:
    """The speed of each model, decoding the same held-out examples greedily, one at a time.

    After one round that is not timed, this takes about so many `seconds`. A round has so many
    `questions`, spread over the split.
    """
    count = min(questions, *(len(model.split) for model in models))
    asked = [_prompts(model, count) for model in models]
    rounds: list[list[float]] = []
    began = clock()
    while len(rounds) <= LEAST_ROUNDS or clock() - began < seconds:
        taken = [0.0] * len(models)
        for prompts in zip(*asked, strict=True):
            for place, (model, prompt) in enumerate(zip(models, prompts, strict=True)):
                ask_at_stage(model.lm, model.stage)
                before = clock()
                # The written tokens are fetched, so that the device is waited for.
                decode(model.lm, prompt, model.token_format.separators)
                taken[place] += clock() - before
        rounds.append(taken)
        if len(rounds) == 1:
            began = clock()
    return [Speed([taken[place] for taken in rounds[1:]], count) for place in range(len(asked))]


def _prompts(model: PreparedModel, count: int) -> list[Prefixes]:
    split, table = model.split, position_table(model.lm)
    index = np.linspace(0, len(split) - 1, count).astype(np.int64)
    examples = StagedExamples.of(model.token_format, split, index, model.stage, None, table)
    prompts = examples.prefixes(np.arange(count), np.zeros(count, dtype=np.int64))
    return [prompts.rows(np.array([row])) for row in range(count)]
