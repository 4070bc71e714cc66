"""The learning rate as a pure function of where the run stands."""

from icot_tui.config import TrainConfig

FLOOR = 0.01
"""Share of the peak at which a decay ends."""


def learning_rate(
    config: TrainConfig, peak: float, steps_since_reset: int, remaining_steps: int | None
) -> float:
    """The rate of the step that begins now.

    Args:
        config: warm-up and decay.
        peak: the learning rate, as configured or as changed since.
        steps_since_reset: steps since the warm-up last began.
        remaining_steps: steps until the recipe's end; None while that is not known.
    """
    rate = peak
    if steps_since_reset < config.warmup_steps:
        rate *= (steps_since_reset + 1) / (config.warmup_steps + 1)
    if config.decay_steps and remaining_steps is not None:
        rate *= FLOOR + (1 - FLOOR) * min(1.0, remaining_steps / config.decay_steps)
    return rate
