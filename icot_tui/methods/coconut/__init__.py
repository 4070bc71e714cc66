"""Coconut (arXiv 2412.06769): continuous thoughts take the place of whole steps, stage by stage.

At stage s the first s steps of each chain are gone, and c * s thoughts stand behind the question
(`models/latents.py`). At `curriculum.remove_all_beyond`, the published `max_latent_stage` + 1, the
steps that are left go at once, without more thoughts. Every row has as many, however few steps its
chain had (the published `pad_latent_to_max`): their number tells nothing about the solution.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from icot_tui.config import Phase, RunConfig
from icot_tui.config.sections import Fraction, Section, ThoughtCount
from icot_tui.formatting import count
from icot_tui.methods.base import Method
from icot_tui.methods.stepwise import removal_of

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from icot_tui.curriculum.removal import Batch
    from icot_tui.engine.loop.run_state import RunState
    from icot_tui.engine.loop.training import RunContext, Training
    from icot_tui.engine.loop.update import Update
    from icot_tui.models.wrapped import WrappedLM

MARKS = "coconut/marks.safetensors"


class CoconutConfig(Section):
    """Continuous thoughts in place of the removed steps."""

    thoughts_per_step: ThoughtCount = 2
    """c: continuous thoughts for each removed step."""
    uniform_prob: Fraction = 0.0
    """Share of each batch at a stage drawn evenly from 0 to all steps of its own chain."""


@dataclass(frozen=True)
class Thoughts:
    """How many there are: `per_step` for each removed step, up to so many steps."""

    per_step: int
    steps: int

    @classmethod
    def of(cls, config: RunConfig, greatest_stage: int) -> "Thoughts":
        """As a config says, with chains of at most so many steps."""
        beyond = config.curriculum.remove_all_beyond or greatest_stage + 1
        per_step = config.section(CoconutConfig).thoughts_per_step
        return cls(per_step, min(beyond - 1, greatest_stage))

    def at(self, stage: int) -> int:
        """Thoughts of every row at a stage."""
        return self.per_step * min(stage, self.steps)

    def added_to(self, lm: "PreTrainedModel", separator_id: int) -> "WrappedLM":
        """A language model that has them."""
        from icot_tui.models.latent_lm import latent_lm

        return latent_lm(lm, separator_id, self.at, self.at(self.steps))


def _open(folder: Path, tokenizer: "PreTrainedTokenizerBase") -> "PreTrainedModel":
    from icot_tui.data.tokenizing import separators
    from icot_tui.engine.checkpoints.description import needed_description
    from icot_tui.engine.checkpoints.weights import ExtendedWeights
    from icot_tui.models.loading import load_pretrained

    about = needed_description(folder)
    thoughts = Thoughts.of(about.run_config(), about.greatest_stage)
    lm = thoughts.added_to(load_pretrained(str(folder)), separators(tokenizer).question)
    ExtendedWeights(lm, MARKS).read_others(folder)
    return cast("PreTrainedModel", lm)  # it can be asked like one


def _training(context: "RunContext", phase: Phase, state: "RunState") -> "Training":
    from icot_tui.curriculum.removal import RemovalPlan
    from icot_tui.data.tokenizing import separators
    from icot_tui.engine.checkpoints.weights import ExtendedWeights
    from icot_tui.engine.loop.training import language_model_training, new_model
    from icot_tui.methods.coconut.stages import LatentStages
    from icot_tui.models.latents import MARKS as MARK_POSITIONS

    config, train = phase.config, context.data.train
    thoughts = Thoughts.of(config, RemovalPlan(unit="step").greatest_stage(train))
    assert train.steps is not None, "the greatest stage is known"
    plain = new_model(context, phase, thoughts.at(thoughts.steps) + MARK_POSITIONS)
    lm = thoughts.added_to(plain, separators(context.data.tokenizer).question)
    schedule, smoothing = removal_of(context, config)
    training = language_model_training(
        context,
        phase,
        schedule,
        LatentStages(
            smoothing,
            config.section(CoconutConfig).uniform_prob,
            config.seed,
            train.steps.counts,
            thoughts.steps,
        ),
        cast("PreTrainedModel", lm),
        lambda trained: ExtendedWeights(trained, MARKS),
    )
    return replace(training, feed=lambda update, batch: _feed(thoughts, update, batch))


def _feed(thoughts: Thoughts, update: "Update", batch: "Batch") -> tuple[Any, ...]:
    """The language model's arguments, and how many thoughts each row has."""
    from icot_tui.models.latents import ThoughtCounts

    counts = thoughts.per_step * batch.scheduled.clip(max=thoughts.steps)
    even = bool((counts == counts[0]).all())
    prompts = int(batch.prompt_lengths.min()), int(batch.prompt_lengths.max())
    told = ThoughtCounts(int(counts.max()), None if even else update.send(counts), prompts)
    return *update.tensors(batch), {"thoughts": told}


def _in_place(config: RunConfig, stage: int, greatest: int) -> str:
    return count(Thoughts.of(config, greatest).at(stage), "thought")


def _check(config: RunConfig) -> None:
    if config.curriculum.unit != "step":
        raise ValueError('coconut replaces whole steps: set curriculum.unit = "step"')
    if config.curriculum.side != "left":
        raise ValueError('coconut replaces the first steps: leave curriculum.side at "left"')


_TEXT = "Thoughts that are no words stand where steps were; what is left of them is still written."
METHOD = Method(
    name="coconut",
    title="Coconut",
    description="continuous thoughts in place of removed steps (Coconut, arXiv 2412.06769)",
    section=CoconutConfig,
    excludes=(
        "curriculum.keep_positions",
        *("train.compile", "model.gradient_checkpointing", "model.lora.rank"),
    ),
    check=_check,
    removes_tokens=True,
    in_place=_in_place,
    model="A language model with continuous thoughts",
    plain_model=False,
    promise="you will see steps of the chain of thought give way to continuous thoughts",
    texts=(_TEXT, "thoughts in place of steps"),
    shardable=False,
    training=_training,
    marker=MARKS,
    open=_open,
)
