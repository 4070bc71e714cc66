"""Explicit CoT: the baseline that writes every step."""

from icot_tui.config import CurriculumConfig
from icot_tui.curriculum.schedule import Fixed, Schedule
from icot_tui.methods.base import LanguageModelMethod


class ExplicitCoT(LanguageModelMethod):
    """Stage 0 for ever: the model writes its chain of thought, then the answer."""

    title = "Explicit CoT"

    def schedule(self, config: CurriculumConfig, steps_per_epoch: int) -> Schedule:
        """Nothing is removed."""
        return Fixed(0)
