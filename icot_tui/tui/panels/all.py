"""Every panel of the live screen, in the order of its number key."""

from icot_tui.tui.actions.table import PANEL_IDS
from icot_tui.tui.frame.panel import Panel
from icot_tui.tui.panels.accuracy import Accuracy
from icot_tui.tui.panels.log import Log
from icot_tui.tui.panels.loss import Loss
from icot_tui.tui.panels.machine import Machine
from icot_tui.tui.panels.removal import Removal
from icot_tui.tui.panels.resets import Resets
from icot_tui.tui.panels.samples import Samples
from icot_tui.tui.panels.spikes import Spikes

PANELS: tuple[type[Panel], ...] = (
    Removal, Loss, Accuracy, Spikes, Resets, Samples, Machine, Log,
)  # fmt: skip


def one_of_each() -> list[Panel]:
    """All panels, new."""
    return [make(id=name) for name, make in zip(PANEL_IDS, PANELS, strict=True)]
