"""The runs that are shown, and the machine: what each redraw is made from."""

import socket
import time
from collections import Counter, deque
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from icot_tui.engine.run_folder import RunFolder
from icot_tui.tui.run.view import ENDED, Axis, Overlay, RunView
from icot_tui.watch.alerts import Alert, AlertRules
from icot_tui.watch.machine import MachineReading, MachineSampler
from icot_tui.watch.source import Replay, RunFollower, Source

if TYPE_CHECKING:
    from icot_tui.studies.trial_list import TrialList
    from icot_tui.tui.session.training_thread import TrainingThread
    from icot_tui.watch.runs import RunLine

MACHINE_SECONDS = 2.0
"""Between two readings of the machine."""
MOST_READINGS = 1800
"""That are kept: those of an hour."""
READING_SECONDS = 0.05
"""Of journal a redraw, so that keys are answered while a long one is read."""
COLOURS = 8
"""Colours that charts have for other runs."""
MOST_TRIALS = COLOURS + 1
"""Trials that are drawn at once: the one on show, and the others in a colour each."""
STUDY_SECONDS = 2.0
"""Between two readings of a study."""


class RunMonitor:
    """Reads what is new of the runs on show and makes the view.

    Attributes:
        source: the run on show; None until one is chosen.
        axis: what runs along the bottom of the charts.
        view: the last one; None before the first.
    """

    def __init__(
        self,
        engine: "TrainingThread | None",
        source: Source | None,
        ascii: bool,
        axis: Axis,
        study: "TrialList | None" = None,
    ) -> None:
        self.source = source
        self.axis: Axis = axis
        self.view: RunView | None = None
        self._engine = engine
        self._study = None if study is None else StudyRotation(study)
        self._ascii = ascii
        self._known: dict[Path, Source] = {}
        self._overlays: dict[Path, Overlay] = {}
        self._sampler = MachineSampler()
        self._machine: MachineReading | None = None
        self._machine_due = 0.0
        self._readings: deque[MachineReading] = deque(maxlen=MOST_READINGS)
        self._rules = AlertRules()
        self._end_known = False  # of the engine's run
        if engine is not None and source is None:
            self.open(engine.folder)
        elif source is not None:
            self._known[source.folder.path] = source
        elif self._study is not None:
            self._study.update(self)

    def open(self, folder: RunFolder) -> None:
        """Show this run; one that was shown before is there at once."""
        self.source = self._source_of(folder)
        self._overlays.pop(folder.path, None)
        self._rules = AlertRules()

    def _source_of(self, folder: RunFolder) -> Source:
        if folder.path not in self._known:
            self._known[folder.path] = RunFollower(folder)
        return self._known[folder.path]

    @property
    def shown(self) -> Path | None:
        """Folder of the run on show."""
        return None if self.source is None else self.source.folder.path

    @property
    def overlays(self) -> tuple[Overlay, ...]:
        """The runs that are drawn beside the one on show, in the order they were added."""
        return tuple(self._overlays.values())

    def is_overlaid(self, folder: RunFolder) -> bool:
        return folder.path in self._overlays

    def toggle_overlay(self, folder: RunFolder, name: str = "") -> None:
        """Draw a run beside the one on show, under its own name or another; or no longer."""
        if self.is_overlaid(folder):
            del self._overlays[folder.path]
        elif folder.path != self.shown:
            colour = free_colour(folder.name, [each.colour_index for each in self.overlays])
            overlay = Overlay(name or folder.name, self._source_of(folder), colour)
            self._overlays[folder.path] = overlay

    @property
    def engine(self) -> "TrainingThread | None":
        """The engine of this process, if it trains the run on show."""
        engine = self._engine
        return engine if engine is not None and engine.folder.path == self.shown else None

    @property
    def replay(self) -> Replay | None:
        return self.source if isinstance(self.source, Replay) else None

    def refresh(self) -> RunView | None:
        """Read what is new and make the view; None while no run is chosen."""
        if self._study is not None:
            self._study.update(self)
        source = self.source
        if source is None:
            return None
        ended = None if self.engine is None else self.engine.ended  # before what is read below
        source.poll(READING_SECONDS)
        if ended is not None and source.caught_up and not self._end_known:
            self._end_known = True
            if source.history.summary.ended is None:  # its journal is gone, and can't tell it
                source.history.add(time.time(), ended)
        for overlay in self.overlays:
            overlay.source.poll(READING_SECONDS / len(self.overlays))
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
            machine_history=self._readings,
            phase=None if self.engine is None else self.engine.startup_phase,
            ascii=self._ascii,
            study="" if self._study is None else self._study.progress,
        )
        return self.view

    def alerts(self, view: RunView) -> list[Alert]:
        """What the user should know, each once."""
        free = None if self._machine is None else self._machine.disk_free
        return self._rules.look(view.source, view.status, free, view.now)

    def _read_machine(self, source: Source, running: bool) -> None:
        """Read this machine, if the run is on it."""
        now = time.monotonic()
        if now < self._machine_due:
            return
        self._machine_due = now + MACHINE_SECONDS
        holder = source.folder.holder()
        here = holder is None or holder.endswith(f" on {socket.gethostname()}")
        watched = running and here and self.replay is None
        self._machine = self._sampler.read() if watched or self.engine is not None else None
        if self._machine is None:
            self._readings.clear()
        else:
            self._readings.append(self._machine)


class StudyRotation:
    """Shows the trials of a study that are at work; what the user opens or overlays stays.

    Attributes:
        progress: how far the study is, in words.
    """

    def __init__(self, trials: "TrialList") -> None:
        self.progress = ""
        self._trials = trials
        self._opened: Path | None = None
        self._overlaid: dict[Path, RunLine] = {}
        self._due = 0.0

    def update(self, monitor: RunMonitor) -> None:
        """Show the trials at work; when none is, all that trained."""
        from icot_tui.studies.trial_list import in_words  # only studies need it
        from icot_tui.watch.runs import AT_WORK

        if time.monotonic() < self._due:
            return
        self._due = time.monotonic() + STUDY_SECONDS
        lines = self._trials.read(time.time(), 5 * READING_SECONDS)
        begun = [line for line in lines if line.folder.config.is_file()]
        working = [line for line in begun if line.status in AT_WORK]
        # Trials that need the same training have the same run.
        trials = {line.folder.path: line for line in in_turn(working or begun)}
        self.progress = in_words(lines)
        if len(trials) > MOST_TRIALS:
            self.progress += f", {MOST_TRIALS} of {len(trials)} drawn"
        if trials and monitor.shown == self._opened and self._opened not in trials:
            first = next(iter(trials.values())).folder
            monitor.open(first)
            self._opened = first.path
        drawn = list(trials.items())[:MOST_TRIALS]
        self._change_overlays(
            monitor, {path: line for path, line in drawn if path != monitor.shown}
        )

    def _change_overlays(self, monitor: RunMonitor, wanted: "dict[Path, RunLine]") -> None:
        for path, line in self._overlaid.items():
            if path not in wanted and monitor.is_overlaid(line.folder):
                monitor.toggle_overlay(line.folder)
        for path, line in wanted.items():
            if path not in self._overlaid and not monitor.is_overlaid(line.folder):
                monitor.toggle_overlay(line.folder, line.name)
        self._overlaid = wanted


def in_turn(lines: Sequence["RunLine"]) -> list["RunLine"]:
    """First seeds first, then the second ones: where not all are drawn, each variant is."""
    met: Counter[str] = Counter()
    turns = []
    for line in lines:
        variant = line.name.rpartition(", seed ")[0]
        turns.append((met[variant], line))
        met[variant] += 1
    return [line for _, line in sorted(turns, key=lambda turn: turn[0])]


def colour_index(name: str) -> int:
    """The colour that a name prefers: always the same, in every session."""
    mixed = 2166136261
    for byte in name.encode(errors="surrogateescape"):
        mixed = ((mixed ^ byte) * 16777619) & 0xFFFFFFFF
    return (mixed ^ mixed >> 16) % COLOURS


def free_colour(name: str, taken: Iterable[int]) -> int:
    """The preferred colour, or else the next that is taken least often."""
    uses, preferred = list(taken), colour_index(name)
    order = [(preferred + step) % COLOURS for step in range(COLOURS)]
    return min(order, key=lambda colour: (uses.count(colour), order.index(colour)))
