"""`icot-tui ctl`: commands for a live run, executed between two of its steps."""

import inspect
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
from typer import Argument, Option

from icot_tui.cli.console import print_json
from icot_tui.cli.options import Json, Runs
from icot_tui.engine.journal.events import CommandDone
from icot_tui.engine.journal.journal import JournalReader
from icot_tui.engine.journal.summary import RunSummary
from icot_tui.engine.loop import commands
from icot_tui.engine.loop.commands import Command, post
from icot_tui.engine.run_folder import RunFolder, runs_folder
from icot_tui.errors import UserError
from icot_tui.formatting import plain
from icot_tui.output import say

app = typer.Typer(
    no_args_is_help=True,
    help="Control a live run. Commands are executed between two steps, and journaled.",
    epilog="Examples: icot-tui ctl pause;  icot-tui ctl advance 2 --run demo-2;  "
    "icot-tui ctl rollback --to 1200",
)

POLL_SECONDS = 0.1


def _send(
    command: Command,
    run: Annotated[
        str | None, Option("--run", help="Name or folder of a run (default: the latest one).")
    ] = None,
    runs: Runs = None,
    seconds: Annotated[
        float, Option("--wait", min=0, help="Seconds to wait for the answer.")
    ] = 30.0,
    no_wait: Annotated[bool, Option("--no-wait", help="Don't wait for the answer.")] = False,
    json: Json = False,
) -> int:
    """Post a command, wait for its answer, and print it; 1 when it was refused."""
    folder = RunFolder.find(runs or runs_folder(), run)
    if not folder.is_locked():
        if RunSummary.of(JournalReader(folder.journal).events()).status(False, 0.0) == "finished":
            raise UserError(f"run {folder.name} is finished: no command can reach it", 1)
        raise UserError(
            f"no trainer is at work on run {folder.name}: resume it with "
            f"'icot-tui resume {folder.path}'",
            1,
        )
    reader = JournalReader.at_end(folder.journal)
    try:
        message = post(folder.control, command)
    except OSError as error:
        where = folder.control
        raise UserError(f"cannot reach the trainer through {where}: {error.strerror}", 1) from error
    if no_wait:
        if json:
            print_json({"command": command.name, "id": command.id, "posted": True})
        else:
            say(f"{command.name}: posted to run {folder.name}")
        return 0
    answer = _answer(folder, command, reader, time.monotonic() + seconds)
    if answer is None:
        raise UserError(_no_answer(folder, message, seconds), 1)
    if json:
        print_json(msgspec.to_builtins(answer))
    elif not answer.done:
        raise UserError(f"run {folder.name}, {answer.command}: {answer.effect}", 1)
    else:
        say(plain(f"{folder.name}: {answer.effect}"))
    return 0 if answer.done else 1


def _answer(
    folder: RunFolder, command: Command, reader: JournalReader, deadline: float
) -> CommandDone | None:
    """The journal's event for the command; None after the deadline, or if the trainer ends."""
    while True:
        was_locked = folder.is_locked()
        for _, event in reader.events():
            if isinstance(event, CommandDone) and event.id == command.id:
                return event
        if not was_locked or time.monotonic() >= deadline:
            return None
        time.sleep(POLL_SECONDS)


def _no_answer(folder: RunFolder, message: Path, seconds: float) -> str:
    """Withdraw the command, so that no later trainer executes it, and say what happened."""
    what = f"did not receive the command in {seconds:g} s, so it was withdrawn"
    try:
        message.unlink()
    except OSError:  # the trainer took it
        what = f"received the command but did not answer in {seconds:g} s"
    if not folder.is_locked():
        return f"the trainer of run {folder.name} ended before it answered"
    busy = "it may be loading, saving or evaluating: try again with a longer --wait"
    return f"run {folder.name} {what}; {busy}"


def _command(make: Callable[..., Command]) -> None:
    """Register a sub-command from a function that turns its options into a command.

    The sub-command also has the options of `_send`.
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


def _plain_command(kind: type[Command], about: str) -> None:
    """Register a sub-command that has no options of its own."""

    def make() -> Command:
        return kind()

    make.__name__, make.__doc__ = kind().name, about
    _command(make)


_plain_command(commands.Pause, "Pause before the next step.")
_plain_command(commands.Resume, "Continue after a pause.")
_plain_command(commands.Evaluate, "Evaluate now.")
_plain_command(commands.Save, "Write a checkpoint now.")
_plain_command(commands.ResetOptimizer, "Reset the optimizer's state.")


@_command
def hold(off: Annotated[bool, Option("--off", help="Release the schedule.")] = False) -> Command:
    """Hold the stage: training goes on, removal does not."""
    return commands.Hold(on=not off)


@_command
def advance(
    tokens: Annotated[int, Argument(min=1, help="Number of tokens, or steps.")] = 1,
) -> Command:
    """Remove more tokens (or steps) now, whatever the schedule says."""
    return commands.Advance(tokens=tokens)


@_command
def rollback(
    step: Annotated[
        int | None,
        Option("--to", min=0, help="Step of a checkpoint (default: before the last removal)."),
    ] = None,
) -> Command:
    """Go back to a checkpoint: weights, optimizer and stage."""
    return commands.Rollback(step=step)


@_command
def set_delta(
    removals: Annotated[float, Argument(help="Removals an epoch, for the linear schedule.")],
) -> Command:
    """Change how many removals there are in an epoch."""
    return commands.SetRemovePerEpoch(remove_per_epoch=_positive(removals, "removals an epoch"))


@_command
def set_lr(rate: Annotated[float, Argument(help="The new peak learning rate.")]) -> Command:
    """Change the learning rate."""
    return commands.SetLearningRate(learning_rate=_positive(rate, "a learning rate"))


@_command
def stop(now: Annotated[bool, Option("--now", help="Stop without saving.")] = False) -> Command:
    """Save and stop the run; 'icot-tui resume' continues it."""
    return commands.Stop(save=not now)


def _positive(value: float, what: str) -> float:
    if not 0 < value < float("inf"):
        raise UserError(f"{what} must be a number above 0, not {value:g}")
    return value
