"""The published code's schedule of removal (arXiv 2405.14838)."""

import pytest

from icot_tui.config import CurriculumConfig
from icot_tui.curriculum.curriculum import Curriculum
from icot_tui.curriculum.schedule import ALL, build_schedule
from tests.golden.values import golden


@pytest.mark.parametrize("trace", golden("schedule"))
def test_schedule_trace(trace):
    """Every change of stage at its step, with or without a reset, and the stage at epochs' ends."""
    per_epoch, beyond = trace["steps_per_epoch"], trace["remove_all_when_remove_beyond"]
    config = CurriculumConfig(
        remove_per_epoch=trace["remove_per_epoch"],
        warmup_epochs=trace["pretrain_epochs"],
        first_stage=trace["remove_start_from"],
        remove_all_beyond=beyond,
    )
    schedule = build_schedule(config, per_epoch)
    # The published schedule goes on counting when nothing is left, so let it.
    curriculum = Curriculum(schedule, greatest_stage=ALL, resets_optimizer=trace["reset_optimizer"])
    changes, ends = [], []
    for step in range(per_epoch * trace["epochs"]):
        change = curriculum.begin_step()
        if change is not None:
            # Reaching the bound removes all at this very step.
            removed = beyond if change.after == ALL else change.after
            changes.append([step, removed, change.resets_optimizer])
        curriculum.end_step(batch_was_implicit=curriculum.stage >= trace["cot_tokens"])
        if (step + 1) % per_epoch == 0:
            ends.append("all" if curriculum.stage == ALL else curriculum.stage)
    assert changes == trace["changes"]
    assert ends == trace["tokens_removed_at_epoch_end"]
