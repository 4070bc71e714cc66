"""ICoT-KD as a method: several trainings, one after another, each with its own config."""

from icot_tui.config import CurriculumConfig, DistillationConfig, Phase, RunConfig
from icot_tui.curriculum.schedule import Fixed, Schedule
from icot_tui.methods.base import LanguageModelMethod

PHASES: dict[Phase, str] = {
    "teacher": "the teacher learns to write its chain of thought",
    "student": "the student learns to answer from the teacher's thoughts",
    "emulator": "the emulator learns the teacher's thoughts from the question",
    "coupled": "emulator and student learn to answer together",
}
"""Every training in its order, and what happens in it."""


class Distillation(LanguageModelMethod):
    """Teacher, mind-reading student, thought emulator, and the last two coupled (section 5)."""

    title = "ICoT-KD"

    def schedule(self, config: CurriculumConfig, steps_per_epoch: int) -> Schedule:
        """The teacher's: nothing is removed."""
        return Fixed(0)


def distillation_config(config: RunConfig) -> DistillationConfig:
    """The section of a run that distils."""
    assert config.distillation is not None, "the method brings its section along"
    return config.distillation


def phase_config(config: RunConfig, phase: Phase) -> RunConfig:
    """The run's config as it holds for one training; only the teacher has dropout."""
    changes: dict[str, object] = {"train": config.train_of(phase)}
    if phase != "teacher":
        changes["model"] = config.model.model_copy(update={"dropout": 0.0})
    return config.model_copy(update=changes)
