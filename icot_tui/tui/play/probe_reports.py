"""Probe reports of a checkpoint: the best one that is kept with it, or one made on demand."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from icot_tui.errors import UserError
from icot_tui.tui.play.checkpoint_list import no_cot_control
from icot_tui.tui.play.records import CheckpointEntry
from icot_tui.tui.session.quiet_libraries import QUIET

if TYPE_CHECKING:
    from icot_tui.analysis.probe_report import ProbeReport

FEW, MANY = 500, 2000
"""Examples on demand; MANY is what `icot-tui probe` takes."""
WAIT_SECONDS = 0.2


def kept(checkpoint: Path, stage: int) -> "list[ProbeReport]":
    """Reports kept with a checkpoint for a stage, those that say most first."""
    from icot_tui.analysis import probe_store

    found = []
    for path in sorted((checkpoint / probe_store.FOLDER).glob("probe-*.json")):
        if not _is_newer(path, checkpoint):
            continue
        report = probe_store.load(checkpoint, path.stem.removeprefix("probe-"))
        if report is not None and report.stage == stage:
            found.append(report)
    return sorted(found, key=_tells, reverse=True)


def _is_newer(report: Path, checkpoint: Path) -> bool:
    """Was it made of the weights that are there now?"""
    try:
        made = report.stat().st_mtime
        weights = [p.stat().st_mtime for p in checkpoint.glob("*.safetensors")]
        weights += [p.stat().st_mtime for p in checkpoint.glob("*.bin")]
    except OSError:
        return False
    return all(made >= each for each in weights)


def _tells(report: "ProbeReport") -> tuple[bool, bool, int]:
    from icot_tui.analysis.probe_report import NO_COT

    # Patching leaves the accuracy of each answer digit behind, even where nothing was patched.
    return report.accuracy.size > 0, NO_COT in report.controls, report.examples


def find(checkpoint: Path, stage: int, target: str) -> "tuple[ProbeReport, int] | None":
    """The report that says most of a target, and the target's number in it."""
    for report in kept(checkpoint, stage):
        names = [facts.name for facts in report.targets]
        if target in names:
            return report, names.index(target)
    return None


def run(
    entry: CheckpointEntry,
    stage: int,
    examples: int,
    there: Sequence[CheckpointEntry],
    say: Callable[[str], None],
) -> None:
    """Train probes for all targets, with controls and patching, and keep them.

    A process of its own does it, as the random weights of the untrained control are drawn from the
    process's generator, which a trainer beside us must not notice. What `say` raises ends it.

    Raises:
        UserError: it could not be done.
    """
    control = no_cot_control(entry, there)
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
            start_new_session=True,  # a Ctrl-C, or the terminal's end, is the screen's business
        )
        try:
            while work.poll() is None:
                passed = time.monotonic() - began
                say(f"training probes on {examples:,} examples, with controls: {passed:.0f} s")
                time.sleep(WAIT_SECONDS)
        finally:
            if work.poll() is None:
                work.kill()
                work.wait()
        errors.seek(0)
        told = errors.read()
    if work.returncode:
        lines = [line for line in told.splitlines() if line.startswith("error: ")]
        raise UserError(lines[-1].removeprefix("error: ") if lines else "the probes failed")
