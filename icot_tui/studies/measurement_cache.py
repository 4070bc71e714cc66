"""Measurements of checkpoints: each is made once, and kept in the study folder."""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from icot_tui import __version__
from icot_tui.engine.checkpoints.checkpoint import MANIFEST
from icot_tui.studies.folder import append_line, read_lines
from icot_tui.studies.plan import Trial


@dataclass(frozen=True)
class Subject:
    """A trial's checkpoint; `everything`: none of its chain of thought is to be written."""

    trial: Trial
    checkpoint: Path
    everything: bool

    @property
    def key(self) -> list[str]:
        """All that its measurements depend on."""
        content = fingerprint(self.checkpoint)
        return [__version__, self.trial.digest, self.checkpoint.name, content, str(self.everything)]


def fingerprint(checkpoint: Path) -> str:
    """What tells its content from any other's: its manifest has the SHA-256 of each file."""
    return hashlib.sha256((checkpoint / MANIFEST).read_bytes()).hexdigest()[:24]


class Measurements:
    """Values by key, in a file of the study folder.

    Args:
        path: the file.
        tell: called with a few words before something is measured, which takes long.
    """

    def __init__(self, path: Path, tell: Callable[[str], None]) -> None:
        self._path = path
        self._tell = tell
        self._known = {
            line["key"]: line["value"]
            for line in read_lines(path)
            if isinstance(line.get("key"), str) and isinstance(line.get("value"), dict)
        }

    def answers(self, subject: Subject, other: dict[str, Any] | None) -> dict[str, Any]:
        """How right it is, as `checkpoints.Answered` has it; `other` changes its data section."""
        from icot_tui.studies import checkpoints

        def ask() -> dict[str, Any]:
            self._say("asking", subject)
            return asdict(checkpoints.ask(subject.checkpoint, subject.everything, other))

        changes = json.dumps(other or {}, sort_keys=True)
        return self._once(["answers", *subject.key, changes], ask)

    def speed(self, subject: Subject, baseline: Path | None) -> dict[str, Any]:
        """How fast it is beside a No-CoT model, as `checkpoints.Timed` has it."""
        from icot_tui.studies import checkpoints

        def time() -> dict[str, Any]:
            self._say("timing", subject)
            timed = checkpoints.time_it(subject.checkpoint, subject.everything, baseline)
            return asdict(timed)

        device = checkpoints.described(checkpoints.device_of(subject.trial.config))
        beside = "" if baseline is None else fingerprint(baseline)
        return self._once(["speed", *subject.key, beside, device], time)

    def _say(self, doing: str, subject: Subject) -> None:
        self._tell(f"{doing} {subject.trial.title} ({subject.checkpoint.name})")

    def _once(self, key: Sequence[str], measure: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        name = "|".join(key)
        if name not in self._known:
            self._known[name] = measure()
            append_line(self._path, {"key": name, "value": self._known[name]})
        value: dict[str, Any] = self._known[name]
        return value
