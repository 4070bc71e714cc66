"""No CoT: the baseline that never sees a step."""

from icot_tui.config import CurriculumConfig
from icot_tui.curriculum.schedule import ALL, Fixed, Schedule
from icot_tui.methods.base import LanguageModelMethod


class NoCoT(LanguageModelMethod):
    """Stage m from the first step on: straight from the input to the answer."""

    title = "No CoT"

    def schedule(self, config: CurriculumConfig, steps_per_epoch: int) -> Schedule:
        """Everything is removed."""
        return Fixed(ALL)
