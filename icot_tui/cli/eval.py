"""`icot-tui eval`: how right and how fast a checkpoint is, alone or beside another one."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from icot_tui.engine.checkpoints.checkpoint import OpenedCheckpoint
    from icot_tui.engine.evaluation.exact_match import EvaluationResult
    from icot_tui.engine.evaluation.held_out import PreparedModel
    from icot_tui.engine.evaluation.speed import Speed

app = typer.Typer(add_completion=False)

SPEED_SECONDS = 5.0
"""How long the speed is measured, about."""

EXAMPLES = """
Examples:

  icot-tui eval runs/demo

  icot-tui eval demo@best --against demo-no-cot --examples 500

  icot-tui eval kd-2x2-cpu --against kd-2x2-cpu@teacher

  icot-tui eval some/folder --data test.txt --stage 0 --json
"""


@dataclass(frozen=True)
class Measured:
    """What was found of one checkpoint."""

    checkpoint: Path
    implicit: bool
    result: "EvaluationResult"
    seconds: float
    speed: "Speed | None" = None


@app.command(epilog=EXAMPLES)
def evaluate(
    checkpoint: Annotated[
        str,
        typer.Argument(
            metavar="CHECKPOINT_OR_RUN", help="A run, RUN@best, RUN@STAGE, or a folder."
        ),
    ],
    data: Annotated[
        Path | None, typer.Option(help="File of examples (default: the run's held-out ones).")
    ] = None,
    stage: Annotated[
        int | None, typer.Option(min=0, help="Removed tokens (default: the checkpoint's).")
    ] = None,
    against: Annotated[
        str | None, typer.Option(metavar="OTHER", help="Another one, measured side by side.")
    ] = None,
    against_stage: Annotated[int | None, typer.Option(min=0, help="Its removed tokens.")] = None,
    examples: Annotated[int | None, typer.Option(min=1, help="Only the first so many.")] = None,
    speed: Annotated[bool, typer.Option(help="Measure examples per second, one by one.")] = True,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
    json: Annotated[bool, typer.Option("--json", help="Print JSON for machines.")] = False,
) -> None:
    """Measure a checkpoint: greedy exact match on held-out examples, and speed at batch size 1."""
    from dataclasses import replace

    from transformers.utils import logging

    from icot_tui.analysis.checkpoints import find_checkpoint
    from icot_tui.cli.device import pick_device
    from icot_tui.engine.checkpoints.checkpoint import open_checkpoint
    from icot_tui.engine.evaluation.held_out import examples_of, prepare
    from icot_tui.engine.evaluation.speed import measure_speed
    from icot_tui.engine.run_folder import runs_folder

    logging.disable_progress_bar()
    logging.set_verbosity_error()
    where = pick_device(device)
    asked = [(checkpoint, stage)] + ([] if against is None else [(against, against_stage)])
    runs = runs_folder()
    opened = [(open_checkpoint(find_checkpoint(name, runs)), wanted) for name, wanted in asked]
    with _busy("reading the examples"):
        text = examples_of(opened[0][0], data, examples)
        prepared = [(one, prepare(one, wanted, text, where)) for one, wanted in opened]
    with _busy("evaluating"):
        measured = [_measure(one, model) for one, model in prepared]
    if speed:
        with _busy("measuring the speed"):
            speeds = measure_speed([model for _, model in prepared], SPEED_SECONDS)
        measured = [replace(one, speed=found) for one, found in zip(measured, speeds, strict=True)]
    if json:
        _print_json(measured)
    else:
        _print_table(measured)


def _measure(opened: "OpenedCheckpoint", model: "PreparedModel") -> Measured:
    import time

    began = time.perf_counter()
    result = model.evaluate(None if opened.config is None else opened.config.evaluation)
    return Measured(opened.path, model.implicit, result, time.perf_counter() - began)


@contextmanager
def _busy(what: str) -> Iterator[None]:
    """Say what takes so long, on a terminal."""
    import sys

    from icot_tui.cli.console import console

    if not sys.stderr.isatty():
        yield
        return
    with console(stderr=True).status(what):
        yield


def _ratio(measured: list[Measured]) -> float | None:
    """How many times as fast the first is as the second."""
    speeds = [one.speed for one in measured if one.speed is not None]
    return speeds[0].ratio(speeds[1]) if len(speeds) > 1 else None


def _print_json(measured: list[Measured]) -> None:
    from icot_tui.cli.console import print_json

    first, *others = map(_as_json, measured)
    if others:
        first |= {"against": others[0], "speed_ratio": _ratio(measured)}
    print_json(first)


def _as_json(one: Measured) -> dict[str, Any]:
    result = one.result
    return {
        "checkpoint": str(one.checkpoint),
        "stage": result.stage,
        "implicit": one.implicit,
        "examples": result.examples,
        "correct": result.correct,
        "exact_match": result.exact_match,
        "low": result.low,
        "high": result.high,
        "loss": result.loss,
        "token_accuracy": result.token_accuracy,
        "decoded": result.decoded,
        "seconds": one.seconds,
        "examples_per_second": one.speed and one.speed.examples_per_second,
    }


def _print_table(measured: list[Measured]) -> None:
    from icot_tui.cli.console import print_table

    columns = [dict(_lines(one)) for one in measured]
    rows = [(name, *(column[name] for column in columns)) for name in columns[0]]
    ratio = _ratio(measured)
    if ratio is not None:
        rows.append(("speed ratio", f"{ratio:.2f}", "1.00"))
    print_table(("", *(str(one.checkpoint) for one in measured)), rows)


def _lines(one: Measured) -> Iterator[tuple[str, str]]:
    result = one.result
    *digits, closing = (f"{share:.3f}" for share in result.token_accuracy)
    yield "removed tokens", f"{result.stage}" + (", nothing is written" if one.implicit else "")
    yield "exact match", f"{result.exact_match:.1%}"
    yield "95 % interval", f"{result.low:.1%} to {result.high:.1%}"
    yield "right", f"{result.correct:,} of {result.examples:,}"
    yield "by answer token", " ".join(digits)
    yield "closing separator", closing
    yield "loss", f"{result.loss:.4f} nats a token"
    yield "evaluated in", f"{one.seconds:.2f} s, {result.decoded:,} examples decoded"
    if one.speed is not None:
        yield "one by one", f"{one.speed.examples_per_second:.4g} examples/s"
