"""Puts a checkpoint before held-out examples: in its own tokens, at its stage, in its layout."""

from itertools import islice
from pathlib import Path

import torch

from icot_tui.config import DataConfig, EvaluationConfig
from icot_tui.curriculum.removal import RemovalPlan
from icot_tui.curriculum.schedule import ALL
from icot_tui.data.chunks import Chunk, read_chunks
from icot_tui.data.encoding import Encoder
from icot_tui.data.load import load_data
from icot_tui.data.splits import open_source
from icot_tui.engine.checkpoints.checkpoint import OpenedCheckpoint
from icot_tui.engine.evaluation.evaluate import evaluate
from icot_tui.engine.evaluation.exact_match import Evaluation
from icot_tui.engine.evaluation.speed import Contestant
from icot_tui.errors import UserError
from icot_tui.models.supervised import SupervisedLM


def held_out_text(data: DataConfig, split: str, whose: str = "", limit: int | None = None) -> Chunk:
    """The lines of a held-out split, as many as wanted; `whose` is named in errors.

    Raises:
        UserError: they can't be had.
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
    if opened.config is None:
        raise UserError(f"{opened.path} belongs to no run: name a file of examples with --data")
    return held_out_text(opened.config.data, "validation", opened.config.name, limit)


def prepare(
    opened: OpenedCheckpoint, stage: int | None, text: Chunk, device: torch.device | str
) -> Contestant:
    """The model and its examples.

    Args:
        opened: a checkpoint.
        stage: tokens removed; ALL: the whole chain of thought; None: as when it was saved.
        text: lines of examples.
        device: where the model goes.

    Raises:
        UserError: checkpoint and examples don't fit each other, or the stage is not known.
    """
    if opened.tokenizer.eos_token_id is None:
        raise UserError(f"the tokenizer of {opened.path} has no end-of-text token")
    split = Encoder(opened.tokenizer).encode(text)
    if len(split) == 0:
        raise UserError(f"{text.source} has no examples")
    stage = _stage(opened, stage, split.max_cot_tokens)
    plan = removal_plan(opened)
    left = split.lengths - (0 if plan.keep_positions else split.cot_lengths.clip(max=stage))
    table = getattr(opened.model.config, "max_position_embeddings", None)
    if table is not None and left.max() > table:
        raise UserError(
            f"{opened.path}: the longest of {text.source} needs {left.max()} positions, but the "
            f"model has {table}"
        )
    if int(split.tokens.max()) >= opened.model.get_input_embeddings().weight.shape[0]:
        raise UserError(f"the tokenizer in {opened.path} has more tokens than the model")
    lm = opened.model.to(device).eval()
    return Contestant(lm, split, stage, plan, int(opened.tokenizer.eos_token_id))


def _stage(opened: OpenedCheckpoint, wanted: int | None, longest: int) -> int:
    """Tokens removed."""
    if opened.answer_only:
        if wanted not in (None, ALL):
            raise UserError(f"{opened.path} never writes a thought: leave --stage out")
        return longest
    if wanted is not None:
        return longest if wanted == ALL else wanted
    if opened.state is None:
        raise UserError(
            f"{opened.path} has no training state: give the number of removed tokens with --stage "
            "(0 writes the whole chain of thought)"
        )
    return int(opened.state["curriculum"]["stage"])


def removal_plan(opened: OpenedCheckpoint) -> RemovalPlan:
    """The layout, and the side and the positions of the run, if it belongs to one."""
    if opened.config is None or opened.config.method.name == "distillation":
        return RemovalPlan(answer_only=opened.answer_only)
    curriculum, longest = opened.config.curriculum, 0
    if curriculum.side == "random":  # the order was drawn for the longest training example
        longest = load_data(opened.config.data).train.max_cot_tokens
    seed = opened.config.seed
    return RemovalPlan.seeded(curriculum.side, curriculum.keep_positions, longest, seed)


def answer(
    opened: OpenedCheckpoint, contestant: Contestant, device: torch.device | str
) -> Evaluation:
    """Exact match of its greedy answers.

    Raises:
        UserError: the tokenizer does not give `####` back.
    """
    config = EvaluationConfig() if opened.config is None else opened.config.evaluation
    return evaluate(
        SupervisedLM(contestant.lm).eval(),
        contestant.split,
        contestant.stage,
        contestant.plan,
        opened.tokenizer,
        contestant.separator_id,
        config.model_copy(update={"samples": 0}),
        device,
    )
