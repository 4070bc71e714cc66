"""`icot-tui eval`: accuracy and speed of a checkpoint, alone or beside another one."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer import Option

from icot_tui.cli.console import print_error, print_json, print_table, spinner
from icot_tui.cli.options import (
    Checkpoint,
    Data,
    Device,
    HeldOutSplit,
    Json,
    KeepPositions,
    Side,
    Stage,
    examples,
)
from icot_tui.config import EvaluationConfig
from icot_tui.data.comparison import Compare
from icot_tui.engine.run_folder import runs_folder
from icot_tui.errors import UserError
from icot_tui.formatting import count, short_percent
from icot_tui.models.device import pick_device, silence_transformers
from icot_tui.units import UNIT_WORDS, Unit

if TYPE_CHECKING:
    from icot_tui.engine.checkpoints.opened import OpenedCheckpoint
    from icot_tui.engine.evaluation.exact_match import EvaluationResult
    from icot_tui.engine.evaluation.held_out import PreparedModel, Speed

app = typer.Typer()

SPEED_SECONDS = 5.0
"""Roughly how long the speed is measured."""

EXAMPLES = examples(
    "icot-tui eval runs/demo",
    "icot-tui eval demo@best --against demo-no-cot --examples 500",
    "icot-tui eval kd-2x2-cpu --against kd-2x2-cpu@teacher",
    "icot-tui eval some/folder --data test.txt --stage 0 --json",
)


@dataclass(frozen=True, kw_only=True)
class EvaluatedCheckpoint:
    """What was measured of one checkpoint."""

    checkpoint: Path
    unit: Unit
    implicit: bool
    result: "EvaluationResult"
    seconds: float
    notes: tuple[str, ...] = ()
    speed: "Speed | None" = None
    measured_on: str = ""


@app.command(epilog=EXAMPLES)
def evaluate(
    checkpoint: Checkpoint,
    data: Data = None,
    stage: Stage = None,
    side: Side = None,
    keep_positions: KeepPositions = None,
    against: Annotated[
        str | None, Option(metavar="OTHER", help="Another checkpoint, measured side by side.")
    ] = None,
    against_stage: Annotated[
        int | None, Option(min=0, help="Number of removed tokens of --against.")
    ] = None,
    split: Annotated[
        HeldOutSplit | None, Option(help="Split of the run (default: test if there is one).")
    ] = None,
    examples: Annotated[int | None, Option(min=1, help="Use only this many examples.")] = None,
    speed: Annotated[bool, Option(help="Measure examples per second at batch size 1.")] = True,
    compare: Annotated[
        Compare | None, Option(help="Compare answers otherwise than the run did.")
    ] = None,
    device: Device = "auto",
    json: Json = False,
) -> None:
    """Evaluate a checkpoint: greedy exact match on held-out examples, and speed at batch size 1."""
    from icot_tui.analysis.checkpoints import find_checkpoint
    from icot_tui.engine.checkpoints.opened import GivenRemoval
    from icot_tui.engine.evaluation.held_out import compare_of, examples_of, measure_speed, prepare
    from icot_tui.runs.opening import open_all

    silence_transformers()
    where = pick_device(device)
    named = [(checkpoint, stage)] + ([] if against is None else [(against, against_stage)])
    paths = [find_checkpoint(name, runs_folder()) for name, _ in named]
    given = GivenRemoval(side, keep_positions)
    opened = [(one, n[1]) for one, n in zip(open_all(paths, given), named, strict=True)]
    for one, _ in opened:
        for note in one.notes:
            print_error(f"note: {note}")
    with spinner("reading the examples") as say:
        unit: Unit = "step" if any(one.unit == "step" for one, _ in opened) else "token"
        text = examples_of(opened[0][0], data, examples, split, unit)
        prepared = []
        for one, wanted in opened:
            with _naming(one if against else None):
                prepared.append((one, prepare(one, wanted, text, where)))
        say("evaluating")
        chosen = compare or compare_of(opened[0][0], text)
        found = [_evaluate(one, model, chosen) for one, model in prepared]
        found = [replace(one, measured_on=text.source) for one in found]
        if speed:
            say("measuring the speed")
            measured = measure_speed([model for _, model in prepared], SPEED_SECONDS)
            found = [replace(one, speed=each) for one, each in zip(found, measured, strict=True)]
    speeds = [one.speed for one in found if one.speed is not None]
    ratio = speeds[0].ratio(speeds[1]) if len(speeds) > 1 else None
    if json:
        first, *others = map(_as_json, found)
        if others:
            first |= {"against": others[0], "speed_ratio": ratio}
        print_json(first)
        return
    columns = [dict(_lines(one)) for one in found]
    rows = [(name, *(column[name] for column in columns)) for name in columns[0]]
    if ratio is not None:
        rows.append(("speed ratio", f"{ratio:.2f}", "1.00"))
    print_table(("", *(str(one.checkpoint) for one in found)), rows)


@contextmanager
def _naming(opened: "OpenedCheckpoint | None") -> Iterator[None]:
    """Say of an error which checkpoint it is about, where there are two."""
    try:
        yield
    except UserError as error:
        if opened is None:
            raise
        raise UserError(f"{opened.path}: {error}") from error


def _evaluate(
    opened: "OpenedCheckpoint", model: "PreparedModel", compare: Compare
) -> EvaluatedCheckpoint:
    config = EvaluationConfig() if opened.config is None else opened.config.evaluation
    began = time.perf_counter()
    result = model.evaluate(config.model_copy(update={"compare": compare}))
    seconds = time.perf_counter() - began
    return EvaluatedCheckpoint(
        checkpoint=opened.path,
        unit=model.token_format.plan.unit,
        implicit=model.implicit,
        result=result,
        seconds=seconds,
        notes=opened.notes,
    )


def _as_json(one: EvaluatedCheckpoint) -> dict[str, Any]:
    result = one.result
    return {
        "checkpoint": one.checkpoint,
        "stage": result.stage,
        "implicit": one.implicit,
        "examples": result.examples,
        "correct": result.correct,
        "compare": result.compare,
        "measured_on": one.measured_on,
        "exact_match": result.exact_match,
        "low": result.low,
        "high": result.high,
        "loss": result.loss,
        "token_accuracy": result.token_accuracy,
        "decoded": result.decoded,
        "seconds": one.seconds,
        "examples_per_second": one.speed and one.speed.examples_per_second,
        "notes": one.notes,
    }


def _lines(one: EvaluatedCheckpoint) -> Iterator[tuple[str, str]]:
    result = one.result
    *digits, closing = (f"{share:.3f}" for share in result.token_accuracy)
    nothing = ", nothing is written" if one.implicit else ""
    yield "removed", count(result.stage, UNIT_WORDS[one.unit]) + nothing
    yield "exact match", short_percent(result.exact_match)
    yield "95 % interval", f"{short_percent(result.low)} to {short_percent(result.high)}"
    yield "compared as", result.compare
    yield "measured on", one.measured_on
    yield "correct", f"{result.correct:,} of {result.examples:,}"
    yield "by answer token", " ".join(digits)
    yield "closing separator", closing
    yield "loss", f"{result.loss:.4f} nats per token"
    yield "evaluated in", f"{one.seconds:.2f} s, {result.decoded:,} examples decoded"
    if one.speed is not None:
        yield "one by one", f"{one.speed.examples_per_second:.4g} examples/s"
