"""Every panel of the live screen, in the order of its number key."""

from icot_tui.tui.actions.table import PANEL_IDS
from icot_tui.tui.frame.panel import Panel
from icot_tui.tui.panels.accuracy import AccuracyPanel
from icot_tui.tui.panels.log import LogPanel
from icot_tui.tui.panels.loss import LossPanel
from icot_tui.tui.panels.machine import MachinePanel
from icot_tui.tui.panels.removal import RemovalPanel
from icot_tui.tui.panels.resets import ResetsPanel
from icot_tui.tui.panels.samples import SamplesPanel
from icot_tui.tui.panels.spikes import SpikesPanel

PANELS: tuple[type[Panel], ...] = (
    RemovalPanel, LossPanel, AccuracyPanel, SpikesPanel,
    ResetsPanel, SamplesPanel, MachinePanel, LogPanel,
)  # fmt: skip


def create_panels() -> list[Panel]:
    """One new panel of each kind."""
    return [make(id=name) for name, make in zip(PANEL_IDS, PANELS, strict=True)]
