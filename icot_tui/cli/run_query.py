"""`icot-tui runs query`: numbers of a run, for scripts."""

import math
from typing import Annotated

import typer
from typer import Argument, Option

from icot_tui.cli.console import print_json
from icot_tui.cli.options import Json, Runs, examples
from icot_tui.engine.run_folder import RunFolder, runs_folder
from icot_tui.errors import UserError
from icot_tui.output import say

app = typer.Typer()


@app.command(
    epilog=examples(
        "icot-tui runs query demo loss --at 4000",
        "icot-tui runs query codi loss/student --json",
        "icot-tui runs query demo accuracy --json",
        "icot-tui runs query demo removed --from 1000 --to 5000 --every 500",
    )
)
def query(
    run: Annotated[str, Argument(metavar="RUN", help="Name or folder of a run.")],
    quantity: Annotated[
        str,
        Argument(
            metavar="QUANTITY",
            help="Of steps: loss (mean nats per supervised token), removed (tokens, or reasoning "
            "steps), grad-norm (before clipping), lr (learning rate), time (when the step was "
            "journaled, in seconds since 1970, UTC; plots are over the time of training). Where "
            "the loss is a sum: loss/NAME (a part's mean over the last few steps, at each last "
            "one). Of evaluations: accuracy (exact match, 0 to 1), evaluation-loss (nats, as "
            "loss). Of probes of what goes next: readable, readable-shuffled, readable-majority "
            "(shares).",
        ),
    ],
    at: Annotated[int | None, Option(min=0, help="Only the value at this step.")] = None,
    first: Annotated[int | None, Option("--from", min=0, help="The first step.")] = None,
    last: Annotated[int | None, Option("--to", min=0, help="The last step.")] = None,
    every: Annotated[int, Option(min=1, help="Only steps that are multiples of this.")] = 1,
    runs: Runs = None,
    json: Json = False,
) -> None:
    """Print a quantity at each step: what a resume undid is left out, and nothing is guessed.

    A value that was not finite is nan, and null in JSON.
    """
    from icot_tui.watch.queries import Quantity
    from icot_tui.watch.steps import read_steps

    if at is not None and (first is not None or last is not None or every != 1):
        raise UserError("give either --at, or --from, --to and --every")
    folder = RunFolder.find(runs or runs_folder(), run)
    try:
        found = Quantity.of(read_steps(folder), quantity)
    except OSError as error:
        why = error.strerror or error
        raise UserError(f"{folder.journal} cannot be read: {why}", 1) from error
    if at is not None:
        value = _plain(found.at(at))
        if json:
            print_json({"run": folder.name, "quantity": quantity, "step": at, "value": value})
        else:
            say("nan" if value is None else value)
        return
    found = found.between(first, last, every)
    steps, values = found.steps.tolist(), [_plain(value) for value in found.values.tolist()]
    if json:
        print_json({"run": folder.name, "quantity": quantity, "steps": steps, "values": values})
        return
    say(f"step\t{quantity}")
    for step, value in zip(steps, values, strict=True):
        say(f"{step}\t{'nan' if value is None else value}")


def _plain(value: float) -> float | int | None:
    if not math.isfinite(value):
        return None
    return int(value) if value.is_integer() and abs(value) < 2**53 else value
