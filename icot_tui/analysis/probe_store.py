"""Probes a checkpoint, once: its report is saved in `analysis/probe-<key>.json`, `.safetensors`.

The key is a digest of the weights and of all settings, so that other weights or settings never
find an old report.
"""

import hashlib
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from icot_tui.analysis import probe_store
from icot_tui.analysis.checkpoints import find_checkpoint
from icot_tui.analysis.examples import load_examples
from icot_tui.analysis.loaded_model import LoadedModel
from icot_tui.analysis.model_cache import open_safely
from icot_tui.analysis.probe_report import Grid, ProbeReport, TargetFacts
from icot_tui.analysis.probe_run import ProbeSettings, run_probes
from icot_tui.engine.checkpoints.checkpoint import MANIFEST
from icot_tui.engine.run_folder import write_atomically
from icot_tui.errors import UserError

VERSION = 1
"""To be raised when the same settings would give other numbers."""
FOLDER = "analysis"
_GRIDS = ("scores", "errors", "patched", "patched_control", "supported", "accuracy")
_NESTED = ("controls", "control_errors")
_PLAIN = ("checkpoint", "stage", "examples", "sites", "columns", "seconds", "notes")


def digest(checkpoint: Path) -> str:
    """A digest of the weights.

    Raises:
        UserError: the folder has no weights.
    """
    try:
        manifest = json.loads((checkpoint / MANIFEST).read_text())
        written = {name: entry["sha256"] for name, entry in manifest.items() if _weights(name)}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        written = {path.name: _sha256(path) for path in sorted(checkpoint.glob("*"))
                   if _weights(path.name)}  # fmt: skip
    if not written:
        raise UserError(f"{checkpoint} has no weights")
    return hashlib.sha256(json.dumps(written, sort_keys=True).encode()).hexdigest()


def _weights(name: str) -> bool:
    return name.startswith(("model", "pytorch_model", "adapter_model", "state_dict")) and (
        name.endswith((".safetensors", ".bin"))
    )


def _sha256(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def key(checkpoint: Path, settings: Mapping[str, object]) -> str:
    """The name of a report."""
    made_of = {"version": VERSION, "checkpoint": digest(checkpoint), **settings}
    return hashlib.sha256(json.dumps(made_of, sort_keys=True).encode()).hexdigest()[:16]


def save(report: ProbeReport, checkpoint: Path, name: str) -> Path:
    """Save a report with its checkpoint; returns the JSON file.

    Raises:
        OSError: the folder can't be written.
    """
    from safetensors.numpy import save as as_bytes

    folder = checkpoint / FOLDER
    folder.mkdir(exist_ok=True)
    grids = {name: getattr(report, name) for name in _GRIDS}
    for kind in _NESTED:
        grids |= {f"{kind}/{name}": grid for name, grid in getattr(report, kind).items()}
    weights = as_bytes({name: np.ascontiguousarray(grid) for name, grid in grids.items()})
    beside = folder / f".probe-{name}.{os.getpid()}"
    try:
        beside.write_bytes(weights)
        os.replace(beside, folder / f"probe-{name}.safetensors")
    finally:
        beside.unlink(missing_ok=True)
    plain = {name: getattr(report, name) for name in _PLAIN}
    plain["targets"] = [asdict(target) for target in report.targets]
    path = folder / f"probe-{name}.json"
    write_atomically(path, json.dumps(plain))  # last: without it there is no report
    return path


def load(checkpoint: Path, name: str) -> ProbeReport | None:
    """A saved report; None where there is no complete one."""
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    path = checkpoint / FOLDER / f"probe-{name}"
    try:
        plain: dict[str, Any] = json.loads(path.with_suffix(".json").read_text())
        grids = load_file(path.with_suffix(".safetensors"))
        fields = {name: plain[name] for name in _PLAIN}
        fields |= {name: tuple(plain[name]) for name in ("sites", "columns", "notes")}
        fields |= {name: grids[name] for name in _GRIDS}
        fields |= {kind: _nested(grids, kind) for kind in _NESTED}
        targets = tuple(TargetFacts(**target) for target in plain["targets"])
        return ProbeReport(targets=targets, **fields)
    except (OSError, ValueError, KeyError, TypeError, SafetensorError):
        return None


def _nested(grids: Mapping[str, Grid], kind: str) -> dict[str, Grid]:
    front = f"{kind}/"
    return {name.removeprefix(front): g for name, g in grids.items() if name.startswith(front)}


def open_for_probing(name: str, runs: Path, device: str) -> LoadedModel:
    """The checkpoint that a name stands for.

    Raises:
        UserError: there is none, or it is ICoT-KD's pair.
    """
    model = LoadedModel(open_safely(find_checkpoint(name, runs)), device)
    if model.is_pair:
        raise UserError(
            f"{model.label} is ICoT-KD's pair, whose thought is emulated, not hidden: "
            "'icot-tui ask --thoughts' shows it beside the teacher's"
        )
    return model


def probe_checkpoint(
    model: LoadedModel,
    control: LoadedModel | None,
    settings: ProbeSettings,
    *,
    fresh: bool = False,
    say: Callable[[str], None] = lambda what: None,
    note: Callable[[str], None] = lambda text: None,
) -> ProbeReport:
    """The stored report of the same checkpoint and settings, or else a new one.

    Args:
        model: the checkpoint.
        control: a No-CoT checkpoint to compare it with.
        settings: what is probed, and how.
        fresh: probe anew, even if there is a stored report.
        say: called with what is being done.
        note: called if the report can't be stored.

    Raises:
        UserError: nothing is hidden, too few examples, or a model of an unknown kind.
    """
    folder = model.opened.path
    key = probe_store.key(folder, _key(model, control, settings))
    report = None if fresh else probe_store.load(folder, key)
    if report is not None:
        return report
    found = load_examples(model, settings.examples, settings.data)
    report = run_probes(model, found, control, settings, say)
    try:
        probe_store.save(report, folder, key)
    except OSError as error:
        note(f"could not store the report with the checkpoint: {error.strerror}")
    return report


def _key(
    model: LoadedModel, control: LoadedModel | None, settings: ProbeSettings
) -> dict[str, object]:
    """All that a report depends on, apart from the checkpoint's weights."""
    return {
        "examples": settings.examples,
        "data": None if settings.data is None else _digest(settings.data),
        "stage": model.stage if settings.stage is None else settings.stage,
        "seed": settings.seed,
        "patch": settings.patch,
        "targets": sorted(settings.target_names),
        "control": None if control is None else probe_store.digest(control.opened.path),
    }


def _digest(file: Path) -> str:
    try:
        return hashlib.sha256(file.read_bytes()).hexdigest()
    except OSError as error:
        raise UserError(f"{file} cannot be read: {error.strerror}") from error
