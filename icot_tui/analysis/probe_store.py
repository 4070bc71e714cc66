"""Reports kept with their checkpoint: `analysis/probe-<key>.json` and `.safetensors`.

The key is made of the weights' digest and of all settings, so that a changed checkpoint or question
never meets an old answer.
"""

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from icot_tui.analysis.probe_report import Grid, ProbeReport, TargetFacts
from icot_tui.engine.checkpoints.checkpoint import MANIFEST
from icot_tui.engine.run_folder import write_atomically
from icot_tui.errors import UserError

VERSION = 1
"""To be raised when the same settings would find other numbers."""
FOLDER = "analysis"
_GRIDS = ("scores", "errors", "patched", "patched_control", "supported", "accuracy")


def digest(checkpoint: Path) -> str:
    """The same for the same weights.

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
    told = {"version": VERSION, "checkpoint": digest(checkpoint), **settings}
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:16]


def save(report: ProbeReport, checkpoint: Path, name: str) -> Path:
    """Keep a report with its checkpoint; returns the JSON file.

    Raises:
        OSError: the folder can't be written.
    """
    from safetensors.numpy import save as as_bytes

    folder = checkpoint / FOLDER
    folder.mkdir(exist_ok=True)
    grids = {grid: np.ascontiguousarray(getattr(report, grid)) for grid in _GRIDS}
    for kind in ("controls", "control_errors"):
        grids |= {f"{kind}/{n}": np.ascontiguousarray(g) for n, g in getattr(report, kind).items()}
    beside = folder / f".probe-{name}.{os.getpid()}"
    try:
        beside.write_bytes(as_bytes(grids))
        os.replace(beside, folder / f"probe-{name}.safetensors")
    finally:
        beside.unlink(missing_ok=True)
    plain = {
        "checkpoint": report.checkpoint,
        "stage": report.stage,
        "examples": report.examples,
        "targets": [asdict(target) for target in report.targets],
        "sites": report.sites,
        "columns": report.columns,
        "seconds": report.seconds,
        "notes": report.notes,
    }
    path = folder / f"probe-{name}.json"
    write_atomically(path, json.dumps(plain))  # last: a report without it is not there
    return path


def load(checkpoint: Path, name: str) -> ProbeReport | None:
    """A kept report; None where there is none that is whole."""
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    path = checkpoint / FOLDER / f"probe-{name}"
    try:
        plain: dict[str, Any] = json.loads(path.with_suffix(".json").read_text())
        grids = load_file(path.with_suffix(".safetensors"))
        return ProbeReport(
            checkpoint=plain["checkpoint"],
            stage=plain["stage"],
            examples=plain["examples"],
            targets=tuple(TargetFacts(**target) for target in plain["targets"]),
            sites=tuple(plain["sites"]),
            columns=tuple(plain["columns"]),
            controls=_group(grids, "controls"),
            control_errors=_group(grids, "control_errors"),
            seconds=plain["seconds"],
            notes=tuple(plain["notes"]),
            **{grid: grids[grid] for grid in _GRIDS},
        )
    except (OSError, ValueError, KeyError, TypeError, SafetensorError):
        return None


def _group(grids: Mapping[str, Grid], kind: str) -> dict[str, Grid]:
    front = f"{kind}/"
    return {name.removeprefix(front): g for name, g in grids.items() if name.startswith(front)}
