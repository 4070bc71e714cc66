"""How the run of a checkpoint removed tokens."""

from icot_tui.config import method_of
from icot_tui.curriculum.removal import RemovalPlan
from icot_tui.engine.checkpoints.checkpoint import OpenedCheckpoint
from icot_tui.engine.journal.events import RunStarted
from icot_tui.engine.journal.journal import JournalReader
from icot_tui.engine.run_folder import RunFolder


def removal_plan(opened: OpenedCheckpoint) -> RemovalPlan:
    """The layout, and the side and the positions of the checkpoint's run, if it has any."""
    config = opened.config
    if config is None or not method_of(config).uses_curriculum:
        return RemovalPlan(answer_only=opened.answer_only)
    side, longest = config.curriculum.side, 0
    if side == "random":  # the order was drawn for the longest training example
        longest = max_cot_tokens(RunFolder(opened.path.parent.parent)) or _longest_chain(opened)
    return RemovalPlan.seeded(side, config.curriculum.keep_positions, longest, config.seed)


def max_cot_tokens(run: RunFolder) -> int | None:
    """Tokens of the run's longest chain of thought, as its journal has it."""
    events = JournalReader(run.journal).events()
    return next((e.max_cot_tokens for _, e in events if isinstance(e, RunStarted)), None)


def _longest_chain(opened: OpenedCheckpoint) -> int:
    from icot_tui.data.load import load_data

    assert opened.config is not None
    return load_data(opened.config.data).train.max_cot_tokens
