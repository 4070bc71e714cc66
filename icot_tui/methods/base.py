"""What a method decides; everything else is the loop's."""

import math
from typing import TYPE_CHECKING, Protocol

from icot_tui.config import CurriculumConfig
from icot_tui.curriculum.schedule import Schedule

if TYPE_CHECKING:
    from torch import nn
    from transformers import PreTrainedModel


class Method(Protocol):
    """A way of training: what is removed when, and which loss is minimised."""

    title: str

    def schedule(self, config: CurriculumConfig, steps_per_epoch: int) -> Schedule:
        """When tokens go."""
        ...

    def smoothing(self, config: CurriculumConfig) -> float:
        """Lambda of removal smoothing; inf is off."""
        ...

    def objective(self, lm: "PreTrainedModel") -> "nn.Module":
        """The module that is trained.

        Called with (ids, positions, states, targets), see `SupervisedLM.forward`, it returns the
        sum of the losses over the supervised tokens.
        """
        ...


class LanguageModelMethod:
    """The plain language-model loss on what is left of the chain of thought, and on the answer."""

    def smoothing(self, config: CurriculumConfig) -> float:
        """Off, unless the method removes tokens step by step."""
        return math.inf

    def objective(self, lm: "PreTrainedModel") -> "nn.Module":
        """Negative log-likelihood of everything after the first separator."""
        from icot_tui.models.supervised import SupervisedLM

        return SupervisedLM(lm)
