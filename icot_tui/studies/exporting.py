"""Every step and evaluation of runs as one flat table: CSV, Parquet, or TensorBoard's files."""

import csv
import sys
from collections.abc import Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from typing import IO

from icot_tui.engine.journal.events import Evaluated, PhaseBegan, StepsTrained
from icot_tui.engine.journal.journal import JournalReader
from icot_tui.engine.journal.rewind import effective
from icot_tui.engine.run_folder import RunFolder, write_atomically
from icot_tui.errors import UserError


@dataclass(kw_only=True)
class Step:
    """One optimizer step; what was not measured at it is None.

    `time` is in seconds since the epoch, of the journal's line that tells of the step. `phase` is
    ICoT-KD's training, each with a loss of its own; empty for all other methods.
    """

    run: str
    step: int
    time: float
    stage: int
    phase: str = ""
    loss: float | None = None
    gradient_norm: float | None = None
    learning_rate: float | None = None
    exact_match: float | None = None
    token_accuracy: float | None = None
    evaluation_loss: float | None = None
    implicit: bool | None = None


COLUMNS = tuple(field.name for field in fields(Step))
SCALARS = ("stage", *COLUMNS[5:-1])


def read_steps(run: RunFolder) -> list[Step]:
    """The steps that led to the present, in order: what a resume undid is left out."""
    steps: dict[int, Step] = {}
    phase = ""
    for time, event in effective(JournalReader(run.journal).events()):
        match event:
            case PhaseBegan():
                phase = event.phase
            case StepsTrained():
                pairs = zip(event.losses, event.gradient_norms, strict=False)
                for number, (loss, norm) in enumerate(pairs, start=event.first):
                    new = Step(run=run.name, step=number, time=time, stage=event.stage, phase=phase)
                    row = steps.setdefault(number, new)
                    row.loss, row.gradient_norm = loss, norm
                    row.learning_rate = event.learning_rate
            case Evaluated():  # before or after its step is reported
                new = Step(run=run.name, step=event.step, time=time, stage=event.stage, phase=phase)
                row = steps.setdefault(event.step, new)
                shares = event.token_accuracy[:-1]
                row.exact_match, row.implicit = event.exact_match, event.implicit
                row.evaluation_loss = event.loss
                row.token_accuracy = sum(shares) / len(shares) if shares else None
    return [steps[number] for number in sorted(steps)]


def write_csv(runs: Sequence[RunFolder], out: Path | None) -> Path | None:
    """One file of all runs; without a path, on standard output.

    Raises:
        UserError: it can't be written.
    """
    if out is None:
        _write_rows(runs, sys.stdout)
        return None
    beside = _beside(out)
    try:
        with open(beside, "w", encoding="utf-8", newline="") as file:
            _write_rows(runs, file)
        beside.replace(out)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise _unwritable(out, error) from error
    return out


def _write_rows(runs: Sequence[RunFolder], file: IO[str]) -> None:
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(COLUMNS)
    for run in runs:
        writer.writerows(astuple(step) for step in read_steps(run))


def write_parquet(runs: Sequence[RunFolder], out: Path) -> Path:
    """The same as Parquet, a row group for each run.

    Raises:
        UserError: pyarrow is not installed, or it can't be written.
    """
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        raise UserError("Parquet needs pyarrow: pip install 'icot-tui[studies]'", 1) from error
    kinds = {"run": pyarrow.string(), "phase": pyarrow.string()}
    kinds |= {"step": pyarrow.int64(), "stage": pyarrow.int64()}
    kinds["implicit"] = pyarrow.bool_()
    schema = pyarrow.schema([(name, kinds.get(name, pyarrow.float64())) for name in COLUMNS])
    beside = _beside(out)
    try:
        with parquet.ParquetWriter(beside, schema) as writer:
            for run in runs:
                steps = read_steps(run)
                columns = [[getattr(step, name) for step in steps] for name in COLUMNS]
                writer.write_table(pyarrow.table(dict(zip(COLUMNS, columns, strict=True)), schema))
        beside.replace(out)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise _unwritable(out, error) from error
    return out


def write_tensorboard(runs: Sequence[RunFolder], out: Path) -> Path:
    """Event files in a folder for each run, with the times of the journal.

    Raises:
        UserError: tensorboard is not installed, the run is there already, or can't be written.
    """
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise UserError(
            "TensorBoard's files need tensorboard: pip install 'icot-tui[trackers]'", 1
        ) from error
    for run in runs:
        folder = out / run.name
        if folder.exists():
            raise UserError(f"{folder} is there already: remove it, or name another --out")
    for run in runs:
        try:
            with SummaryWriter(str(out / run.name)) as writer:
                for step in read_steps(run):
                    for name in SCALARS:
                        value = getattr(step, name)
                        if value is not None:
                            writer.add_scalar(name, value, step.step, step.time)
        except OSError as error:
            raise _unwritable(out, error) from error
    return out


def write_text(out: Path, text: str) -> Path:
    """A text file, whole or not at all.

    Raises:
        UserError: it can't be written.
    """
    try:
        write_atomically(out, text)
    except OSError as error:
        raise _unwritable(out, error) from error
    return out


def _beside(out: Path) -> Path:
    return out.with_name(f".writing-{out.name}")


def _unwritable(out: Path, error: OSError) -> UserError:
    return UserError(f"cannot write {out}: {error.strerror or error}", 1)
