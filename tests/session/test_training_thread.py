"""The training thread, without any screen."""

from pathlib import Path

import pytest

from icot_tui.config import RunConfig
from icot_tui.engine.journal.events import Warned
from icot_tui.engine.journal.journal import JournalReader
from icot_tui.engine.loop.commands import Stop
from icot_tui.engine.run_folder import RunFolder
from icot_tui.errors import UserError
from icot_tui.tui.session.training_thread import TrainingThread
from tests.tiny import tiny

pytestmark = pytest.mark.slow

PATIENCE = 100.0


def training(runs: Path, config: RunConfig) -> TrainingThread:
    thread = TrainingThread(config, None, runs)
    thread.screen_ready.set()
    return thread


def test_trains_and_tells_how_far_it_is(tmp_path: Path) -> None:
    thread = training(tmp_path, tiny())
    heard: list[str] = []
    thread.listener = lambda event: heard.append(f"{type(event).__name__}: {thread.startup_phase}")
    assert thread.folder.is_locked() and thread.startup_phase == "opening the screen"
    thread.start()
    assert thread.join(PATIENCE)
    assert (thread.phase, thread.startup_phase, thread.error) == ("ended", None, None)
    assert thread.ended is not None and thread.ended.finished
    assert heard[0] == "RunStarted: None"
    assert not thread.folder.is_locked()


def test_a_run_that_is_being_trained_is_refused(tmp_path: Path) -> None:
    first = training(tmp_path, tiny())
    with pytest.raises(UserError, match="is being trained already"):
        TrainingThread(None, RunFolder(first.folder.path), tmp_path)
    first.folder.unlock()


def test_commands_are_carried_out(tmp_path: Path) -> None:
    thread = training(tmp_path, tiny(train={"max_steps": 10_000_000}))
    thread.send(Stop())
    thread.start()
    assert thread.join(PATIENCE)
    assert thread.ended is not None and not thread.ended.finished


def test_bad_input_becomes_a_sentence(tmp_path: Path) -> None:
    thread = training(tmp_path, tiny(data={"train_examples": 3}))
    thread.start()
    assert thread.join(PATIENCE)
    assert (thread.phase, thread.exit_status) == ("failed", 2)
    assert thread.error is not None and "lower train.batch_size" in thread.error
    assert "Traceback" in thread.folder.log.read_text()
    assert not thread.folder.is_locked()


def test_a_failure_is_kept_logged_and_journaled(tmp_path: Path) -> None:
    def fail(event: object) -> None:
        raise SystemExit("a library thinks it may")

    thread = training(tmp_path, tiny())
    thread.listener = fail
    thread.start()
    assert thread.join(PATIENCE)
    assert (thread.phase, thread.exit_status) == ("failed", 1)
    assert thread.error == "SystemExit: a library thinks it may"
    assert "SystemExit" in thread.folder.log.read_text()
    *_, (_, last) = JournalReader(thread.folder.journal).events()
    assert isinstance(last, Warned)
    assert last.message == "the training failed: SystemExit: a library thinks it may"
