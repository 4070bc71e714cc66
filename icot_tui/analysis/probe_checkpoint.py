"""Probes a checkpoint by name, and stores the report with it."""

import hashlib
from collections.abc import Callable
from pathlib import Path

from icot_tui.analysis import probe_store
from icot_tui.analysis.checkpoints import find_checkpoint, open_safely
from icot_tui.analysis.examples import load_examples
from icot_tui.analysis.loaded_model import LoadedModel
from icot_tui.analysis.probe_report import ProbeReport
from icot_tui.analysis.probe_run import ProbeSettings, run_probes
from icot_tui.errors import UserError


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
