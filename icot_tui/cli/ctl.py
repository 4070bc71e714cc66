"""`icot-tui ctl`: wishes for a live run, carried out between two of its steps."""

import inspect
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from icot_tui.cli.console import print_json
from icot_tui.engine.journal.events import CommandDone
from icot_tui.engine.journal.journal import JournalReader
from icot_tui.engine.loop import commands
from icot_tui.engine.loop.commands import Command, post
from icot_tui.engine.run_folder import RunFolder, runs_folder
from icot_tui.errors import UserError
from icot_tui.plain import plain

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="Steer a live run. What is wished is carried out between two steps, and journaled.",
    epilog="Examples: icot-tui ctl pause;  icot-tui ctl advance 2 --run demo-2;  "
    "icot-tui ctl rollback --to 1200",
)

POLL_SECONDS = 0.1


def _send(
    command: Command,
    run: Annotated[
        str | None, typer.Option("--run", help="A run's name or folder (default: the latest).")
    ] = None,
    runs: Annotated[
        Path | None,
        typer.Option("--runs", help="Folder of the runs (default: $ICOT_TUI_RUNS, or runs)."),
    ] = None,
    seconds: Annotated[
        float, typer.Option("--wait", min=0, help="Seconds to wait for the answer.")
    ] = 30.0,
    no_wait: Annotated[bool, typer.Option("--no-wait", help="Don't wait for the answer.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print the answer as JSON.")] = False,
) -> int:
    """Post a command, wait for its answer, and print it; 1 when it was refused."""
    folder = RunFolder.find(runs or runs_folder(), run)
    if not folder.is_locked():
        raise UserError(
            f"no trainer is at work on run {folder.name}: "
            f"go on with 'icot-tui resume {folder.path}'",
            1,
        )
    reader = JournalReader(folder.journal, from_end=True)
    letter = _post(folder, command)
    if no_wait:
        if json:
            print_json({"command": command.name, "id": command.id, "posted": True})
        else:
            print(f"{command.name}: posted to run {folder.name}")
        return 0
    answer = _answer(folder, command, reader, time.monotonic() + seconds)
    if answer is None:
        raise UserError(_no_answer(folder, letter, seconds), 1)
    if json:
        print_json(answer.as_json())
    elif not answer.done:
        raise UserError(f"run {folder.name}, {answer.command}: {answer.effect}", 1)
    else:
        print(plain(f"{folder.name}: {answer.effect}"))
    return 0 if answer.done else 1


def _post(folder: RunFolder, command: Command) -> Path:
    try:
        return post(folder.control, command)
    except OSError as error:
        raise UserError(
            f"cannot reach the trainer through {folder.control}: {error.strerror}", 1
        ) from error


def _answer(
    folder: RunFolder, command: Command, reader: JournalReader, deadline: float
) -> CommandDone | None:
    """What the journal says of the command; None when the time is up or the trainer gone."""
    while True:
        was_locked = folder.is_locked()
        for _, event in reader.events():
            if isinstance(event, CommandDone) and event.id == command.id:
                return event
        if not was_locked or time.monotonic() >= deadline:
            return None
        time.sleep(POLL_SECONDS)


def _no_answer(folder: RunFolder, letter: Path, seconds: float) -> str:
    """Take the letter back, so that no later trainer obeys it, and say what happened."""
    try:
        letter.unlink()
        taken = False
    except OSError:
        taken = True
    if not folder.is_locked():
        return f"the trainer of run {folder.name} ended before it answered"
    if taken:
        return f"run {folder.name} has taken the command but not answered in {seconds:g} s; {BUSY}"
    return (
        f"run {folder.name} did not take the command in {seconds:g} s, so it was withdrawn; {BUSY}"
    )


BUSY = "it may be loading, saving or evaluating: try again with a longer --wait"


def _command(make: Callable[..., Command]) -> None:
    """Make a sub-command of a function that turns its own options into a command.

    Its options are the function's and those of `_send`.
    """

    def run(**options: Any) -> int:
        own = {name: options.pop(name) for name in inspect.signature(make).parameters}
        return _send(make(**own), **options)

    own = inspect.signature(make, eval_str=True).parameters.values()
    shared = [*inspect.signature(_send, eval_str=True).parameters.values()][1:]
    keyword = inspect.Parameter.KEYWORD_ONLY
    run.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [parameter.replace(kind=keyword) for parameter in (*own, *shared)]
    )
    run.__doc__ = make.__doc__
    app.command(make.__name__.replace("_", "-"))(run)


@_command
def pause() -> Command:
    """Wait before the next step."""
    return commands.Pause()


@_command
def resume() -> Command:
    """Go on after a pause."""
    return commands.Resume()


@_command
def hold(
    off: Annotated[bool, typer.Option("--off", help="Let the schedule go on.")] = False,
) -> Command:
    """Keep the stage while training goes on."""
    return commands.Hold(on=not off)


@_command
def advance(
    tokens: Annotated[int, typer.Argument(min=1, help="How many more tokens.")] = 1,
) -> Command:
    """Remove more tokens now, schedule or not."""
    return commands.Advance(tokens)


@_command
def rollback(
    step: Annotated[
        int | None,
        typer.Option("--to", min=0, help="Step of a checkpoint (default: before the removal)."),
    ] = None,
) -> Command:
    """Go back to a checkpoint: weights, optimizer and stage."""
    return commands.Rollback(step)


@_command
def reset_optimizer() -> Command:
    """Drop the optimizer's state."""
    return commands.ResetOptimizer()


@_command
def evaluate() -> Command:
    """Evaluate now."""
    return commands.Evaluate()


@_command
def save() -> Command:
    """Write a checkpoint now."""
    return commands.Save()


@_command
def set_delta(
    tokens: Annotated[float, typer.Argument(help="Tokens an epoch, of the linear schedule.")],
) -> Command:
    """Change how many tokens an epoch are removed."""
    return commands.SetRemovePerEpoch(_positive(tokens, "tokens an epoch"))


@_command
def set_lr(
    rate: Annotated[float, typer.Argument(help="The new peak learning rate.")],
) -> Command:
    """Change the learning rate."""
    return commands.SetLearningRate(_positive(rate, "a learning rate"))


@_command
def stop(
    now: Annotated[bool, typer.Option("--now", help="Without saving.")] = False,
) -> Command:
    """Save and end the run; 'icot-tui resume' goes on with it."""
    return commands.Stop(save=not now)


def _positive(value: float, what: str) -> float:
    if not 0 < value < float("inf"):
        raise UserError(f"{what} must be a number above 0, not {value:g}")
    return value
