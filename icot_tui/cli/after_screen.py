"""What follows once the screen is gone: wait for the end of the training, tell it, exit status."""

import os
from collections.abc import Callable

from icot_tui.cli.headless import (
    StopNow,
    farewell,
    handling_stop_signals,
    is_saved,
    remove_empty_run,
)
from icot_tui.cli.progress import best_style
from icot_tui.cli.reporter import Reporter
from icot_tui.cli.resilient_stdout import ResilientStdout
from icot_tui.engine.journal.events import RunEnded
from icot_tui.engine.journal.journal import Journal, JournalReader
from icot_tui.engine.journal.summary import RunSummary
from icot_tui.engine.loop.commands import Stop
from icot_tui.errors import UserError
from icot_tui.tui.session.screen_exit import ScreenExit
from icot_tui.tui.session.training_thread import TrainingThread

LAST_STEP_SECONDS = 3.0
"""A step that takes longer is not waited for by those who want to stop at once."""


def wait_for_training(engine: TrainingThread, left: ScreenExit) -> int:
    """Wait until the training has ended, and tell of it wherever standard output goes by now.

    Returns:
        Exit status: 0 finished, or stopped and saved; 1 stopped unsaved, or failed.

    Raises:
        UserError: the training failed; the message says how.
    """
    outlet = ResilientStdout(engine.folder.log)
    events = JournalReader(engine.folder.journal).events()
    style = best_style() if engine.alive else "plain"
    reporter = Reporter(style, outlet, RunSummary.of(events, engine.config))
    engine.listen(reporter)
    try:
        with handling_stop_signals(engine.commands, reporter.say, outlet.hang_up):
            _begin(engine, left, reporter.say)
            while not engine.join(0.5):
                pass
        return _tell(engine, reporter)
    except StopNow:
        status = _give_up(engine, reporter.say)
        reporter.close()
        if engine.alive:  # in the midst of something long: Python would wait for it
            os._exit(status)
        return status
    finally:
        reporter.close()


def _begin(engine: TrainingThread, left: ScreenExit, say: Callable[[str], None]) -> None:
    if left.way == "save":
        engine.send(Stop())
        say("stopping: this step is finished, then saved (Ctrl-C twice: stop at once, unsaved)")
    elif left.way == "now":
        engine.send(Stop(save=False))
        if engine.startup_phase is not None or not engine.join(LAST_STEP_SECONDS):
            raise StopNow
    elif engine.alive:
        say("the screen is gone; training goes on, and is told of here")


def _tell(engine: TrainingThread, reporter: Reporter) -> int:
    ended, seconds = engine.ended, engine.seconds
    if ended is not None:
        reporter.say(lambda summary: farewell(engine.folder, summary, ended, seconds))
        return 0 if ended.finished or is_saved(engine.folder, ended) else 1
    if engine.exit_status == 2:  # bad input: the log says no more than the sentence
        reporter.say(remove_empty_run(engine.folder, engine.is_new))
        raise UserError(engine.error or "", 2)
    raise UserError(f"{engine.error} (the traceback is in {engine.folder.log})", 1)


def _give_up(engine: TrainingThread, say: Callable[[str], None]) -> int:
    """Stop without waiting for anything but a short last step."""
    engine.send(Stop(save=False))
    if not engine.join(0 if engine.startup_phase else LAST_STEP_SECONDS):
        lines = JournalReader(engine.folder.journal).lines()
        step = max((line["step"] for line in lines), default=None)
        if step is not None:
            journal = Journal(engine.folder.journal)
            journal.write(
                RunEnded(step=step, reason="stopped at once, without saving", finished=False)
            )
            journal.close()
    again = f"stopped unsaved; go on: icot-tui resume {engine.folder.path}"
    say(remove_empty_run(engine.folder, engine.is_new) or again)
    return 1
