"""Probe reports of a checkpoint: those saved with it, or one made on demand."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from icot_tui.analysis.checkpoint_entries import CheckpointEntry, no_cot_control
from icot_tui.errors import UserError
from icot_tui.tui.session.quiet_libraries import QUIET

if TYPE_CHECKING:
    from icot_tui.analysis.probe_report import ProbeReport

FEW, MANY = 500, 2000
"""Examples on demand; MANY is the default of `icot-tui probe`."""
POLL_SECONDS = 0.2


def saved(checkpoint: Path, stage: int) -> "list[ProbeReport]":
    """Reports saved with a checkpoint for a stage, the most informative first."""
    from icot_tui.analysis import probe_store

    found = []
    for path in sorted((checkpoint / probe_store.FOLDER).glob("probe-*.json")):
        if not _is_newer(path, checkpoint):
            continue
        report = probe_store.load(checkpoint, path.stem.removeprefix("probe-"))
        if report is not None and report.stage == stage:
            found.append(report)
    return sorted(found, key=_informative, reverse=True)


def _is_newer(report: Path, checkpoint: Path) -> bool:
    """Is it newer than the weights?"""
    try:
        made = report.stat().st_mtime
        weights = [p.stat().st_mtime for p in checkpoint.glob("*.safetensors")]
        weights += [p.stat().st_mtime for p in checkpoint.glob("*.bin")]
    except OSError:
        return False
    return all(made >= each for each in weights)


def _informative(report: "ProbeReport") -> tuple[bool, bool, int]:
    from icot_tui.analysis.probe_report import NO_COT

    # Patching measures the accuracy of each answer digit, even where nothing was patched.
    return report.accuracy.size > 0, NO_COT in report.controls, report.examples


def find(checkpoint: Path, stage: int, target: str) -> "tuple[ProbeReport, int] | None":
    """The most informative report on a target, and the target's number in it."""
    for report in saved(checkpoint, stage):
        names = [facts.name for facts in report.targets]
        if target in names:
            return report, names.index(target)
    return None


def run(
    entry: CheckpointEntry,
    stage: int,
    examples: int,
    others: Sequence[CheckpointEntry],
    on_progress: Callable[[str], None],
) -> None:
    """Train probes for all targets, with controls and patching, and save the report.

    It runs in a process of its own: the untrained control's weights are drawn from the process's
    random generator, which a trainer in this process must not notice. What `on_progress` raises
    ends it.

    Raises:
        UserError: it failed.
    """
    control = no_cot_control(entry, others)
    command = [sys.executable, "-m", "icot_tui", "probe", str(entry.path.resolve())]
    command += ["--examples", str(examples), "--stage", str(stage), "--device", "cpu", "--json"]
    if control is not None:
        command += ["--control", str(control.path.resolve())]
    began = time.monotonic()
    with tempfile.TemporaryFile("w+", errors="replace") as errors:
        work = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=errors,
            env=os.environ | QUIET,
            start_new_session=True,  # Ctrl-C and the terminal's end concern the screen only
        )
        try:
            while work.poll() is None:
                passed = time.monotonic() - began
                on_progress(
                    f"training probes on {examples:,} examples, with controls: {passed:.0f} s"
                )
                time.sleep(POLL_SECONDS)
        finally:
            if work.poll() is None:
                work.kill()
                work.wait()
        errors.seek(0)
        output = errors.read()
    if work.returncode:
        lines = [line for line in output.splitlines() if line.startswith("error: ")]
        raise UserError(lines[-1].removeprefix("error: ") if lines else "the probes failed")
