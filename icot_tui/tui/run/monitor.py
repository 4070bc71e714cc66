"""The run that is shown, those beside it, and the machine: what each redraw is made from."""

import socket
import time
from pathlib import Path

from icot_tui.engine.run_folder import RunFolder
from icot_tui.tui.run.study_rotation import StudyRotation
from icot_tui.tui.run.view import ENDED, Axis, RunView
from icot_tui.tui.session.training_thread import TrainingThread
from icot_tui.watch.alerts import Alert, AlertRules
from icot_tui.watch.machine import MachineReading, MachineSampler
from icot_tui.watch.overlays import Overlay, Overlays
from icot_tui.watch.replay import Replay
from icot_tui.watch.source import RunFollower, Source

MACHINE_SECONDS = 2.0
"""Between two readings of the machine."""
READING_SECONDS = 0.05
"""Of journal a redraw, so that keys are answered while a long one is read."""


class RunMonitor:
    """Reads what is new of the runs on show and makes the view.

    Attributes:
        source: the run on show; None until one is chosen.
        axis: what runs along the bottom of the charts.
        view: the last one; None before the first.
    """

    def __init__(
        self,
        engine: TrainingThread | None,
        source: Source | None,
        ascii: bool,
        axis: Axis,
        study: StudyRotation | None = None,
    ) -> None:
        self.source = source
        self.axis: Axis = axis
        self.view: RunView | None = None
        self._engine = engine
        self._study = study
        self._ascii = ascii
        self._known: dict[Path, Source] = {}
        self._overlays = Overlays(self._source_of)
        self._sampler = MachineSampler()
        self._machine: MachineReading | None = None
        self._machine_due = 0.0
        self._rules = AlertRules()
        if engine is not None and source is None:
            self.open(engine.folder)
        elif source is not None:
            self._known[source.folder.path] = source
        elif study is not None:
            study.update(self)

    def open(self, folder: RunFolder) -> None:
        """Show this run; one that was shown before is there at once."""
        self.source = self._source_of(folder)
        self._overlays.remove(folder)
        self._rules = AlertRules()

    def _source_of(self, folder: RunFolder) -> Source:
        source = self._known.get(folder.path)
        if source is None:
            source = self._known[folder.path] = RunFollower(folder)
        return source

    @property
    def overlays(self) -> tuple[Overlay, ...]:
        """The runs that are drawn beside the one on show."""
        return self._overlays.all

    def is_overlaid(self, folder: RunFolder) -> bool:
        """Is this run drawn beside the one on show?"""
        return any(each.source.folder.path == folder.path for each in self.overlays)

    def toggle_overlay(self, folder: RunFolder, name: str = "") -> None:
        """Draw a run beside the one on show, under its own name or another; or no longer."""
        if self.is_overlaid(folder):
            self._overlays.remove(folder)
        elif self.source is None or self.source.folder.path != folder.path:
            self._overlays.add(folder, name)

    @property
    def engine(self) -> TrainingThread | None:
        """The engine of this process, if it trains the run on show."""
        engine, source = self._engine, self.source
        if engine is None or source is None or source.folder.path != engine.folder.path:
            return None
        return engine

    @property
    def replay(self) -> Replay | None:
        """The run on show, if it is a replay."""
        return self.source if isinstance(self.source, Replay) else None

    def refresh(self) -> RunView | None:
        """Read what is new and make the view; None while no run is chosen."""
        if self._study is not None:
            self._study.update(self)
        source = self.source
        if source is None:
            return None
        source.poll(READING_SECONDS)
        self._overlays.poll(READING_SECONDS)
        now = source.now()
        status = source.status(now)
        self._read_machine(source, status not in ENDED)
        self.view = RunView(
            source=source,
            now=now,
            status=status,
            axis=self.axis,
            overlays=self.overlays,
            machine=self._machine,
            phase=None if self.engine is None else self.engine.startup_phase,
            ascii=self._ascii,
            study="" if self._study is None else self._study.progress,
        )
        return self.view

    def alerts(self, view: RunView) -> list[Alert]:
        """What the user should know, each once."""
        return self._rules.look(view.source, self._machine, view.now)

    def _read_machine(self, source: Source, running: bool) -> None:
        """Read this machine, if the run is on it."""
        now = time.monotonic()
        if now < self._machine_due:
            return
        self._machine_due = now + MACHINE_SECONDS
        here = running and self.replay is None and is_here(source.folder)
        self._machine = self._sampler.read() if self.engine is not None or here else None


def is_here(folder: RunFolder) -> bool:
    """Does the trainer of this run work on this machine?"""
    holder = folder.holder()
    return holder is None or holder.endswith(f" on {socket.gethostname()}")
