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

from icot_tui.analysis.checkpoints import find_checkpoint
from icot_tui.analysis.examples import load_examples
from icot_tui.analysis.loaded_model import LoadedModel
from icot_tui.analysis.model_cache import open_safely
from icot_tui.analysis.probe_report import Grid, ProbeReport, TargetFacts
from icot_tui.analysis.probe_run import ProbeSettings, run_probes
from icot_tui.engine.checkpoints.checkpoint import MANIFEST
from icot_tui.engine.checkpoints.description import vocabulary_digest
from icot_tui.engine.checkpoints.opened import NOTHING_GIVEN, GivenRemoval
from icot_tui.engine.checkpoints.state import LARGEST
from icot_tui.errors import UserError
from icot_tui.files import open_file, read_file, write_atomically

VERSION = 2  # to be raised when the same settings would give other numbers
FOLDER = "analysis"
_GRIDS = ("scores", "errors", "patched", "patched_control", "supported", "accuracy")
_NESTED = ("controls", "control_errors")


def digest(checkpoint: Path) -> str:
    """A digest of the weights.

    Raises:
        UserError: the folder has no weights.
    """
    try:
        entries = json.loads(read_file(checkpoint / MANIFEST, LARGEST)).items()
        written = {name: entry["sha256"] for name, entry in entries if _is_weights(name)}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        weights = [path for path in sorted(checkpoint.glob("*")) if _is_weights(path.name)]
        written = {path.name: _sha256(path) for path in weights}
    if not written:
        raise UserError(f"{checkpoint} has no weights")
    return hashlib.sha256(json.dumps(written, sort_keys=True).encode()).hexdigest()


def _is_weights(name: str) -> bool:
    fronts = ("model", "pytorch_model", "adapter_model", "state_dict")
    return name.startswith(fronts) and name.endswith((".safetensors", ".bin"))


def _sha256(path: Path) -> str:
    with open(open_file(path), "rb") as file:
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
    plain = asdict(report)
    grids = {name: plain.pop(name) for name in _GRIDS}
    for kind in _NESTED:
        grids |= {f"{kind}/{name}": grid for name, grid in plain.pop(kind).items()}
    weights = as_bytes({name: np.ascontiguousarray(grid) for name, grid in grids.items()})
    write_atomically(folder / f"probe-{name}.safetensors", weights, own_folder=True)
    path = folder / f"probe-{name}.json"
    # Last: without it there is no report.
    write_atomically(path, json.dumps(plain), own_folder=True)
    return path


def load(checkpoint: Path, name: str) -> ProbeReport | None:
    """A saved report; None where there is no complete one."""
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    path = checkpoint / FOLDER / f"probe-{name}"
    try:
        fields: dict[str, Any] = json.loads(read_file(path.with_suffix(".json"), LARGEST))
        os.close(open_file(weights := path.with_suffix(".safetensors")))
        grids = load_file(weights)
        fields |= {name: tuple(fields[name]) for name in ("sites", "columns", "notes")}
        fields |= {name: grids[name] for name in _GRIDS}
        fields |= {kind: _nested(grids, kind) for kind in _NESTED}
        fields["targets"] = tuple(TargetFacts(**target) for target in fields["targets"])
        return ProbeReport(**fields)
    except (OSError, ValueError, KeyError, TypeError, SafetensorError, RecursionError):
        return None


def _nested(grids: Mapping[str, Grid], kind: str) -> dict[str, Grid]:
    front = f"{kind}/"
    return {name.removeprefix(front): g for name, g in grids.items() if name.startswith(front)}


def open_for_probing(
    name: str, runs: Path, device: str, given: GivenRemoval = NOTHING_GIVEN
) -> LoadedModel:
    """The checkpoint that a name stands for.

    Raises:
        UserError: there is none, or it is ICoT-KD's pair.
    """
    model = LoadedModel(open_safely(find_checkpoint(name, runs), given), device)
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
        control: a No-CoT checkpoint to compare it with.
        fresh: probe anew, even if there is a stored report.
        say: called with what is being done.
        note: called if the report can't be stored.

    Raises:
        UserError: nothing is hidden, too few examples, or a model of an unknown kind.
    """
    folder = model.opened.path
    name = key(folder, _influences(model, control, settings))
    if not fresh and (stored := load(folder, name)) is not None:
        return stored
    found = load_examples(model, settings.examples, settings.data)
    report = run_probes(model, found, control, settings, say)
    try:
        save(report, folder, name)
    except OSError as error:
        note(f"could not store the report with the checkpoint: {error.strerror}")
    return report


def _influences(
    model: LoadedModel, control: LoadedModel | None, settings: ProbeSettings
) -> dict[str, object]:
    """All that a report depends on, apart from the checkpoint's weights."""
    return {
        "examples": settings.examples,
        "data": None if settings.data is None else _data_digest(settings.data),
        "stage": model.stage if settings.stage is None else settings.stage,
        "seed": settings.seed,
        "patch": settings.patch,
        "targets": sorted(settings.target_names),
        "model": _reading(model),
        "control": None if control is None else [digest(control.opened.path), _reading(control)],
    }


def _reading(model: LoadedModel) -> list[object]:
    """How a model reads examples, and which ones where no file is given."""
    plan, opened = model.token_format.plan, model.opened
    order = None if plan.order is None else plan.order.tolist()
    data = None if opened.data is None else opened.data.model_dump(mode="json")
    words = vocabulary_digest(opened.tokenizer)
    return [plan.side, plan.keep_positions, order, words, model.token_format.separator_id, data]


def _data_digest(file: Path) -> str:
    try:
        return _sha256(file)
    except OSError as error:
        raise UserError(f"{file} cannot be read: {error.strerror}") from error
