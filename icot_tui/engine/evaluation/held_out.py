"""A checkpoint and held-out examples: in its own tokens, at its stage, in its layout."""

from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from icot_tui.config import DataConfig, EvaluationConfig
from icot_tui.curriculum.removal import TokenFormat
from icot_tui.curriculum.schedule import ALL
from icot_tui.data.encoded import EncodedSplit
from icot_tui.data.encoding import Encoder
from icot_tui.data.examples import Chunk, read_chunks
from icot_tui.data.splits import open_source
from icot_tui.engine.checkpoints.opened import OpenedCheckpoint
from icot_tui.engine.evaluation.evaluate import evaluate, position_table
from icot_tui.engine.evaluation.exact_match import EvaluationResult
from icot_tui.errors import UserError
from icot_tui.models.supervised import SupervisedLM

if TYPE_CHECKING:
    from transformers import PreTrainedModel


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
        return self.stage >= self.split.max_cot_tokens

    def evaluate(self, config: EvaluationConfig | None = None) -> EvaluationResult:
        """Exact match of its greedy answers, without samples.

        Raises:
            UserError: the tokenizer does not give `####` back.
        """
        config = (config or EvaluationConfig()).model_copy(update={"samples": 0})
        return evaluate(
            SupervisedLM(self.lm).eval(), self.split, self.stage, self.token_format, config
        )


def held_out_text(data: DataConfig, split: str, whose: str = "", limit: int | None = None) -> Chunk:
    """The lines of a held-out split, as many as wanted; `whose` is named in errors.

    Raises:
        UserError: the data's source is missing.
    """
    chunks = open_source(data).chunks(split)
    lines = b"".join(chunk.text for chunk in chunks).splitlines(keepends=True)
    of = f" of {whose}" if whose else ""
    return Chunk(b"".join(islice(lines, limit)), f"the {split} examples{of}", 1)


def examples_of(opened: OpenedCheckpoint, file: Path | None, limit: int | None = None) -> Chunk:
    """A file's lines, or the run's validation examples, as many as wanted.

    Raises:
        UserError: there is no such file, or neither a file nor a run to take them from.
    """
    if file is not None:
        return Chunk(b"".join(chunk.text for chunk in read_chunks(file, limit)), str(file), 1)
    if opened.data is None:
        raise UserError(f"{opened.path} lies in no run: name a file of examples with --data")
    return held_out_text(opened.data, "validation", opened.path.name, limit)


def prepare(
    opened: OpenedCheckpoint, stage: int | None, text: Chunk, device: torch.device | str
) -> PreparedModel:
    """The model and its examples.

    Args:
        opened: a checkpoint.
        stage: tokens removed; ALL: the whole chain of thought; None: as when it was saved.
        text: lines of examples.
        device: where the model goes.

    Raises:
        UserError: checkpoint and examples don't fit each other, or the stage is not known.
    """
    split = Encoder(opened.tokenizer).encode(text)
    if len(split) == 0:
        raise UserError(f"{text.source} has no examples")
    stage = _stage(opened, stage, split.max_cot_tokens)
    token_format = opened.token_format(stage)
    kept = 0 if token_format.plan.keep_positions else split.cot_lengths.clip(max=stage)
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
    """Tokens removed."""
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
    return opened.stage
