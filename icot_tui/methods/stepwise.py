"""ICoT-SI, Stepwise Internalization (arXiv 2405.14838)."""

from icot_tui.config import CurriculumConfig
from icot_tui.curriculum.schedule import Schedule, build_schedule
from icot_tui.methods.base import LanguageModelMethod


class StepwiseInternalization(LanguageModelMethod):
    """The stage rises from 0 to m while finetuning goes on (section 3)."""

    title = "ICoT-SI"

    def schedule(self, config: CurriculumConfig, steps_per_epoch: int) -> Schedule:
        """Linear, gated by the loss, or a fixed list."""
        return build_schedule(config, steps_per_epoch)

    def smoothing(self, config: CurriculumConfig) -> float:
        """Removal smoothing's lambda, from the first step on."""
        return config.smoothing
