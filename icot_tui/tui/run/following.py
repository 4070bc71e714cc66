"""The run that is shown, those beside it, and the machine: what each redraw is made from."""

import socket
import time
from pathlib import Path

from icot_tui.engine.run_folder import RunFolder
from icot_tui.tui.run.study_rotation import Trials
from icot_tui.tui.run.view import Axis, RunView
from icot_tui.tui.session.training_thread import TrainingThread
from icot_tui.watch.alerts import Alert, AlertRules
from icot_tui.watch.machine import MachineReading, MachineSampler
from icot_tui.watch.overlays import Overlay, Overlays
from icot_tui.watch.replay import Replay
from icot_tui.watch.source import RunFollower, Source

MACHINE_SECONDS = 2.0
"""Between two looks at the machine."""
READING_SECONDS = 0.05
"""Of journal a redraw, so that keys are answered while a long one is read."""


class Following:
    """Polls the news and makes the view.

    Attributes:
        source: the run on show; None until one is chosen.
        axis: what runs along the bottom of the charts.
        trials: chooses the runs on show, when they are a study's.
    """

    def __init__(
        self,
        engine: TrainingThread | None,
        source: Source | None,
        ascii: bool,
        axis: Axis,
        trials: Trials | None = None,
    ) -> None:
        self.engine = engine
        self.source = source
        self.axis: Axis = axis
        self.trials = trials
        self._ascii = ascii
        self._known: dict[Path, Source] = {}
        self._overlays = Overlays(self._source)
        self._sampler = MachineSampler()
        self._machine: MachineReading | None = None
        self._machine_at = 0.0
        self._rules = AlertRules()
        if engine is not None and source is None:
            self.open(engine.folder)
        elif source is not None:
            self._known[source.folder.path] = source
        elif trials is not None:
            trials.look(self)

    def open(self, folder: RunFolder) -> None:
        """Show this run; one that was shown before is there at once."""
        self.source = self._source(folder)
        self._overlays.remove(folder)
        self._rules = AlertRules()

    @property
    def overlays(self) -> tuple[Overlay, ...]:
        """The runs that are drawn beside the one on show."""
        return self._overlays.all

    def _source(self, folder: RunFolder) -> Source:
        source = self._known.get(folder.path)
        if source is None:
            source = self._known[folder.path] = RunFollower(folder)
        return source

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
    def own(self) -> bool:
        """Is the run on show trained in this process?"""
        engine, source = self.engine, self.source
        return (
            engine is not None and source is not None and source.folder.path == engine.folder.path
        )

    @property
    def replaying(self) -> bool:
        """Is it a replay?"""
        return isinstance(self.source, Replay)

    def view(self) -> RunView | None:
        """Read what is new and take it all together; None while no run is chosen."""
        if self.trials is not None:
            self.trials.look(self)
        source = self.source
        if source is None:
            return None
        source.poll(READING_SECONDS)
        self._overlays.poll(READING_SECONDS)
        now = source.now()
        status = source.status(now)
        self._look_at_machine(source, running=status not in ("finished", "stopped", "dead"))
        return RunView(
            source=source,
            now=now,
            status=status,
            axis=self.axis,
            overlays=self.overlays,
            machine=self._machine,
            phase=self.engine.startup_phase if self.own and self.engine is not None else None,
            ascii=self._ascii,
            study="" if self.trials is None else self.trials.words,
        )

    def alerts(self, view: RunView) -> list[Alert]:
        """What needs a look, each told once."""
        return self._rules.look(view.source, self._machine, view.now)

    def _look_at_machine(self, source: Source, running: bool) -> None:
        """The reading of this machine, if the run is on it."""
        now = time.monotonic()
        if now < self._machine_at:
            return
        self._machine_at = now + MACHINE_SECONDS
        here = self.own or (running and not self.replaying and is_here(source.folder))
        self._machine = self._sampler.read() if here else None


def is_here(folder: RunFolder) -> bool:
    """Does the trainer of this run work on this machine?"""
    holder = folder.holder()
    return holder is None or holder.endswith(f" on {socket.gethostname()}")
