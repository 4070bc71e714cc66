"""Trains a run in this process without a screen: prints, handles signals, reports the result."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import msgspec

from icot_tui.cli.console import print_json
from icot_tui.cli.printer import ResilientStdout, Style, best_style
from icot_tui.cli.reporter import Reporter
from icot_tui.config import RunConfig, load_config, method_of
from icot_tui.engine.checkpoints.checkpoint import best_or_newest, list_checkpoints
from icot_tui.engine.checkpoints.description import read_description
from icot_tui.engine.journal.events import Event, RunEnded, Warned
from icot_tui.engine.journal.journal import Journal, JournalReader, last_step, tells_of
from icot_tui.engine.journal.summary import RunSummary
from icot_tui.engine.journal.wording import how_answered
from icot_tui.engine.loop.commands import CommandQueue, Preempt, Stop
from icot_tui.engine.run_folder import RunFolder
from icot_tui.errors import UserError, reason
from icot_tui.formatting import count, duration, plain, short_percent
from icot_tui.output import say
from icot_tui.runs.new_run import remove_empty_run
from icot_tui.signals import ECHO_SECONDS, handling_stop, ignore_signals, when_parent_ends

LAUNCHER_ECHO_SECONDS = 3.0
"""Launchers of several processes repeat a signal that the terminal has sent to all of them."""

PARENT = os.getppid()
"""Known before processes wait for each other: a launcher may be gone when they begin to train."""


class StopNow(KeyboardInterrupt):
    """The user asked a second time: stop without another step, without saving."""


def rank() -> str:
    """The number that a launcher gave to this process; the first one writes and prints."""
    return os.environ.get("RANK", "0")


def is_main_process() -> bool:
    """Is this the process that writes and prints?"""
    return rank() == "0"


@contextmanager
def report_once() -> Iterator[None]:
    """If several processes raise the same error, only the main one prints it."""
    try:
        yield
    except UserError as error:
        if is_main_process():
            raise
        raise UserError("", error.exit_status) from error


def train_run(
    folder: RunFolder,
    config: RunConfig,
    *,
    as_json: bool,
    quiet: bool,
    is_new: bool,
    exact: bool = False,
) -> int:
    """Train a run until it ends or a signal or command stops it.

    Returns:
        Exit status: 0 finished, or stopped and saved; 1 stopped without saving.

    Raises:
        UserError: another trainer is at work on it, or the training failed.
    """
    if not is_main_process():
        return _follow(folder, exact)
    commands = CommandQueue(folder.control)  # before the lock: from then on, mail is for this run
    folder.lock()  # before torch is imported: a folder without a trainer looks like a dead run
    stdout = ResilientStdout(folder.log)
    summary = RunSummary.of(JournalReader(folder.journal).events(), config)
    style: Style = "json" if as_json else "quiet" if quiet else best_style()
    reporter = Reporter(style, stdout, summary)
    tell = (lambda text: None) if as_json and quiet else reporter.message
    began = time.monotonic()
    with handling_stop_signals(commands, tell, stdout.hang_up):
        try:
            tell(_opening_lines(folder, is_new))
            ended = _train(folder, commands, reporter, exact)
            ignore_signals()
            seconds = time.monotonic() - began
            tell(lambda summary: closing_lines(folder, summary, ended, seconds))
            return 0 if ended.finished or is_saved(folder, ended) else 1
        except StopNow:
            ignore_signals()
            tell(leave_unsaved(folder, is_new))
            return 1
        except Exception as error:
            failure = f"the training failed: {reason(error)}"
            _record_at_last_step(folder, lambda step: Warned(step=step, message=failure))
            tell(remove_empty_run(folder, is_new))
            raise
        finally:
            ignore_signals()
            reporter.close()
            folder.unlock()


def resume_run(folder: RunFolder, *, as_json: bool, quiet: bool, exact: bool = False) -> int:
    """Continue a run where it stopped, as `train_run`; if it is finished, print how it ended."""
    config = load_config(folder.config).config
    folder.check()
    ended = finished_end(folder)
    if ended is None:
        return train_run(folder, config, as_json=as_json, quiet=quiet, is_new=False, exact=exact)
    if is_main_process() and as_json:
        print_json(msgspec.to_builtins(ended))
    elif is_main_process():
        say(f"run {folder.name} is finished: {plain(ended.reason)}")
    return 0


def _follow(folder: RunFolder, exact: bool) -> int:
    """Train in one of the other processes: it prints nothing, and all stop together."""
    commands = CommandQueue()
    try:
        with handling_stop_signals(commands, lambda text: None, lambda: None):
            _train(folder, commands, None, exact)
            ignore_signals()
    except StopNow:
        return 1
    return 0


def _train(
    folder: RunFolder, commands: CommandQueue, reporter: Reporter | None, exact: bool
) -> RunEnded:
    import torch.distributed as distributed

    from icot_tui.runs.session import run_training
    from icot_tui.studies.exporting import model_card

    try:
        ended = run_training(folder, commands, reporter, model_card, exact=exact)
    except RuntimeError as error:
        if os.environ.get("WORLD_SIZE", "1") == "1" or not _is_lost(error):
            raise
        raise UserError(
            "another of the training's processes has died, so this one ends too; nothing that was "
            f"saved is lost: start them again with 'resume {folder.path}'",
            1,
        ) from error
    if distributed.is_available() and distributed.is_initialized():
        distributed.barrier()  # leave together, or the threads of one abort it at exit
        distributed.destroy_process_group()
    return ended


@contextmanager
def handling_stop_signals(
    commands: CommandQueue, say: Callable[[str], None], hang_up: Callable[[], None]
) -> Iterator[None]:
    """The first signal saves and stops, the second stops at once; a dropped link stops nothing.

    A scheduler's warning saves and stops too, but is no first signal: SIGTERM may follow while the
    checkpoint is being written, and must not break that off. The processes of a launcher, which
    kills them soon after its terminal is gone, save and stop then, and when the launcher is gone.
    """
    asked = False

    def stop() -> None:
        nonlocal asked
        if asked:
            raise StopNow
        asked = True
        other = Preempt(why=f"process {rank()} was asked to stop")
        commands.put(Stop() if is_main_process() else other)
        say("stopping after this step, then saving (once more: stop at once, without saving)")

    def preempt(why: str = "asked by the scheduler") -> None:
        commands.put(Preempt(why=why))
        say(f"{why}: stopping after this step, then saving; to be continued")

    def lose_terminal() -> None:
        hang_up()
        if launched:
            preempt("the launcher lost its terminal")

    several = os.environ.get("WORLD_SIZE", "1") != "1"
    launched = several and "TORCHELASTIC_RUN_ID" in os.environ
    if launched:
        when_parent_ends(PARENT, lambda: commands.put(Preempt(why="the launcher is gone")))
    echo = LAUNCHER_ECHO_SECONDS if several else ECHO_SECONDS
    with handling_stop(stop, lose_terminal, preempt, echo):
        yield


def _is_lost(error: RuntimeError) -> bool:
    """Does PyTorch's backend say, in its own words, that it can't reach another process?"""
    said = str(error)
    words = ("gloo", "Connection closed by peer", "Connection reset by peer", "NCCL", "Broken pipe")
    return type(error).__name__.startswith("Dist") or any(word in said for word in words)


# How a run ended ------------------------------------------------------------------------------


def finished_end(folder: RunFolder) -> RunEnded | None:
    """The event with which a run finished; None if it has not, or its config names another end."""
    ended = RunSummary.of(JournalReader(folder.journal).events()).ended
    return ended if ended is not None and ended.finished and _ends_there(folder) else None


def _ends_there(folder: RunFolder) -> bool:
    """Does the config let the run end where it did? It may have been changed to go on."""
    saved = list_checkpoints(folder.checkpoints)
    described = None
    with suppress(UserError):  # damaged, or of a version to come: it stays finished
        described = read_description(saved[-1].path) if saved else None
    return described is None or described.ends_as(load_config(folder.config).config)


def leave_unsaved(folder: RunFolder, is_new: bool, record: bool = True) -> str:
    """Record that a run was stopped at once, or remove an empty one; says what became of it."""
    if record:
        reason = "stopped at once, without saving"
        _record_at_last_step(
            folder, lambda step: RunEnded(step=step, reason=reason, finished=False)
        )
    hint = f"stopped without saving; to resume: icot-tui resume {folder.path}"
    return remove_empty_run(folder, is_new) or hint


def _record_at_last_step(folder: RunFolder, event_at: Callable[[int], Event]) -> None:
    """Add an event at the journal's last step, unless it has none, or is another trainer's.

    The folder stays locked.
    """
    with suppress(UserError):
        folder.lock()
        step = last_step(folder.journal)
        if step is not None:
            journal = Journal(folder.journal)
            journal.write(event_at(step))
            journal.close()


def is_saved(folder: RunFolder, ended: RunEnded) -> bool:
    """Is there a checkpoint of the very last step? (Prompted runs keep every reply.)"""
    if not folder.config.is_file() or not tells_of(folder.journal, ended):  # moved or deleted
        return False
    if not method_of(load_config(folder.config).config).trains:
        return True
    checkpoints = list_checkpoints(folder.checkpoints)
    return bool(checkpoints) and checkpoints[-1].step == ended.step


def _opening_lines(folder: RunFolder, is_new: bool) -> str:
    where, checkpoints = folder.path, list_checkpoints(folder.checkpoints)
    state = ""
    if not is_new and checkpoints:
        state = f", newest checkpoint {checkpoints[-1].name}"
    elif not is_new:
        state = ", no checkpoint yet: the run starts from the beginning"
    return (
        f"run folder  {where}{state}\n"
        f"inspect     icot-tui runs show {where}\n"
        f"control     icot-tui ctl pause|hold|advance|save|stop --run {where}\n"
        f"stop        Ctrl-C saves and stops; to resume: icot-tui resume {where}"
    )


def closing_lines(folder: RunFolder, summary: RunSummary, ended: RunEnded, seconds: float) -> str:
    """The result, and useful next commands."""
    metrics, asked = summary.metrics, summary.asked
    lines = [f"finished: {ended.reason}" if ended.finished else ended.reason]
    if not folder.config.is_file():  # moved or deleted meanwhile: no hint at what is gone
        return "\n".join([*lines, f"{ended.step:,} steps, {duration(seconds)} this time"])
    if metrics.evaluation is not None and metrics.best is not None:
        last = metrics.evaluation
        how = (
            "nothing written"
            if last.implicit
            else f"{count(summary.removed, summary.unit_word)} removed"
        )
        if metrics.phase_name is not None:
            how = how_answered(last.implicit, metrics.phase_name)
        how = how if asked is None else "prompted"
        lines.append(
            f"exact match {short_percent(last.exact_match)} "
            f"({short_percent(last.low)} to {short_percent(last.high)}, {how}), "
            f"best {short_percent(metrics.best)}"
        )
    done = f"{ended.step:,} steps" if asked is None else f"{asked.asked:,} questions asked"
    lines.append(f"{done}, {duration(seconds)} this time")
    checkpoint = best_or_newest(folder.checkpoints, metrics.best_step)
    if checkpoint is not None:
        is_best = checkpoint.step == metrics.best_step
        lines.append(f"{'best checkpoint' if is_best else 'checkpoint':<17}{checkpoint.path}")
        lines.append(f"evaluate         icot-tui eval {checkpoint.path}")
    lines.append(f"inspect          icot-tui runs show {folder.path}")
    if not ended.finished:
        lines.append(f"resume           icot-tui resume {folder.path}")
    return "\n".join(lines)
