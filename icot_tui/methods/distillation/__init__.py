"""ICoT-KD (arXiv 2311.01460): a teacher's hidden states, emulated, and read by a student.

B rows, L blocks, H width. Teacher's and emulated states are [B, L, H]: one for each block. The
trainings follow one another, each with its own train section.
"""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

from pydantic import ValidationError

from icot_tui.config import Phase, RunConfig, TrainConfig
from icot_tui.methods.base import Method
from icot_tui.methods.distillation.config import PARTS, DistillationConfig, PhaseName

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from icot_tui.data.load import Data
    from icot_tui.engine.loop.run_state import RunState
    from icot_tui.engine.loop.training import RunContext, Training

TITLES: dict[PhaseName, str] = {
    "teacher": "the teacher learns to write its chain of thought",
    "student": "the student learns to answer from the teacher's hidden states",
    "emulator": "the emulator learns the teacher's hidden states from the question",
    "coupled": "emulator and student learn to answer together",
}
"""Every training in its order, and what happens in it."""
ENDS = ("epochs", "max_steps", "steps_after_removal", "target_accuracy")


def phases(config: RunConfig) -> list[Phase]:
    """The trainings of a run (only the teacher has dropout); a ValueError if they do not fit it."""
    return [_phase(config, name) for name in config.section(DistillationConfig).phases]


def _phase(config: RunConfig, name: PhaseName) -> Phase:
    changes: dict[str, object] = {"train": _train(config, name)}
    if name != "teacher":
        changes["model"] = config.model.model_copy(update={"dropout": 0.0})
    number = list(TITLES).index(name) + 1
    own = config.model_copy(update=changes)
    return Phase(config=own, name=name, number=number, title=TITLES[name])


def _train(config: RunConfig, name: PhaseName) -> TrainConfig:
    """The train section as it holds for one training."""
    own = getattr(config.section(DistillationConfig), name).model_dump(exclude_none=True)
    if any(end in own for end in ENDS):
        own = dict.fromkeys(ENDS) | own
    try:
        return TrainConfig.model_validate(config.train.model_dump() | own)
    except ValidationError as error:
        reason = error.errors()[0]["msg"].removeprefix("Value error, ")
        raise ValueError(f"distillation.{name}: {reason}") from error


def _check(config: RunConfig) -> None:
    for phase in phases(config):
        train = phase.config.train
        ends = train.epochs or train.max_steps or train.target_accuracy is not None
        if phase.name == "teacher" and not ends:
            raise ValueError(
                "the teacher would be trained for ever, because nothing is removed: set "
                "distillation.teacher.epochs, max_steps or target_accuracy"
            )


def _within_length(config: RunConfig, data: "Data") -> "Data":
    """The data without training examples that are too long for the teacher."""
    longest, train = config.data.max_length, data.train
    if longest is None or train.max_length <= longest:
        return data
    kept = train.only(train.lengths <= longest)
    warning = (
        f"{len(train) - len(kept):,} training examples are longer than {longest} tokens and "
        "left out of every training"
    )
    return replace(data, train=kept, warnings=[*data.warnings, warning])


def _training(context: "RunContext", phase: Phase, state: "RunState") -> "Training":
    from icot_tui.methods.distillation.trainings import Distiller

    return Distiller(context, phase, state).training()


def _open(folder: Path, tokenizer: "PreTrainedTokenizerBase") -> "PreTrainedModel":
    from icot_tui.methods.distillation.checkpoints import open_pair

    return cast("PreTrainedModel", open_pair(folder, tokenizer))  # it can be asked like one


METHOD = Method(
    name="distillation",
    title="ICoT-KD",
    description="implicit chain of thought by distillation (ICoT-KD, arXiv 2311.01460)",
    section=DistillationConfig,
    excludes=("train.compile", "model.gradient_checkpointing", "model.lora.rank"),
    check=_check,
    phases=phases,
    uses_curriculum=False,
    model="A thought emulator coupled with a student",
    plain_model=False,
    writes="`####` and the answer",
    panels={"removal": "trainings", "resets": "emulation errors"},
    promise="you will see the trainings of this run, one after another, and their results",
    training=_training,
    prepare=_within_length,
    marker=PARTS,
    open=_open,
    answer_only=True,
)
