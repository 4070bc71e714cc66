"""Once the screen is gone: wait for the training to end, report it, and choose the exit status."""

import os
from collections.abc import Callable

from icot_tui.cli import headless
from icot_tui.cli.printer import ResilientStdout, best_style
from icot_tui.cli.reporter import Reporter
from icot_tui.engine.journal.journal import JournalReader
from icot_tui.engine.journal.summary import RunSummary
from icot_tui.engine.loop.commands import Stop
from icot_tui.errors import UserError
from icot_tui.runs.new_run import remove_empty_run
from icot_tui.signals import ignore_signals
from icot_tui.tui.session.run_app import ScreenExit
from icot_tui.tui.session.training_thread import TrainingThread

LAST_STEP_SECONDS = 3.0
"""How long stopping at once waits for a step to end."""


def wait_for_training(engine: TrainingThread, left: ScreenExit) -> int:
    """Wait until the training has ended, and report it on standard output.

    Returns:
        Exit status: 0 finished, or stopped and saved; 1 stopped without saving, or failed.

    Raises:
        UserError: the training failed; the message says how.
    """
    stdout = ResilientStdout(engine.folder.log)
    events = JournalReader(engine.folder.journal).events()
    style = best_style() if engine.alive else "plain"
    reporter = Reporter(style, stdout, RunSummary.of(events, engine.config))
    engine.listener = reporter
    try:
        with headless.handling_stop_signals(engine.commands, reporter.message, stdout.hang_up):
            _stop_as_asked(engine, left, reporter.message)
            while not engine.join(0.5):
                pass
            ignore_signals()
        return _report_end(engine, reporter)
    except headless.StopNow:
        engine.send(Stop(save=False))
        ended = engine.join(0 if engine.startup_phase else LAST_STEP_SECONDS)
        reporter.message(headless.leave_unsaved(engine.folder, engine.is_new, record=not ended))
        reporter.close()
        if engine.alive:  # in the middle of something long, which Python would wait for
            os._exit(1)
        return 1
    finally:
        reporter.close()


def _stop_as_asked(engine: TrainingThread, left: ScreenExit, say: Callable[[str], None]) -> None:
    if left.reason == "save":
        engine.send(Stop())
        say("stopping after this step, then saving (Ctrl-C twice: stop at once, without saving)")
    elif left.reason == "now":
        engine.send(Stop(save=False))
        if engine.startup_phase is not None or not engine.join(LAST_STEP_SECONDS):
            raise headless.StopNow
    elif engine.alive:
        say("the screen is gone; training goes on and is logged here")


def _report_end(engine: TrainingThread, reporter: Reporter) -> int:
    ended, seconds = engine.ended, engine.seconds
    if ended is not None:
        reporter.message(
            lambda summary: headless.closing_lines(engine.folder, summary, ended, seconds)
        )
        return 0 if ended.finished or headless.is_saved(engine.folder, ended) else 1
    if engine.exit_status == 2:  # bad input: the log says no more than the sentence
        reporter.message(remove_empty_run(engine.folder, engine.is_new))
        raise UserError(engine.error or "", 2)
    raise UserError(f"{engine.error} (the traceback is in {engine.folder.log})", 1)
