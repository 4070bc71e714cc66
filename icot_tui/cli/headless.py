"""What `train` and `resume` share: train in this process, print, handle signals, report the end."""

import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from icot_tui.cli.progress import Style, best_style
from icot_tui.cli.reporter import Reporter
from icot_tui.cli.resilient_stdout import ResilientStdout
from icot_tui.config import RunConfig, load_config
from icot_tui.engine.checkpoints.checkpoint import CheckpointPath, list_checkpoints
from icot_tui.engine.journal.events import Event, RunEnded, Warned
from icot_tui.engine.journal.journal import Journal, JournalReader
from icot_tui.engine.journal.summary import RunSummary
from icot_tui.engine.journal.wording import how_answered
from icot_tui.engine.loop.commands import CommandQueue, Stop
from icot_tui.engine.run_folder import RunFolder
from icot_tui.errors import UserError
from icot_tui.formatting import duration
from icot_tui.signals import handling

ECHO_SECONDS = 0.2
"""A signal that comes again so soon is the same one, passed on by a wrapper."""
LAUNCHER_ECHO_SECONDS = 3.0
"""Launchers of several processes pass on what the terminal has already sent to all of them."""


class StopNow(KeyboardInterrupt):
    """The user asked a second time: no step more, no saving."""


def is_main_process() -> bool:
    """Is this the process that writes and prints? (Launchers number theirs in RANK.)"""
    return os.environ.get("RANK", "0") == "0"


@contextmanager
def report_once() -> Iterator[None]:
    """Of several processes that meet the same mistake, only the main one tells it."""
    try:
        yield
    except UserError as error:
        if is_main_process():
            raise
        raise UserError("", error.exit_status) from error


def drive(folder: RunFolder, config: RunConfig, as_json: bool, quiet: bool, is_new: bool) -> int:
    """Train a run to its end, or until told to stop.

    Returns:
        Exit status: 0 finished, or stopped and saved; 1 stopped without saving.

    Raises:
        UserError: another trainer is at work in it, or the training failed.
    """
    if not is_main_process():
        return _follow(folder)
    commands = CommandQueue(folder.control)  # first: once it is locked, letters are for this one
    folder.lock()  # before torch is imported: a folder without a trainer looks like a dead run
    outlet = ResilientStdout(folder.log)
    summary = RunSummary.of(JournalReader(folder.journal).events(), config)
    style: Style = "json" if as_json else "quiet" if quiet else best_style()
    reporter = Reporter(style, outlet, summary)
    say = (lambda text: None) if as_json and quiet else reporter.say
    began = time.monotonic()
    try:
        with handling_stop_signals(commands, say, outlet.hang_up):
            say(_greeting(folder, is_new))
            ended = _train(folder, commands, reporter)
            seconds = time.monotonic() - began
            say(lambda summary: farewell(folder, summary, ended, seconds))
            return 0 if ended.finished or is_saved(folder, ended) else 1
    except StopNow:
        _leave_word(
            folder,
            lambda step: RunEnded(
                step=step, reason="stopped at once, without saving", finished=False
            ),
        )
        say(
            remove_empty_run(folder, is_new)
            or f"stopped unsaved; go on: icot-tui resume {folder.path}"
        )
        return 1
    except Exception as error:
        what = str(error) if isinstance(error, UserError) else f"{type(error).__name__}: {error}"
        _leave_word(folder, lambda step: Warned(step=step, message=f"the training failed: {what}"))
        say(remove_empty_run(folder, is_new))
        raise
    finally:
        reporter.close()


def _follow(folder: RunFolder) -> int:
    """One of the other processes: it says nothing, and stops when the first one does."""
    try:
        with handling_stop_signals(None, lambda text: None, lambda: None):
            _train(folder, CommandQueue(), None)
    except StopNow:
        return 1
    return 0


def _train(folder: RunFolder, commands: CommandQueue, reporter: Reporter | None) -> RunEnded:
    import torch.distributed as distributed

    from icot_tui.engine.session import run_training

    ended = run_training(folder, commands, reporter)
    if distributed.is_available() and distributed.is_initialized():
        distributed.barrier()  # leave together, or the threads of one abort it at exit
        distributed.destroy_process_group()
    return ended


@contextmanager
def handling_stop_signals(
    commands: CommandQueue | None, say: Callable[[str], None], hang_up: Callable[[], None]
) -> Iterator[None]:
    """Obey signals: stop after saving, then stop at once; a dropped link stops nothing.

    Processes without commands wait for the first one's to reach them.
    """
    echo = LAUNCHER_ECHO_SECONDS if os.environ.get("WORLD_SIZE", "1") != "1" else ECHO_SECONDS
    asked_at: float | None = None

    def stop(number: int, frame: FrameType | None) -> None:
        nonlocal asked_at
        if asked_at is not None:
            if time.monotonic() > asked_at + echo:
                raise StopNow
            return
        asked_at = time.monotonic()
        if commands is not None:
            commands.put(Stop())
        say("stopping: this step is finished, then saved (once more: stop at once, unsaved)")

    def dropped(number: int, frame: FrameType | None) -> None:
        hang_up()

    with handling({signal.SIGINT: stop, signal.SIGTERM: stop, signal.SIGHUP: dropped}):
        yield


def _leave_word(folder: RunFolder, last_word: Callable[[int], Event]) -> None:
    """Journal how it went wrong, at the last step that was journaled."""
    step = max((line["step"] for line in JournalReader(folder.journal).lines()), default=None)
    if step is None:
        return
    try:
        folder.lock()
    except UserError:  # the run is another trainer's
        return
    try:
        journal = Journal(folder.journal)
        journal.write(last_word(step))
        journal.close()
    finally:
        folder.unlock()


def remove_empty_run(folder: RunFolder, is_new: bool) -> str:
    """Remove a new run's folder if nothing was trained in it, and say so."""
    if not is_new or next(JournalReader(folder.journal).lines(), None) is not None:
        return ""
    try:
        folder.lock()
    except UserError:  # another trainer goes on with it
        return ""
    shutil.rmtree(folder.path, ignore_errors=True)
    folder.unlock()
    return f"nothing was trained, so {folder.path} is removed again"


def is_saved(folder: RunFolder, ended: RunEnded) -> bool:
    """Is there a checkpoint of the very last step? (Prompted runs keep every reply.)"""
    if load_config(folder.config).config.method.name == "prompted":
        return True
    checkpoints = list_checkpoints(folder.checkpoints)
    return bool(checkpoints) and checkpoints[-1].step == ended.step


def _greeting(folder: RunFolder, is_new: bool) -> str:
    where, checkpoints = folder.path, list_checkpoints(folder.checkpoints)
    first = f"run folder  {where}"
    if not is_new:
        first += (
            f", newest checkpoint {checkpoints[-1].name}"
            if checkpoints
            else ", no checkpoint yet: the run starts anew"
        )
    return "\n".join(
        (
            first,
            f"look at it  icot-tui runs show {where}",
            f"step in     icot-tui ctl pause|hold|advance|save|stop --run {where}",
            f"stop        Ctrl-C saves first; go on later with icot-tui resume {where}",
        )
    )


def farewell(folder: RunFolder, summary: RunSummary, ended: RunEnded, seconds: float) -> str:
    """What was reached, and the commands to go on with."""
    metrics = summary.metrics
    lines = [f"finished: {ended.reason}" if ended.finished else ended.reason]
    if metrics.evaluation is not None and metrics.best is not None:
        last = metrics.evaluation
        how = "nothing written" if last.implicit else f"{summary.removed_tokens} tokens removed"
        if metrics.phase_name is not None:
            how = how_answered(last.implicit, metrics.phase_name)
        how = how if summary.asked is None else "prompted"
        lines.append(
            f"exact match {last.exact_match:.1%} ({last.low:.1%} to {last.high:.1%}, {how}), "
            f"best {metrics.best:.1%}"
        )
    asked = summary.asked
    done = f"{ended.step:,} steps" if asked is None else f"{asked.asked:,} questions asked"
    lines.append(f"{done}, {duration(seconds)} this time")
    checkpoint = best_checkpoint(folder, summary)
    if checkpoint is not None:
        is_best = checkpoint.step == metrics.best_step
        lines.append(f"{'best checkpoint' if is_best else 'checkpoint':<17}{checkpoint.path}")
        lines.append(f"measure it       icot-tui eval {checkpoint.path}")
    lines.append(f"look at the run  icot-tui runs show {folder.path}")
    if not ended.finished:
        lines.append(f"go on            icot-tui resume {folder.path}")
    return "\n".join(lines)


def best_checkpoint(folder: RunFolder, summary: RunSummary) -> CheckpointPath | None:
    """The checkpoint with the best exact match, or else the newest; None if there is none."""
    checkpoints = list_checkpoints(folder.checkpoints)
    best = [saved for saved in checkpoints if saved.step == summary.metrics.best_step]
    return max(best or checkpoints, default=None)
