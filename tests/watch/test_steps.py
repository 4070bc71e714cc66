"""Steps as arrays are exactly what the events that stand say, one by one."""

import math
import random
from pathlib import Path

import numpy as np
import pytest

from icot_tui.engine.journal.events import Evaluated, PhaseBegan, RunResumed, StepsTrained
from icot_tui.engine.journal.journal import JournalReader
from icot_tui.engine.journal.rewind import effective
from icot_tui.engine.run_folder import RunFolder
from icot_tui.watch.steps import StepTable, read_steps
from tests.events import STARTED, evaluated, saved, trained
from tests.watch.runs import any_run, make
from tests.watch.test_columns import any_journal

Row = tuple[float, int, str, float, float, float]


def one_by_one(run: RunFolder) -> tuple[dict[int, Row], list[tuple[float, int, float]]]:
    """Rows by step, and evaluations, from events that were read line by line."""
    rows: dict[int, Row] = {}
    evaluations, phase = [], ""
    for time, event in effective(JournalReader(run.journal).events()):
        if isinstance(event, PhaseBegan):
            phase = event.phase
        elif isinstance(event, Evaluated):
            evaluations.append((time, event.step, event.exact_match))
        elif isinstance(event, StepsTrained):
            pairs = zip(event.losses, event.gradient_norms, strict=True)
            for step, (loss, norm) in enumerate(pairs, event.first):
                numbers = finite(loss), finite(norm)
                rows[step] = (time, event.stage, phase, *numbers, event.learning_rate)
    return rows, evaluations


def finite(value: float | None) -> float:
    return value if value is not None and math.isfinite(value) else math.nan


def check(run: RunFolder) -> None:
    rows, evaluations = one_by_one(run)
    table = read_steps(run)
    check_parts(run, table)
    assert table.steps.tolist() == sorted(rows)
    columns = zip(*(rows[step] for step in sorted(rows)), strict=True) if rows else [[]] * 6
    times, stages, phases, losses, norms, rates = map(list, columns)
    assert table.times.tolist() == times and table.stages.tolist() == stages
    assert [table.phase_names[at] for at in table.phases] == phases
    assert np.array_equal(table.losses, np.array(losses, float), equal_nan=True)
    assert np.array_equal(table.gradient_norms, np.array(norms, float), equal_nan=True)
    assert table.learning_rates.tolist() == rates
    results = [(one.time, one.result.step, one.result.exact_match) for one in table.evaluations]
    assert results == evaluations


def check_parts(run: RunFolder, table: StepTable) -> None:
    """Of each line that stands; a step that is told twice has the last one's."""
    parts: dict[str, dict[int, float]] = {}
    for _, event in effective(JournalReader(run.journal).events()):
        for name, mean in event.loss_parts.items() if isinstance(event, StepsTrained) else ():
            parts.setdefault(name, {})[event.step] = finite(mean)
    assert table.loss_parts.keys() == parts.keys()
    for name, (steps, means) in table.loss_parts.items():
        assert steps.tolist() == sorted(parts[name])
        np.testing.assert_array_equal(means, [parts[name][step] for step in sorted(parts[name])])


@pytest.mark.parametrize("seed", range(15))
def test_any_run_with_resumes_and_rollbacks(tmp_path: Path, seed: int) -> None:
    check(make(tmp_path, events=any_run(random.Random(seed), 300)))


@pytest.mark.parametrize("seed", range(5))
def test_a_damaged_journal_breaks_nothing(tmp_path: Path, seed: int) -> None:
    run = make(tmp_path)
    run.journal.write_bytes(any_journal(seed, damage=0.3))
    table = read_steps(run)
    assert np.all(np.diff(table.steps) > 0)
    assert len(table.losses) == len(table.gradient_norms) == len(table.times) == len(table.steps)


def test_a_resume_whose_checkpoint_has_no_line_undoes_later_steps(tmp_path: Path) -> None:
    """A kill between a checkpoint and its line: lines that were read in bulk are cut."""
    lines = [trained(2 * at, losses=[float(at), at + 0.5]) for at in range(1, 6)]
    undone = [STARTED, *lines[:4], evaluated(8, 0.25), lines[4], evaluated(10, 0.5)]
    resumed = RunResumed(step=8, checkpoint="step-00000008")
    run = make(tmp_path, events=[*undone, resumed, trained(10, losses=[9.0, 9.0]), saved(10)])
    check(run)
    assert read_steps(run).losses[-3:].tolist() == [4.5, 9.0, 9.0]


def test_no_journal_yet(tmp_path: Path) -> None:
    table = read_steps(make(tmp_path))
    assert len(table.steps) == len(table.losses) == len(table.evaluations) == 0
