"""The table of a study: rows over seeds, as text, Markdown, CSV or plain data."""

import csv
import io
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from statistics import NormalDist, fmean, stdev
from typing import Any

from icot_tui.formatting import plain
from icot_tui.studies.collect import CHECKPOINT, DATA, Row
from icot_tui.studies.measures import MEASURES
from icot_tui.studies.plan import Labels
from icot_tui.studies.spec import MeasureName, ReportConfig

NOTHING = "–"
SAME_SPEED = 1.02  # speeds that differ by less are the same: they jitter by a hundredth
_T975 = (
    *(12.7062, 4.3027, 3.1824, 2.7764, 2.5706, 2.4469, 2.3646, 2.3060, 2.2622, 2.2281),
    *(2.2010, 2.1788, 2.1604, 2.1448, 2.1314, 2.1199, 2.1098, 2.1009, 2.0930, 2.0860),
    *(2.0796, 2.0739, 2.0687, 2.0639, 2.0595, 2.0555, 2.0518, 2.0484, 2.0452, 2.0423),
)
"""Student's t for two-sided 95 %, with 1 to 30 degrees of freedom."""


@dataclass(frozen=True)
class Estimate:
    """A mean over `count` values.

    half     half of its 95 % t interval; None for one value
    bounds   a 95 % interval of one value by itself, where there is one
    """

    mean: float
    half: float | None
    count: int
    bounds: tuple[float, float] | None = None


def estimate(values: Sequence[float | None]) -> Estimate | None:
    """Mean and interval of the finite values; None without any."""
    known = [value for value in values if value is not None and math.isfinite(value)]
    if not known:
        return None
    half = None
    if len(known) > 1:
        half = student_t(len(known) - 1) * stdev(known) / math.sqrt(len(known))
    return Estimate(fmean(known), half, len(known))


def student_t(freedom: int) -> float:
    """The 97.5 % point of Student's t; above 30 degrees of freedom by Cornish and Fisher."""
    if freedom <= len(_T975):
        return _T975[freedom - 1]
    z = NormalDist().inv_cdf(0.975)
    first = (z**3 + z) / 4
    second = (5 * z**5 + 16 * z**3 + 3 * z) / 96
    return z + first / freedom + second / freedom**2


@dataclass(frozen=True)
class Group:
    """The rows of the same values, over seeds."""

    labels: Labels
    values: dict[MeasureName, Estimate | None]
    seeds: tuple[int, ...]


@dataclass(frozen=True)
class Table:
    """Headings and cells as readers see them, and the groups that they were made of.

    `legend` has a sentence on each way in which its cells are written.
    """

    headers: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    groups: tuple[Group, ...]
    notes: tuple[str, ...]
    legend: tuple[str, ...]


def grouped(rows: Sequence[Row]) -> list[Group]:
    """Rows of the same values together, in the order of their first one."""
    together: dict[Labels, list[Row]] = {}
    for row in rows:
        together.setdefault(row.labels, []).append(row)
    groups = []
    for labels, same in together.items():
        names = dict.fromkeys(name for row in same for name in row.values)
        values = {name: _estimate(name, same) for name in names}
        groups.append(Group(labels, values, tuple(row.seed for row in same if row.values)))
    return groups


def _estimate(name: MeasureName, rows: Sequence[Row]) -> Estimate | None:
    found = estimate([row.values.get(name) for row in rows])
    if name != "exact_match" or found is None or found.count > 1:
        return found
    return replace(found, bounds=next((row.bounds for row in rows if row.bounds), None))


def best_settings(groups: Sequence[Group], axis: str) -> tuple[list[Group], list[str]]:
    """Of groups that differ in an axis alone, the best on the validation examples, without it.

    Compared are means over the seeds; of settings with fewer seeds than others, none is chosen.
    The notes say what each setting reached.
    """
    alike: dict[Labels, list[Group]] = {}
    for group in groups:
        rest = tuple(label for label in group.labels if label[0] != axis)
        alike.setdefault(rest, []).append(group)
    chosen, notes = [], []
    for rest, tried in alike.items():
        best = max(tried, key=_on_validation)
        chosen.append(replace(best, labels=rest))
        most, _ = _on_validation(best)
        told = ", ".join(f"{dict(one.labels)[axis]} {_validation(one, most)}" for one in tried)
        what = f"{', '.join(value for _, value in rest)}: " if rest else ""
        notes.append(f"{what}best {axis} of {len(tried)} by exact match on validation: {told}")
    return chosen, notes


def _on_validation(group: Group) -> tuple[int, float]:
    found = group.values.get("validation_exact_match")
    return (0, 0.0) if found is None else (found.count, found.mean)


def _validation(group: Group, most: int) -> str:
    """Its mean, and on how many seeds it rests where others have more."""
    found = group.values.get("validation_exact_match")
    if found is None:
        return NOTHING
    return f"{found.mean:.3f}" + (f" ({found.count} of {most} seeds)" if found.count < most else "")


def frontier(groups: Sequence[Group]) -> list[Group]:
    """Groups that no other beats in exact match and speed, and those without both values."""
    known = [(place, group) for group in groups if (place := _place(group)) is not None]
    kept: list[tuple[float, float]] = []
    beaten = []
    for (right, fast), group in sorted(known, key=lambda one: one[0], reverse=True):
        # Only what is kept beats: else many points, each hardly slower than the next, all would go.
        if any(
            fast < other_fast * SAME_SPEED
            if other_right > right
            else fast * SAME_SPEED < other_fast
            for other_right, other_fast in kept
        ):
            beaten.append(group)
        else:
            kept.append((right, fast))
    return [group for group in groups if group not in beaten]


def _place(group: Group) -> tuple[float, float] | None:
    right, fast = group.values.get("exact_match"), group.values.get("speed")
    return None if right is None or fast is None else (right.mean, fast.mean)


def make_table(rows: Sequence[Row], report: ReportConfig) -> Table:
    """The table that the report describes."""
    groups = grouped(rows)
    notes = [
        *_notes((row.labels, row.seed, row.note) for row in rows),
        *_notes((_trial_labels(row), row.seed, row.remark) for row in rows),
    ]
    if report.best_of is not None:
        groups, tried = best_settings(groups, report.best_of)
        notes += tried
    if report.frontier:
        all_groups, groups = groups, frontier(groups)
        notes += _of_frontier(all_groups, groups)
    axes = list(dict.fromkeys(axis for group in groups for axis, _ in group.labels))
    if report.per == "checkpoint" and CHECKPOINT in axes:
        groups.sort(key=lambda group: [_number(dict(group.labels).get(axis, "")) for axis in axes])
    seeds = len({row.seed for row in rows})
    headers, cells = _cells(groups, axes, report, seeds)
    legend = tuple(_legend(groups, report.measures, seeds))
    return Table(headers, cells, tuple(groups), tuple(notes), legend)


def _trial_labels(row: Row) -> Labels:
    return tuple(label for label in row.labels if label[0] not in (CHECKPOINT, DATA))


def _notes(said: Iterable[tuple[Labels, int, str]]) -> Iterator[str]:
    """`ICoT-SI, 2x2, seeds 0, 1: it failed`, each once."""
    seeds: dict[tuple[Labels, str], dict[str, None]] = {}
    for labels, seed, note in said:
        if note:
            seeds.setdefault((labels, note), {})[str(seed)] = None
    for (labels, note), of in seeds.items():
        what = ("seeds " if len(of) > 1 else "seed ") + ", ".join(of)
        yield f"{', '.join([*(value for _, value in labels), what])}: {note}"


def _of_frontier(groups: Sequence[Group], kept: Sequence[Group]) -> Iterator[str]:
    if left_out := len(groups) - len(kept):
        yield (
            f"left out: {left_out} that others beat in exact match or speed and are no worse than "
            "in the other (speeds within 2 % are the same)"
        )
    if unknown := sum(_place(group) is None for group in kept):
        yield f"{unknown} without exact match or speed: whether others beat them is not known"


def _legend(groups: Sequence[Group], measures: Sequence[MeasureName], seeds: int) -> Iterator[str]:
    """How to read the cells."""
    shown = [group.values.get(name) for group in groups for name in measures]
    values = [value for value in shown if value is not None]
    if any(value.half is not None for value in values):
        yield "Mean ± half of the 95 % interval (Student's t) over seeds."
    if any(value.bounds for value in values):
        yield "In brackets: with one seed, the 95 % interval (Wilson) over questions."
    if any(value.count < seeds for value in values):
        yield f"In parentheses: on how many of the {seeds} seeds a value rests."


def _cells(
    groups: Sequence[Group], axes: Sequence[str], report: ReportConfig, seeds: int
) -> tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]:
    """Headings and lines; the values of the axis `report.across` are groups of columns."""
    rest = [axis for axis in axes if axis != report.across]
    lines: dict[tuple[str, ...], dict[str, Group]] = {}
    columns: dict[str, None] = {}
    for group in groups:
        labels = dict(group.labels)
        column = labels.get(report.across or "", "")
        lines.setdefault(tuple(labels.get(axis, "") for axis in rest), {})[column] = group
        columns[column] = None
    titles = [MEASURES[name].title for name in report.measures]
    fronts = [f"{column}: " if column else "" for column in columns or [""]]
    headers = [front + title for front in fronts for title in titles]
    empty: dict[MeasureName, Estimate | None] = {}
    cells = []
    for key, by_column in lines.items():
        values = [by_column[column].values if column in by_column else empty for column in columns]
        found = [cell(name, one.get(name), seeds) for one in values for name in report.measures]
        cells.append((*key, *found))
    return (*rest, *headers), tuple(cells)


def cell(name: MeasureName, value: Estimate | None, seeds: int) -> str:
    """`0.95 ± 0.03`: mean and half of the 95 % interval over seeds; see `_legend`."""
    measure = MEASURES[name]
    if value is None:
        return NOTHING
    text = measure.text(value.mean)
    if value.half is not None:
        text += f" ± {measure.text(value.half)}"
    if value.bounds is not None:
        text += " [{}, {}]".format(*map(measure.text, value.bounds))
    return text if value.count >= seeds else f"{text} ({value.count} of {seeds})"


def _number(text: str) -> tuple[float, str]:
    return (float(text), "") if text.isdigit() else (-1.0, text)


def markdown(table: Table) -> str:
    """The table in Markdown."""
    lines = [table.headers, tuple("---" for _ in table.headers), *table.rows]
    return "".join("| " + " | ".join(map(_escaped, line)) + " |\n" for line in lines)


def _escaped(text: str) -> str:
    return plain(" ".join(text.split())).replace("\\", "\\\\").replace("|", "\\|")


def comma_separated(table: Table) -> str:
    """Bare numbers for other programs: of each group, mean, half interval, number of values."""
    names = list(dict.fromkeys(name for group in table.groups for name in group.values))
    axes = list(dict.fromkeys(axis for group in table.groups for axis, _ in group.labels))
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    headings = [part for name in names for part in (name, f"{name}_half_95", f"{name}_count")]
    writer.writerow([*axes, "seeds", *headings])
    for group in table.groups:
        labels = dict(group.labels)
        line: list[Any] = [*(labels.get(axis, "") for axis in axes), len(group.seeds)]
        for name in names:
            value = group.values.get(name)
            line += ["", "", 0] if value is None else [value.mean, value.half, value.count]
        writer.writerow(line)
    return file.getvalue()


def _as_data(value: Estimate | None) -> dict[str, Any] | None:
    if value is None:
        return None
    bounds = value.bounds and list(value.bounds)
    return {"mean": value.mean, "half_95": value.half, "count": value.count, "bounds_95": bounds}


def as_data(table: Table) -> list[dict[str, Any]]:
    """The groups as plain values for JSON."""
    return [
        {
            "labels": dict(group.labels),
            "seeds": list(group.seeds),
            "values": {name: _as_data(value) for name, value in group.values.items()},
        }
        for group in table.groups
    ]
