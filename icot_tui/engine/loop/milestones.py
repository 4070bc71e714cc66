"""When a training evaluates, saves and ends, and its learning rate, as its config says."""

from dataclasses import dataclass

from icot_tui.config import RunConfig
from icot_tui.curriculum.curriculum import Curriculum
from icot_tui.curriculum.schedule import Fixed
from icot_tui.engine.loop.run_state import RunState
from icot_tui.formatting import short_percent

FLOOR = 0.01  # share of the peak at which the learning rate's decay ends


@dataclass(frozen=True)
class Milestones:
    """Pure functions of config, state and curriculum."""

    config: RunConfig
    steps_per_epoch: int

    def evaluation_due(self, state: RunState) -> bool:
        every = self.config.evaluation.every_steps or self.steps_per_epoch
        step = state.phase_steps
        return step > 0 and step % every == 0 and state.evaluated_step < state.step

    def checkpoint_due(self, state: RunState) -> bool:
        every = self.config.checkpoints.every_steps
        return every is not None and state.phase_steps > 0 and state.phase_steps % every == 0

    def learning_rate(self, state: RunState, curriculum: Curriculum) -> float:
        """The rate of the step that begins now: warm-up, and decay once the end is known."""
        train = self.config.train
        rate = state.learning_rate or train.learning_rate
        warmed_up = state.step - state.warmup_began
        if warmed_up < train.warmup_steps:
            rate *= (warmed_up + 1) / (train.warmup_steps + 1)
        remaining = self._remaining_steps(state, curriculum)
        if train.decay_steps and remaining is not None:
            rate *= FLOOR + (1 - FLOOR) * min(1.0, remaining / train.decay_steps)
        return rate

    def _remaining_steps(self, state: RunState, curriculum: Curriculum) -> int | None:
        """Steps until the end, as far as it is known now."""
        train, ends = self.config.train, []
        if train.max_steps is not None:
            ends.append(train.max_steps - state.phase_steps)
        if train.steps_after_removal is not None and curriculum.implicit:
            ends.append(train.steps_after_removal - curriculum.steps_at_stage)
        return min(ends, default=None)

    def reason_to_end(self, state: RunState, curriculum: Curriculum) -> str | None:
        """Why the training is complete, or None."""
        train, steps = self.config.train, state.phase_steps
        if train.max_steps is not None and steps >= train.max_steps:
            return f"{train.max_steps:,} steps are done"
        if train.epochs is not None and steps >= round(train.epochs * self.steps_per_epoch):
            return f"{train.epochs:g} epochs are done"
        after = train.steps_after_removal
        if after is not None and curriculum.implicit and curriculum.steps_at_stage >= after:
            return f"{after:,} steps since everything was removed are done"
        target, best = train.target_accuracy, state.best
        if target is not None and best.exact_match >= target:
            if isinstance(curriculum.schedule, Fixed):  # what is written is the method's matter
                return f"exact match reached {short_percent(best.exact_match)}"
            if best.implicit:
                return f"exact match reached {short_percent(best.exact_match)} with nothing written"
        return None
