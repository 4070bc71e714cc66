"""Asks checkpoints: exact match on examples, and speed beside a No-CoT model (needs torch)."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers.utils import logging

from icot_tui.config import DataConfig, EvaluationConfig, RunConfig
from icot_tui.curriculum.removal import RemovalPlan
from icot_tui.data.chunks import Chunk
from icot_tui.data.encoding import Encoder
from icot_tui.data.load import load_data
from icot_tui.data.splits import open_source
from icot_tui.engine.checkpoint import OpenedCheckpoint, open_checkpoint
from icot_tui.engine.evaluation import evaluate
from icot_tui.engine.speed import Contestant, measure_speed
from icot_tui.errors import UserError
from icot_tui.models.supervised import SupervisedLM
from icot_tui.studies.plan import merged

SPEED_SECONDS = float(os.environ.get("ICOT_TUI_SPEED_SECONDS", "5"))
"""How long two models are timed side by side, about."""


@dataclass(frozen=True)
class Answered:
    """How right a checkpoint is; `token_accuracy` is a mean over the answer's tokens."""

    exact_match: float
    low: float
    high: float
    examples: int
    token_accuracy: float
    split: str


@dataclass(frozen=True)
class Timed:
    """Examples per second at batch size 1, and how many times as fast as the No-CoT model."""

    examples_per_second: float
    ratio: float | None


def ask(checkpoint: Path, everything: bool, other: dict[str, Any] | None = None) -> Answered:
    """Exact match on a run's test split, or on its held-out examples where it has none.

    Args:
        checkpoint: of a run.
        everything: nothing of a chain of thought is to be written, however long it is.
        other: changes to the run's data section: its held-out examples are asked instead.

    Raises:
        UserError: the model can't read the examples.
    """
    opened, config = _open(checkpoint)
    data, split = config.data, "test" if config.data.test_examples else "validation"
    if other:
        own = data.model_dump(exclude_unset=True) | {"test_examples": 0, "train_examples": 1}
        if "task" in other:
            own.pop("options", None)  # they are the other task's
        data, split = DataConfig.model_validate(merged(own, other)), "validation"
    device = _device(config)
    one = _contestant(opened, config, everything, _text(data, split), device)
    shown = EvaluationConfig(batch_size=config.evaluation.batch_size, samples=0)
    result = evaluate(
        SupervisedLM(one.lm).eval(),
        one.split,
        one.stage,
        one.plan,
        opened.tokenizer,
        one.separator_id,
        shown,
        device,
    )
    shares = result.token_accuracy[:-1]
    mean = sum(shares) / max(len(shares), 1)
    return Answered(result.exact_match, result.low, result.high, result.examples, mean, split)


def time_it(checkpoint: Path, everything: bool, baseline: Path | None) -> Timed:
    """The speed of a checkpoint, side by side with a No-CoT model's on the same questions.

    On a CPU, of one thread.

    Raises:
        UserError: a model can't read the examples.
    """
    opened, config = _open(checkpoint)
    device = _device(config)
    text = _text(config.data, "test" if config.data.test_examples else "validation")
    models = [_contestant(opened, config, everything, text, device)]
    if baseline is not None and baseline != checkpoint:
        models.append(_contestant(*_open(baseline), True, text, device))
    with _one_thread():
        speeds = measure_speed(models, device, SPEED_SECONDS)
    ratio = None if baseline is None else 1.0
    return Timed(
        speeds[0].examples_per_second, speeds[0].ratio(speeds[1]) if len(speeds) > 1 else ratio
    )


@contextmanager
def _one_thread() -> Iterator[None]:
    """One CPU thread: one example at a time has no work for more, and they wait for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _open(checkpoint: Path) -> tuple[OpenedCheckpoint, RunConfig]:
    logging.disable_progress_bar()
    logging.set_verbosity_error()
    opened = open_checkpoint(checkpoint)
    assert opened.config is not None, "checkpoints of studies belong to runs"
    if opened.config.train.threads:
        torch.set_num_threads(opened.config.train.threads)
    return opened, opened.config


def _device(config: RunConfig) -> str:
    wanted = config.train.device
    if wanted == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    return wanted


def _text(data: DataConfig, split: str) -> Chunk:
    lines = b"".join(chunk.text for chunk in open_source(data).chunks(split))
    return Chunk(lines, f"the {split} examples", 1)


def _contestant(
    opened: OpenedCheckpoint, config: RunConfig, everything: bool, text: Chunk, device: str
) -> Contestant:
    """The examples in the checkpoint's own tokens, at its stage or with everything removed."""
    split = Encoder(opened.tokenizer).encode(text)
    assert opened.state is not None, "checkpoints of runs have their state"
    stage = int(opened.state["curriculum"]["stage"])
    if everything:
        stage = split.max_cot_tokens
    plan = _plan(opened, config)
    left = split.lengths - (0 if plan.keep_positions else split.cot_lengths.clip(max=stage))
    table = getattr(opened.model.config, "max_position_embeddings", None)
    if table is not None and left.max(initial=0) > table:
        raise UserError(
            f"the longest example needs {left.max()} positions, but the model has {table}"
        )
    if int(split.tokens.max()) >= opened.model.get_input_embeddings().weight.shape[0]:
        raise UserError("the examples have symbols that the model does not know")
    lm = opened.model.to(device).eval()
    separator = opened.tokenizer.eos_token_id
    assert separator is not None, "runs refuse tokenizers without one"
    return Contestant(lm, split, stage, plan, int(separator))


def _plan(opened: OpenedCheckpoint, config: RunConfig) -> RemovalPlan:
    if config.method.name == "distillation":
        return RemovalPlan(answer_only=opened.answer_only)
    curriculum, longest = config.curriculum, 0
    if curriculum.side == "random":  # the order was drawn for the longest training example
        longest = load_data(config.data).train.max_cot_tokens
    return RemovalPlan.seeded(curriculum.side, curriculum.keep_positions, longest, config.seed)
