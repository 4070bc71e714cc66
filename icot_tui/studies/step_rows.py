"""A run's steps as rows for other programs: what every format of an export is made of."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from icot_tui.engine.journal.events import NextTokensProbed
from icot_tui.engine.journal.journal import JournalReader
from icot_tui.engine.run_folder import RunFolder
from icot_tui.watch.queries import OF_LOSS
from icot_tui.watch.steps import PartMeans, StepTable, TimedEvaluation, read_steps

if TYPE_CHECKING:
    import pyarrow

COLUMNS = {
    "run": "string", "step": "int64", "time": "double", "stage": "int64", "phase": "string",
    "loss": "double", "gradient_norm": "double", "learning_rate": "double",
    "exact_match": "double", "token_accuracy": "double", "evaluation_loss": "double",
    "implicit": "bool",
    "readable": "double", "readable_shuffled": "double", "readable_majority": "double",
}  # fmt: skip
"""Of an exported run, with Arrow's types: a row for each step; what was not measured is null.

`time` is in seconds since the epoch, of the journal's line that tells of the step. `phase` is
ICoT-KD's training, each with a loss of its own; empty for all other methods. The last three are
how well the tokens that go next are read before they are written (docs/probing.md). Where a loss
is a sum, `loss/NAME` follows for each part: the mean over a journal line, at its last step.
"""
SCALARS = ("stage", *(name for name in list(COLUMNS)[5:] if name != "implicit"))


BATCH = 1 << 16
"""Rows that are made at once: few enough to stay in a processor's cache."""


def exported(run: RunFolder, parts: Sequence[str] = ()) -> "pyarrow.Table":
    """A run's steps and evaluations, with `COLUMNS` and `parts`, in the order of the steps.

    Raises:
        OSError: the journal is there but can't be read.
    """
    import pyarrow

    return pyarrow.Table.from_batches(batches(run, parts), pyarrow.schema(columns_with(parts)))


def batches(run: RunFolder, parts: Sequence[str] = ()) -> Iterator["pyarrow.RecordBatch"]:
    """The same, `BATCH` rows at a time.

    Raises:
        OSError: the journal is there but can't be read.
    """
    import pyarrow

    table = read_steps(run)
    phases = tuple(dict.fromkeys((*table.phase_names, *(one.phase for one in table.evaluations))))
    evaluations = {one.result.step: one for one in table.evaluations}  # a step's last one counts
    evaluated = _evaluated([one for _, one in sorted(evaluations.items())], phases)
    probed = _probed(dict(sorted((one.step, (time, one)) for time, one in table.probed)))
    # The training's time, where a step has several.
    sources = (probed, evaluated, _trained(table), *_parts_of_loss(table, parts))
    told = np.union1d(evaluated["step"], probed["step"]).astype(np.int64)
    known = np.isin(told, table.steps, assume_unique=True)
    steps = table.steps if known.all() else np.union1d(table.steps, told)
    schema = pyarrow.schema(columns_with(parts))
    for first in range(0, len(steps), BATCH):
        columns = _columns(steps[first : first + BATCH], sources)
        numbers = pyarrow.array(columns["phase"].astype(np.int32))
        count = len(numbers)
        names = pyarrow.DictionaryArray.from_arrays(numbers, phases or [""]).cast("string")
        texts = {"run": pyarrow.repeat(run.name, count), "phase": names}
        arrays = [
            texts[field.name]
            if field.name in texts
            else pyarrow.array(columns[field.name], from_pandas=True).cast(field.type)
            if field.name in columns
            else pyarrow.nulls(count, field.type)
            for field in schema
        ]
        yield pyarrow.record_batch(arrays, schema)


def columns_with(parts: Sequence[str]) -> dict[str, str]:
    """Names and Arrow's types of all columns, those of the loss's parts included."""
    return COLUMNS | dict.fromkeys(parts, "double")


def _columns(
    steps: NDArray[np.int64], sources: Sequence[dict[str, NDArray[Any]]]
) -> dict[str, NDArray[Any]]:
    """What sources, each with rising steps, say of these; of several, the last one counts.

    What none of them tells of is left out, and NaN where it is told of other steps only.
    """
    columns: dict[str, NDArray[Any]] = {}
    for source in sources:
        first, after = np.searchsorted(source["step"], (steps[0], steps[-1] + 1))
        count, every = after - first, len(steps)
        places = np.searchsorted(steps, source["step"][first:after])
        for name, column in source.items():
            if count == every:
                columns[name] = column[first:after]
            elif count:
                columns.setdefault(name, np.full(every, np.nan))[places] = column[first:after]
    return columns


def loss_parts(runs: Sequence[RunFolder]) -> list[str]:
    """`loss/NAME` of every part that one of these runs' losses has.

    Raises:
        OSError: a journal is there but can't be read.
    """
    found: dict[str, None] = {}
    for run in runs:
        journal = JournalReader(run.journal).new_parts()
        if any(b'"loss_parts"' in text for text in journal):  # most are not parsed for this
            found |= dict.fromkeys(OF_LOSS + name for name in read_steps(run).loss_parts)
    return list(found)


def _parts_of_loss(table: StepTable, parts: Sequence[str]) -> Iterator[dict[str, NDArray[Any]]]:
    nothing = PartMeans(np.empty(0, np.int64), np.empty(0))
    for part in parts:
        steps, means = table.loss_parts.get(part.removeprefix(OF_LOSS), nothing)
        yield {"step": steps, part: means}


def _trained(table: StepTable) -> dict[str, NDArray[Any]]:
    return {
        "step": table.steps,
        "time": table.times,
        "stage": table.stages,
        "phase": table.phases,
        "loss": table.losses,
        "gradient_norm": table.gradient_norms,
        "learning_rate": table.learning_rates,
    }


def _evaluated(found: list[TimedEvaluation], phases: tuple[str, ...]) -> dict[str, NDArray[Any]]:
    results = [one.result for one in found]
    shares = [result.token_accuracy[:-1] for result in results]
    columns = {
        "step": [result.step for result in results],
        "time": [one.time for one in found],
        "stage": [result.stage for result in results],
        "phase": [phases.index(one.phase) for one in found],
        "exact_match": [result.exact_match for result in results],
        "token_accuracy": [sum(each) / len(each) if each else None for each in shares],
        "evaluation_loss": [result.loss for result in results],
        "implicit": [result.implicit for result in results],
    }
    return {name: np.array(values, dtype=np.float64) for name, values in columns.items()}


def _probed(found: dict[int, tuple[float, NextTokensProbed]]) -> dict[str, NDArray[Any]]:
    columns = {
        "step": [*found],
        "time": [time for time, _ in found.values()],
        "stage": [one.before for _, one in found.values()],
        "phase": [0] * len(found),  # runs of several trainings have none
        "readable": [one.readable for _, one in found.values()],
        "readable_shuffled": [one.shuffled for _, one in found.values()],
        "readable_majority": [one.majority for _, one in found.values()],
    }
    return {name: np.array(values, dtype=np.float64) for name, values in columns.items()}
