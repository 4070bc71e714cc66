"""CODI (arXiv 2502.21074): continuous thoughts that a model learns by distillation from itself.

The student reads ` {x} SEP START t_1 .. t_k END SEP #### {y} SEP` (`models/latents.py`); a thought
is the projection of the hidden state before it. The same weights, as the teacher, read the whole
example. Both are trained at once, from the first step on; there are no stages.
"""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from icot_tui.config import Phase, RunConfig
from icot_tui.curriculum.schedule import ALL, Fixed
from icot_tui.errors import UserError
from icot_tui.formatting import count
from icot_tui.methods.base import Method
from icot_tui.methods.codi.config import CodiConfig

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from icot_tui.curriculum.removal import Batch, Ints
    from icot_tui.engine.loop.run_state import RunState
    from icot_tui.engine.loop.training import RunContext, Training
    from icot_tui.engine.loop.update import Update
    from icot_tui.models.wrapped import WrappedLM

PARTS = "codi/parts.safetensors"


def codi_lm(lm: "PreTrainedModel", config: CodiConfig, separator_id: int) -> "WrappedLM":
    """A language model with k projected thoughts at any stage."""
    from torch import nn

    from icot_tui.models.latent_lm import latent_lm

    width = lm.get_input_embeddings().weight.shape[1]
    parts: dict[str, nn.Module] = {}
    if config.projection:
        layers = (nn.Linear(width, width), nn.GELU(), nn.Linear(width, width), nn.LayerNorm(width))
        parts["project"] = nn.Sequential(*layers).to(lm.dtype)
    return latent_lm(lm, separator_id, lambda stage: config.thoughts, config.thoughts, parts)


def _open(folder: Path, tokenizer: "PreTrainedTokenizerBase") -> "PreTrainedModel":
    from icot_tui.data.tokenizing import separators
    from icot_tui.engine.checkpoints.description import needed_description
    from icot_tui.engine.checkpoints.weights import ExtendedWeights
    from icot_tui.models.loading import load_pretrained

    about = needed_description(folder)
    config = about.run_config().section(CodiConfig)
    lm = codi_lm(load_pretrained(str(folder)), config, separators(tokenizer).question)
    ExtendedWeights(lm, PARTS).read_others(folder)
    return cast("PreTrainedModel", lm)  # it can be asked like one


def _training(context: "RunContext", phase: Phase, state: "RunState") -> "Training":
    import numpy as np
    import torch

    from icot_tui.curriculum.removal import TokenFormat
    from icot_tui.data.tokenizing import separators
    from icot_tui.engine.checkpoints.weights import ExtendedWeights
    from icot_tui.engine.evaluation.answers import AnswerReader
    from icot_tui.engine.evaluation.evaluate import mark_lengths
    from icot_tui.engine.evaluation.staged_examples import StagedExamples
    from icot_tui.engine.loop.training import language_model_training, new_model, positions_needed
    from icot_tui.methods.codi.objective import SelfDistillation
    from icot_tui.models.latents import MARKS

    config, data = phase.config, context.data
    section = config.section(CodiConfig)
    # The teacher reads chains that data.max_length, which is of the student's rows, lets through.
    longer = data.train.max_length - positions_needed(config, data)
    plain = new_model(context, phase, max(longer, section.thoughts + MARKS))
    torch.manual_seed(config.seed)
    lm = codi_lm(plain, section, separators(data.tokenizer).question)
    training = language_model_training(
        context,
        phase,
        Fixed(ALL),
        lm=cast("PreTrainedModel", lm),
        saved=lambda trained: ExtendedWeights(trained, PARTS),
    )
    objective = SelfDistillation(lm, section)
    if not objective.head_is_separable:
        raise UserError("codi needs a model whose output layer does nothing but multiply")
    token_format = TokenFormat(data.tokenizer, data.separator_id, training.plan)
    every = np.arange(len(data.train))
    examples = StagedExamples.of(token_format, data.train, every, 0, None, None)
    marks = mark_lengths(examples, AnswerReader(token_format))

    def feed(update: "Update", batch: "Batch") -> tuple[Any, ...]:
        return _feed(training, marks, update, batch)

    return replace(
        training, objective=objective, feed=feed, per_row=True, unit="sum of three losses"
    )


def _feed(training: "Training", marks: "Ints", update: "Update", batch: "Batch") -> tuple[Any, ...]:
    """The student's arguments, and its lesson; `marks` [N] are the tokens of each `####`."""
    from icot_tui.curriculum.removal import remove
    from icot_tui.methods.codi.objective import Lesson
    from icot_tui.models.latents import ThoughtCounts

    config, separator = training.config.section(CodiConfig), update.padding.separator_id
    index = batch.index.clip(min=0)
    whole = remove(training.train, index, 0, training.plan, separator)
    prompts, mark = batch.prompt_lengths, marks[index]
    ids, _, states, targets = update.tensors(whole)
    lesson = Lesson(
        ids=ids,
        states=states,
        targets=targets,
        teacher_at=update.send(whole.prompt_lengths + whole.cot_lengths + mark),
        student_at=update.send(prompts + batch.cot_lengths + mark),
        rows=int((batch.index >= 0).sum()),
    )
    counts = ThoughtCounts(config.thoughts, None, (int(prompts.min()), int(prompts.max())))
    return *update.tensors(batch), {"thoughts": counts}, lesson


def _in_place(config: RunConfig, stage: int, greatest: int) -> str:
    return count(config.section(CodiConfig).thoughts, "thought")


_TEXT = "The student thinks in continuous thoughts and writes the answer alone."
_TEACHER = "The same weights, as its teacher, read the whole chain of thought."
METHOD = Method(
    name="codi",
    title="CODI",
    description="continuous thoughts by self-distillation (CODI, arXiv 2502.21074)",
    section=CodiConfig,
    excludes=(
        "curriculum.keep_positions",
        *("train.compile", "model.gradient_checkpointing", "model.lora.rank"),
    ),
    model="A language model with continuous thoughts",
    plain_model=False,
    promise="you will read what continuous thoughts are",
    texts=(f"{_TEXT} {_TEACHER}", _TEXT, "continuous thoughts, no steps"),
    in_place=_in_place,
    shardable=False,
    training=_training,
    marker=PARTS,
    open=_open,
)
