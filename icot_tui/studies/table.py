"""The table of a study: rows over seeds, as text, Markdown, CSV or plain data."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from icot_tui.studies.collect import CHECKPOINT, Row
from icot_tui.studies.measures import MEASURES
from icot_tui.studies.spec import MeasureName, ReportConfig
from icot_tui.studies.statistics import Estimate, estimate

NOTHING = "–"


@dataclass(frozen=True)
class Group:
    """The rows of the same values, over seeds."""

    labels: tuple[tuple[str, str], ...]
    values: dict[MeasureName, Estimate | None]
    seeds: tuple[int, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Table:
    """Headings and cells as a reader sees them, and what they were made of."""

    headers: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    groups: tuple[Group, ...]
    notes: tuple[str, ...]


def grouped(rows: Sequence[Row]) -> list[Group]:
    """Rows of the same values together, in the order of their first one."""
    together: dict[tuple[tuple[str, str], ...], list[Row]] = {}
    for row in rows:
        together.setdefault(row.labels, []).append(row)
    groups = []
    for labels, same in together.items():
        names = dict.fromkeys(name for row in same for name in row.values)
        values = {name: estimate([row.values.get(name) for row in same]) for name in names}
        seeds = tuple(row.seed for row in same if row.values)
        where = ", ".join(value for _, value in labels)
        notes = tuple(f"{where}, seed {row.seed}: {row.note}" for row in same if row.note)
        groups.append(Group(labels, values, seeds, notes))
    return groups


def frontier(groups: Sequence[Group]) -> list[Group]:
    """Those that no other one beats in exact match and speed; both must be known."""
    measured = [(group, _place(group)) for group in groups]
    known = [(group, place) for group, place in measured if place is not None]
    return [
        group
        for group, (right, fast) in known
        if not any(
            other_right >= right
            and other_fast >= fast
            and (other_right, other_fast) != (right, fast)
            for _, (other_right, other_fast) in known
        )
    ]


def _place(group: Group) -> tuple[float, float] | None:
    right, fast = group.values.get("exact_match"), group.values.get("speed")
    return None if right is None or fast is None else (right.mean, fast.mean)


def make_table(rows: Sequence[Row], report: ReportConfig) -> Table:
    """The table that the report describes."""
    groups = grouped(rows)
    notes = tuple(note for group in groups for note in group.notes)
    if report.frontier:
        left_out = len(groups)
        groups = frontier(groups)
        left_out -= len(groups)
        notes += (f"left out: {left_out} that others beat in both exact match and speed",)
    axes = list(dict.fromkeys(axis for group in groups for axis, _ in group.labels))
    if report.per == "checkpoint" and CHECKPOINT in axes:
        groups.sort(key=lambda group: [_number(dict(group.labels).get(axis, "")) for axis in axes])
    titles = [MEASURES[name].title for name in report.measures]
    across = report.across if report.across in axes else None
    if across is None:
        cells = [
            (*(dict(group.labels).get(axis, "") for axis in axes), *_cells(group, report.measures))
            for group in groups
        ]
        return Table((*axes, *titles), tuple(cells), tuple(groups), notes)
    headers, cells = _side_by_side(groups, axes, across, report.measures)
    return Table(headers, tuple(cells), tuple(groups), notes)


def _side_by_side(
    groups: Sequence[Group], axes: Sequence[str], across: str, measures: Sequence[MeasureName]
) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """One axis's values as groups of columns."""
    rest = [axis for axis in axes if axis != across]
    columns = list(dict.fromkeys(dict(group.labels)[across] for group in groups))
    lines: dict[tuple[str, ...], dict[str, Group]] = {}
    for group in groups:
        labels = dict(group.labels)
        key = tuple(labels.get(axis, "") for axis in rest)
        lines.setdefault(key, {})[labels[across]] = group
    empty = (NOTHING,) * len(measures)
    cells = []
    for key, by_column in lines.items():
        line = list(key)
        for column in columns:
            line += _cells(by_column[column], measures) if column in by_column else empty
        cells.append(tuple(line))
    titles = [f"{column}: {MEASURES[name].title}" for column in columns for name in measures]
    return (*rest, *titles), cells


def _cells(group: Group, measures: Sequence[MeasureName]) -> tuple[str, ...]:
    return tuple(cell(name, group.values.get(name)) for name in measures)


def cell(name: MeasureName, value: Estimate | None) -> str:
    """`0.95 ± 0.03`: mean and half of the 95 % interval over seeds."""
    measure = MEASURES[name]
    if value is None:
        return NOTHING
    mean = measure.text(value.mean)
    return mean if value.half is None else f"{mean} ± {measure.text(value.half)}"


def _number(text: str) -> tuple[float, str]:
    return (float(text), "") if text.isdigit() else (-1.0, text)


def markdown(table: Table) -> str:
    """The table in Markdown."""
    lines = [table.headers, tuple("---" for _ in table.headers), *table.rows]
    return "".join("| " + " | ".join(map(_escaped, line)) + " |\n" for line in lines)


def _escaped(text: str) -> str:
    return " ".join(text.split()).replace("\\", "\\\\").replace("|", "\\|")


def comma_separated(table: Table) -> str:
    """Bare numbers for other programs: a line for each group, mean, half interval, seeds."""
    names = list(dict.fromkeys(name for group in table.groups for name in group.values))
    axes = list(dict.fromkeys(axis for group in table.groups for axis, _ in group.labels))
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    headings = [part for name in names for part in (name, f"{name}_half_95")]
    writer.writerow([*axes, "seeds", *headings])
    for group in table.groups:
        labels = dict(group.labels)
        line: list[Any] = [*(labels.get(axis, "") for axis in axes), len(group.seeds)]
        for name in names:
            value = group.values.get(name)
            line += ["", ""] if value is None else [value.mean, value.half]
        writer.writerow(line)
    return file.getvalue()


def as_data(table: Table) -> list[dict[str, Any]]:
    """The groups as plain values for JSON."""
    return [
        {
            "labels": dict(group.labels),
            "seeds": list(group.seeds),
            "values": {
                name: None
                if value is None
                else {"mean": value.mean, "half_95": value.half, "count": value.count}
                for name, value in group.values.items()
            },
        }
        for group in table.groups
    ]
