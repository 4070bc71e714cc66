"""Evaluates checkpoints of trials, each once: exact match, and speed relative to a No-CoT model."""

import hashlib
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from icot_tui.config import DataConfig, RunConfig
from icot_tui.curriculum.schedule import ALL
from icot_tui.engine.checkpoints.checkpoint import MANIFEST
from icot_tui.engine.checkpoints.opened import OpenedCheckpoint
from icot_tui.engine.evaluation.held_out import held_out_text, measure_speed, prepare
from icot_tui.models.device import set_threads, silence_transformers
from icot_tui.runs.opening import open_checkpoint
from icot_tui.studies.folder import append_line, read_lines
from icot_tui.studies.plan import Trial, other_data
from icot_tui.units import Unit
from icot_tui.version import __version__

SPEED_SECONDS = float(os.environ.get("ICOT_TUI_SPEED_SECONDS", "5"))
"""Roughly how long two models are timed side by side."""


@dataclass(frozen=True)
class CheckpointAccuracy:
    """Accuracy of a checkpoint; `token_accuracy` is the mean over the answer's tokens."""

    exact_match: float
    low: float
    high: float
    examples: int
    token_accuracy: float
    split: str


@dataclass(frozen=True)
class CheckpointSpeed:
    """Examples per second at batch size 1; `ratio`: relative to the No-CoT model."""

    examples_per_second: float
    ratio: float | None
    device: str


def measure_accuracy(
    checkpoint: Path,
    everything: bool,
    other: dict[str, Any] | None = None,
    split: str | None = None,
) -> CheckpointAccuracy:
    """Exact match on a split of a run: its test split, or its validation split if it has none.

    Args:
        everything: remove the whole chain of thought, however long it is.
        other: changes to the run's data section, to evaluate on the held-out examples of that.
        split: another split of the run's data.

    Raises:
        UserError: the model can't read the examples.
    """
    opened, config = _open(checkpoint)
    data, split = config.data, split or config.data.reported_split
    if other and split != "ood":
        data, split = DataConfig.model_validate(other_data(data, other)), "validation"
    text, device = held_out_text(data, split, unit=opened.unit), device_of(config)
    result = prepare(opened, ALL if everything else None, text, device).evaluate(config.evaluation)
    shares = result.token_accuracy[:-1]
    return CheckpointAccuracy(
        exact_match=result.exact_match,
        low=result.low,
        high=result.high,
        examples=result.examples,
        token_accuracy=sum(shares) / max(len(shares), 1),
        split=split,
    )


def measure_relative_speed(
    checkpoint: Path, everything: bool, baseline: Path | None
) -> CheckpointSpeed:
    """The speed of a checkpoint, measured side by side with a No-CoT model on the same questions.

    On a CPU, with one thread.

    Raises:
        UserError: a model can't read the examples.
    """
    opened, config = _open(checkpoint)
    device = device_of(config)
    asked = [(opened, ALL if everything else None)]
    if baseline is not None and baseline != checkpoint:
        asked.append((_open(baseline)[0], ALL))
    unit: Unit = "step" if any(one.unit == "step" for one, _ in asked) else "token"
    text = held_out_text(config.data, config.data.reported_split, unit=unit)
    models = [prepare(one, stage, text, device) for one, stage in asked]
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # for a single example, more would only wait for each other
    try:
        speed, *others = measure_speed(models, SPEED_SECONDS)
    finally:
        torch.set_num_threads(threads)
    ratio = None if baseline is None else 1.0
    if others:
        ratio = speed.ratio(others[0])
    return CheckpointSpeed(speed.examples_per_second, ratio, describe_device(device))


def _open(checkpoint: Path) -> tuple[OpenedCheckpoint, RunConfig]:
    silence_transformers()
    opened = open_checkpoint(checkpoint)
    assert opened.config is not None, "checkpoints of studies belong to runs"
    set_threads(opened.config.train.threads)
    return opened, opened.config


def device_of(config: RunConfig) -> str:
    """The device that the run was trained on if this machine has it, else the best it has."""
    wanted, cuda = config.train.device, torch.cuda.is_available()
    if wanted == "cpu" or (wanted == "mps" and torch.backends.mps.is_available()):
        return wanted
    return "cuda" if cuda else "cpu"


def describe_device(device: str) -> str:
    """A device in words, as precise as a speed needs it."""
    if device == "cuda":
        return f"cuda ({torch.cuda.get_device_name()})"
    return "one thread of the CPU" if device == "cpu" else device


class MeasurementCache:
    """Measurements of checkpoints: each is made once, and kept in a file of the study folder.

    `on_measure` is called with a few words before each measurement, which takes long.
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
        self,
        trial: Trial,
        checkpoint: Path,
        everything: bool,
        other: dict[str, Any] | None,
        split: str | None = None,
    ) -> dict[str, Any]:
        """`CheckpointAccuracy` as a dictionary; see `measure_accuracy`."""
        return self._once(
            f"evaluating {trial.title} ({checkpoint.name})",
            [
                "answers",
                *_key(trial, checkpoint, everything),
                json.dumps(other or {}, sort_keys=True),
                *([] if split is None else [split]),
            ],
            lambda: measure_accuracy(checkpoint, everything, other, split),
        )

    def speed(
        self, trial: Trial, checkpoint: Path, everything: bool, baseline: Path | None
    ) -> dict[str, Any]:
        """`CheckpointSpeed` as a dictionary; see `measure_relative_speed`."""
        device = describe_device(device_of(trial.config))
        beside = "" if baseline is None else _manifest_digest(baseline)
        return self._once(
            f"timing {trial.title} ({checkpoint.name})",
            ["speed", *_key(trial, checkpoint, everything), beside, device],
            lambda: measure_relative_speed(checkpoint, everything, baseline),
        )

    def _once(
        self,
        what: str,
        key: Sequence[str],
        measure: Callable[[], CheckpointAccuracy | CheckpointSpeed],
    ) -> dict[str, Any]:
        name = "|".join(key)
        if name not in self._known:
            self._on_measure(what)
            self._known[name] = asdict(measure())
            append_line(self._path, {"key": name, "value": self._known[name]})
        return self._known[name]


def _key(trial: Trial, checkpoint: Path, everything: bool) -> list[str]:
    """All that measurements of a checkpoint depend on."""
    content = _manifest_digest(checkpoint)
    return [__version__, trial.digest, checkpoint.name, content, str(everything)]


def _manifest_digest(checkpoint: Path) -> str:
    """Identifies a checkpoint's content: its manifest has the SHA-256 of each file."""
    return hashlib.sha256((checkpoint / MANIFEST).read_bytes()).hexdigest()[:24]
