"""Measurements of checkpoints: each is made once, and kept in the study folder."""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from icot_tui.engine.checkpoints.checkpoint import MANIFEST
from icot_tui.studies.folder import append_line, read_lines
from icot_tui.studies.plan import Trial
from icot_tui.version import __version__


@dataclass(frozen=True)
class MeasuredCheckpoint:
    """A trial's checkpoint; `everything`: its whole chain of thought is removed."""

    trial: Trial
    checkpoint: Path
    everything: bool

    @property
    def key(self) -> list[str]:
        """All that its measurements depend on."""
        content = manifest_digest(self.checkpoint)
        return [__version__, self.trial.digest, self.checkpoint.name, content, str(self.everything)]


def manifest_digest(checkpoint: Path) -> str:
    """Identifies a checkpoint's content: its manifest has the SHA-256 of each file."""
    return hashlib.sha256((checkpoint / MANIFEST).read_bytes()).hexdigest()[:24]


class MeasurementCache:
    """Values by key, in a file of the study folder.

    Args:
        path: the file.
        on_measure: called with a few words before each measurement, which takes long.
    """

    def __init__(self, path: Path, on_measure: Callable[[str], None]) -> None:
        self._path = path
        self._on_measure = on_measure
        self._known: dict[str, dict[str, Any]] = {
            line["key"]: line["value"]
            for line in read_lines(path)
            if isinstance(line.get("key"), str) and isinstance(line.get("value"), dict)
        }

    def accuracy(
        self, measured: MeasuredCheckpoint, other: dict[str, Any] | None
    ) -> dict[str, Any]:
        """`CheckpointAccuracy` as a dictionary; `other` changes the run's data section."""
        from icot_tui.studies import evaluation

        def measure() -> dict[str, Any]:
            self._announce("evaluating", measured)
            found = evaluation.measure_accuracy(measured.checkpoint, measured.everything, other)
            return asdict(found)

        changes = json.dumps(other or {}, sort_keys=True)
        return self._once(["answers", *measured.key, changes], measure)

    def speed(self, measured: MeasuredCheckpoint, baseline: Path | None) -> dict[str, Any]:
        """`CheckpointSpeed` as a dictionary, relative to a No-CoT checkpoint."""
        from icot_tui.studies import evaluation

        def measure() -> dict[str, Any]:
            self._announce("timing", measured)
            checkpoint, everything = measured.checkpoint, measured.everything
            return asdict(evaluation.measure_relative_speed(checkpoint, everything, baseline))

        device = evaluation.describe_device(evaluation.device_of(measured.trial.config))
        beside = "" if baseline is None else manifest_digest(baseline)
        return self._once(["speed", *measured.key, beside, device], measure)

    def _announce(self, what: str, measured: MeasuredCheckpoint) -> None:
        self._on_measure(f"{what} {measured.trial.title} ({measured.checkpoint.name})")

    def _once(self, key: Sequence[str], measure: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        name = "|".join(key)
        if name not in self._known:
            self._known[name] = measure()
            append_line(self._path, {"key": name, "value": self._known[name]})
        return self._known[name]
