"""What the panels are given at each redraw."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from icot_tui.engine.journal.summary import Status
    from icot_tui.watch.history import History
    from icot_tui.watch.machine import MachineReading
    from icot_tui.watch.source import Source

Axis = Literal["step", "time", "removed"]
"""What runs along the bottom of the charts."""
ENDED: "tuple[Status, ...]" = ("finished", "stopped", "dead")
"""Of a run that no trainer works on."""


@dataclass(frozen=True)
class Overlay:
    """Another run in the charts; `colour_index` counts from 0 to 7."""

    name: str
    source: "Source"
    colour_index: int


@dataclass(frozen=True, kw_only=True)
class RunView:
    """A moment of a run. Panels read what it refers to and change nothing.

    Attributes:
        source: where the news comes from: a live run, a dead one, a replay.
        now: the source's clock, in seconds since the epoch.
        status: what the run does.
        axis: what runs along the bottom of the charts.
        overlays: other runs to be drawn beside this one.
        machine: the last reading; None where the run is on another machine, or before the first.
        machine_history: all readings since the run is watched, oldest first.
        phase: what the engine does before it trains ("loading PyTorch"), None once it does.
        ascii: draw with ASCII characters only.
        study: how far the study is that the run belongs to, if one is watched.
    """

    source: "Source"
    now: float
    status: "Status"
    axis: Axis = "step"
    overlays: tuple[Overlay, ...] = ()
    machine: "MachineReading | None" = None
    machine_history: "Sequence[MachineReading]" = ()
    phase: str | None = None
    ascii: bool = False
    study: str = ""

    @property
    def history(self) -> "History":
        return self.source.history

    @cached_property
    def time_left(self) -> str:
        """Until the run ends, as a range; empty where nothing can be told. Once a redraw."""
        from icot_tui.watch.time_left import time_left  # slow: not for the first frame

        return time_left(self.history.summary) if self.status == "training" else ""

    @property
    def running(self) -> bool:
        """Is there a trainer that could carry out a command?"""
        return self.status not in ENDED
