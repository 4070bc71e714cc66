"""Probe reports of a checkpoint, saved with it or made on demand, and their heat maps."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from icot_tui.analysis.checkpoints import CheckpointEntry, no_cot_control
from icot_tui.errors import UserError
from icot_tui.formatting import PROGRESS, PROGRESS_LINES, count, whole_share
from icot_tui.tui.play.heat_map import ENCODED, GIVEN, READABLE, HeatMap, cells, highest, percents
from icot_tui.tui.play.records import ChosenToken, ViewRequest
from icot_tui.tui.session.terminal import QUIET

if TYPE_CHECKING:
    from icot_tui.analysis.answer import Answer
    from icot_tui.analysis.probe_report import ProbeReport

FEW, MANY = 500, 2000
"""Examples on demand; MANY is the default of `icot-tui probe`."""
POLL_SECONDS = 0.2
OF_CONTROL = "probing the control"
PARTS = ("probing the checkpoint", "probing an untrained model", OF_CONTROL, "patching")
"""Of the work, as `analysis.probe_run` calls them, in their order."""


def saved(checkpoint: Path, stage: int) -> "list[ProbeReport]":
    """Reports saved with a checkpoint for a stage, the most informative first."""
    from icot_tui.analysis import probe_store

    paths = sorted((checkpoint / probe_store.FOLDER).glob("probe-*.json"))
    names = [p.stem.removeprefix("probe-") for p in paths if _is_newer_than_weights(p, checkpoint)]
    reports = [probe_store.load(checkpoint, name) for name in names]
    found = [report for report in reports if report is not None and report.stage == stage]
    return sorted(found, key=_informative, reverse=True)


def _is_newer_than_weights(report: Path, checkpoint: Path) -> bool:
    try:
        made = report.stat().st_mtime
        weights = (*checkpoint.glob("*.safetensors"), *checkpoint.glob("*.bin"))
        return all(made >= path.stat().st_mtime for path in weights)
    except OSError:
        return False


def _informative(report: "ProbeReport") -> tuple[bool, bool, int]:
    from icot_tui.analysis.probe_report import NO_COT

    # Patching measures the accuracy of each answer digit, even where nothing was patched.
    return report.accuracy.size > 0, NO_COT in report.controls, report.examples


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
            env=os.environ | QUIET | {PROGRESS_LINES: "1"},
            start_new_session=True,  # Ctrl-C and the terminal's end concern the screen only
        )
        parts = [part for part in PARTS if control is not None or part != OF_CONTROL]
        try:
            while work.poll() is None:
                told = os.pread(errors.fileno(), 1 << 16, 0).decode(errors="replace")
                done = progress_words(told, parts)
                seconds = f"{time.monotonic() - began:.0f} s"
                on_progress(f"training probes on {examples:,} examples: {done}, {seconds}")
                time.sleep(POLL_SECONDS)
        finally:
            work.kill()
            work.wait()
        errors.seek(0)
        lines = [line for line in errors if line.startswith("error: ")]
    if work.returncode:
        raise UserError(lines[-1].removeprefix("error: ").strip() if lines else "the probes failed")


def progress_words(told: str, parts: Sequence[str]) -> str:
    """`[#>--] 2 of 4, probing an untrained model`, from the lines that the process has printed."""
    said = [line.removeprefix(PROGRESS) for line in told.splitlines() if line.startswith(PROGRESS)]
    now = said[-1] if said else "loading PyTorch"
    number = parts.index(now) + 1 if now in parts else 0
    done, under_way = ("#" * (number - 1), ">") if number else ("", "")
    bar = f"[{f'{done}{under_way}':-<{len(parts)}}]"
    return f"{bar} {number} of {len(parts)}, {now}" if number else f"{bar} {now}"


def probe_map(request: ViewRequest, answer: "Answer") -> HeatMap:
    """What probes or patching found out about a token.

    Raises:
        UserError: there is no such report, or not yet.
    """
    chosen, reports = request.chosen, saved(request.entry.path, answer.stage)
    for report in reports:
        names = [facts.name for facts in report.targets]
        if chosen.name in names:
            target = names.index(chosen.name)
            if request.view == "patching":
                return _patching_map(report, target, chosen)
            return _probe_map(report, target)
    if chosen.part == "chain" and not chosen.hidden:
        raise UserError("the model writes this token: probes are for hidden tokens and digits")
    if not answer.hidden:
        raise UserError(
            "no chain-of-thought token is hidden at this stage: choose a checkpoint that has "
            "removed some"
        )
    if reports:
        raise UserError(
            f"there is nothing to probe for: {chosen.name} is the same in all examples, or does "
            "not exist in this task"
        )
    raise UserError(
        f"no probes yet for this checkpoint: p trains them on {FEW:,} "
        f"examples, P on {MANY:,} (slower, smaller errors); Escape stops them"
    )


def _probe_map(report: "ProbeReport", target: int) -> HeatMap:
    from icot_tui.analysis.probe_report import caveats, conclusion, place_words, score_words

    margins = report.margins[target]
    valid = np.broadcast_to(report.valid[target], margins.shape)
    beats, encoded = report.beats_controls[target], report.encoded[target]

    def mark(row: int, column: int) -> str:
        if not valid[row, column]:
            return GIVEN
        if not beats[row, column]:
            return ""
        return ENCODED if encoded[row, column] else READABLE

    def detail(row: int, column: int) -> str:
        where = place_words(report, row, column)
        return f"{where}: {score_words(report, target, row, column)}"

    return HeatMap(
        title="probe score minus that of the best control",
        rows=report.site_labels,
        columns=report.columns,
        values=np.where(valid, margins, np.minimum(margins, 0.1)),
        high=max(0.4, float(np.where(valid, margins, 0.0).max(initial=0.0))),
        texts=cells(margins, lambda *cell: _signed(margins[cell])),
        marks=cells(margins, mark),
        details=cells(margins, detail),
        captions=(
            conclusion(report, target),
            f"{ENCODED} encoded: readable, and patching agrees   {READABLE} readable   "
            "(in brackets) no evidence: the tokens up to there already determine it; (<0): below 0",
            *caveats(report),
            f"{count(report.examples, 'example')}, stage {report.stage:,}",
        ),
        start=report.cell_to_show(target),
    )


def _signed(value: float) -> str:
    text = f"{value:+.2f}"
    return text.replace("0.", ".") if abs(value) < 1 else f"{value:+.1f}"


def _patching_map(report: "ProbeReport", target: int, chosen: ChosenToken) -> HeatMap:
    from icot_tui.analysis.probe_report import conclusion, place_words

    share, chance = report.patched[target], report.patched_control[target]

    def detail(row: int, column: int) -> str:
        where = place_words(report, row, column)
        if np.isnan(share[row, column]):
            return f"{where}: not patched, as no probe beats its controls there"
        return (
            f"{where}: the answer changed as predicted "
            f"in {whole_share(share[row, column])} of the pairs, "
            f"in {whole_share(chance[row, column])} as a third question predicts (control)"
        )

    if not report.targets[target].testable:
        tried = "The task does not predict what the answer becomes, so nothing was patched."
    elif np.isnan(share).all():
        tried = "Nothing was patched: no probe beat its controls in a valid column."
    else:
        tried = (
            "The activation is taken from another question; a cell says how often the answer then "
            f"changed as {chosen.name} predicts. Empty cells were not tried."
        )
    encoded = report.encoded[target]
    return HeatMap(
        title="share of predicted changes when the activation is patched",
        rows=report.site_labels,
        columns=report.columns,
        values=share,
        high=1.0,
        texts=percents(share),
        marks=cells(share, lambda *cell: ENCODED if encoded[cell] else ""),
        details=cells(share, detail),
        captions=(tried, conclusion(report, target)),
        start=highest(share),
    )
