"""`icot-tui probe`: what the hidden chain-of-thought positions of a checkpoint hold."""

import sys
from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer import Option

from icot_tui.cli.console import console, print_error, print_json, print_table, spinner
from icot_tui.cli.options import (
    Checkpoint,
    Data,
    Device,
    Json,
    KeepPositions,
    Side,
    Stage,
    examples,
)
from icot_tui.cli.plots.look import look_here, print_plot
from icot_tui.engine.run_folder import runs_folder
from icot_tui.formatting import plain, whole_share
from icot_tui.models.device import pick_device, silence_transformers
from icot_tui.output import say

if TYPE_CHECKING:
    from icot_tui.analysis.probe_report import ProbeReport
    from icot_tui.cli.plots.heat_map import Cell

app = typer.Typer()

EXAMPLES = examples(
    "icot-tui probe runs/demo --control runs/demo-no-cot",
    "icot-tui probe demo@best --target z3 --target ĉ2",
    "icot-tui probe demo --json > demo-probes.json",
    note="""\
z1, z2, ... are the tokens of the chain of thought; c0, c1, ... the answer's digits, lowest first; \
ĉ0, ĉ1, ... (also written s0, s1, ...) the running sums of a product.

Each cell is the margin of the probe over its best control: * if it is significant, # if patching \
supports it too, (brackets) if it proves nothing because the input up to there gives the target \
away. Scores are accuracies, or R² for running sums.""",
)


@app.command(epilog=EXAMPLES)
def probe(
    checkpoint: Checkpoint,
    control: Annotated[
        str | None, Option(metavar="CHECKPOINT_OR_RUN", help="A No-CoT model as a control.")
    ] = None,
    examples: Annotated[int, Option(min=100, help="Number of examples.")] = 2000,
    data: Data = None,
    target: Annotated[
        list[str] | None, Option(help="Probe only this target: z3, c1, ĉ2; repeatable.")
    ] = None,
    stage: Stage = None,
    side: Side = None,
    keep_positions: KeepPositions = None,
    patch: Annotated[bool, Option(help="Also patch; without it nothing counts as encoded.")] = True,
    seed: Annotated[int, Option(min=0, help="Seed of folds, shuffles and pairs.")] = 0,
    again: Annotated[bool, Option(help="Ignore the cached result.")] = False,
    device: Device = "auto",
    json: Json = False,
) -> None:
    """Train linear probes with controls, patch, and print what may be concluded."""
    from icot_tui.analysis.checkpoints import find_checkpoint
    from icot_tui.analysis.probe_run import ProbeSettings
    from icot_tui.analysis.probe_store import open_for_probing, probe_checkpoint
    from icot_tui.engine.checkpoints.opened import NOTHING_GIVEN, GivenRemoval
    from icot_tui.runs.opening import needs_plan

    silence_transformers()
    where, runs = pick_device(device), runs_folder()
    given = GivenRemoval(side, keep_positions)
    model = open_for_probing(checkpoint, runs, where, given)
    other = (
        None
        if control is None
        else open_for_probing(
            control,
            runs,
            where,
            given if needs_plan(find_checkpoint(control, runs)) else NOTHING_GIVEN,
        )
    )
    passed_over = [*model.opened.notes, *(() if other is None else other.opened.notes)]
    for text in passed_over:
        print_error(f"note: {text}")
    settings = ProbeSettings(
        examples=examples,
        data=data,
        targets=tuple(target or ()),
        stage=stage,
        patch=patch,
        seed=seed,
    )
    with spinner("reading the examples") as say:
        report = probe_checkpoint(
            model,
            other,
            settings,
            fresh=again,
            say=say,
            note=lambda text: print_error(f"note: {text}"),
        )
    if json:
        values = as_json(report)
        print_json(values | {"notes": [*passed_over, *values["notes"]]})
    else:
        _print_report(report, bool(target))


def as_json(report: "ProbeReport") -> dict[str, Any]:
    """A report as plain values; grids are lists by site and column, None if not computed."""
    from icot_tui.analysis.probe_report import caveats, conclusion

    return {
        "checkpoint": report.checkpoint,
        "stage": report.stage,
        "examples": report.examples,
        "seconds": report.seconds,
        "sites": report.sites,
        "columns": report.columns,
        "answer_digit_accuracy": report.accuracy.tolist(),
        "notes": list(caveats(report)),
        "targets": [
            asdict(facts)
            | {
                "verdict": conclusion(report, number),
                "encoded": bool(report.encoded[number].any()),
                "score": report.scores[number].tolist(),
                "error": report.errors[number].tolist(),
                "controls": {n: grid[number].tolist() for n, grid in report.controls.items()},
                "margin": report.margins[number].tolist(),
                "counts": report.valid[number][0].tolist(),
                "beats_controls": report.beats_controls[number].tolist(),
                "patched": _or_none(report.patched[number].tolist()),
                "patched_by_chance": _or_none(report.patched_control[number].tolist()),
                "encoded_cells": report.encoded[number].tolist(),
            }
            for number, facts in enumerate(report.targets)
        ],
    }


def _or_none(grid: list[list[float]]) -> list[list[float | None]]:
    return [[value if value == value else None for value in row] for row in grid]


def _print_report(report: "ProbeReport", named: bool) -> None:
    """Heat maps of the named targets; or a line per target, and the best one's heat map."""
    from icot_tui.analysis.probe_report import caveats, conclusion

    shown = list(range(len(report.targets)))
    if not named:
        print_table(
            ("target", "place", "score", "control", "margin", "patched", "verdict"),
            [_summary(report, number) for number in shown],
        )
        hidden = [number for number in shown if report.targets[number].kind != "digit"]
        shown = [max(hidden, key=lambda number: _rank(report, number))]
    for number in shown:
        _print_heat_map(report, number)
    say(
        f"{plain(report.checkpoint)}, stage {report.stage}, {report.examples:,} examples, "
        f"{report.seconds:.0f} s"
    )
    lines = [conclusion(report, number) for number in shown]
    lines += [f"note: {note}" for note in caveats(report)]
    for line in lines:
        if sys.stdout.isatty():
            console().print(f"- {plain(line)}")
        else:
            say(plain(line))


def _rank(report: "ProbeReport", target: int) -> tuple[bool, float]:
    row, column = report.cell_to_show(target)
    return bool(report.encoded[target].any()), float(report.margins[target, row, column])


def _summary(report: "ProbeReport", target: int) -> tuple[str, ...]:
    row, column = report.cell_to_show(target)
    cell = target, row, column
    share = float(report.patched[cell])
    chance = whole_share(report.patched_control[cell])
    patched = "" if share != share else f"{whole_share(share)} (chance {chance})"
    found = "readable" if report.readable[target].any() else "not found"
    return (
        report.targets[target].name,
        f"{report.site_labels[row]}, {report.columns[column]}",
        f"{report.scores[cell]:.2f}",
        f"{report.best_control(*cell)[1]:.2f}",
        f"{report.margins[cell]:+.2f}",
        patched,
        "encoded" if report.encoded[target].any() else found,
    )


def _print_heat_map(report: "ProbeReport", target: int) -> None:
    facts = report.targets[target]
    rows = [
        (label, list(_cells(report, target, row))) for row, label in enumerate(report.site_labels)
    ][::-1]  # the last layer on top
    if sys.stdout.isatty():
        from icot_tui.cli.plots.heat_map import draw_heat_map

        title = f"{facts.name}, {facts.words}: margin over the best control"
        print_plot(draw_heat_map(plain(title), report.columns, rows, look_here()))
    else:
        cells = ([label, *(text for text, _ in cells)] for label, cells in rows)
        print_table((facts.name, *report.columns), cells)


def _cells(report: "ProbeReport", target: int, row: int) -> "Iterator[Cell]":
    """The margin with its mark, and as the value that shades the cell if it has one."""
    for column, margin in enumerate(report.margins[target, row].tolist()):
        text = f"{margin:+.2f}".replace("0.", ".")
        if not report.valid[target, 0, column]:
            yield f"({text})", None
        elif report.beats_controls[target, row, column]:
            yield text + ("#" if report.encoded[target, row, column] else "*"), margin
        else:
            yield f"{text} ", None
