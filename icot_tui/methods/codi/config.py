"""The section `[codi]`."""

from typing import Literal

from icot_tui.config.sections import Above, Section, ThoughtCount


class CodiConfig(Section):
    """Continuous thoughts in place of the whole chain, and how they are taught."""

    thoughts: ThoughtCount = 6
    """k: continuous thoughts before the answer."""
    projection: bool = True
    """A thought is an MLP's output for the hidden state before it; without, that state itself."""
    distance: Literal["smooth_l1", "l2"] = "smooth_l1"
    """Between the hidden states of student and teacher just before the answer."""
    divide_by_std: bool = True
    """Distances are divided by the standard deviation of the teacher's states."""
    distillation_weight: Above = 1.0
    """Of that distance in the loss; the student's own loss has 1."""
    teacher_weight: Above = 1.0
    """Of the teacher's loss on its chain and answer."""
