import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from icot_tui.cli.app import run
from icot_tui.engine.journal.events import CommandDone, RunEnded, Warned
from icot_tui.engine.journal.journal import Journal
from icot_tui.engine.loop.commands import (
    COMMANDS,
    Advance,
    Command,
    CommandQueue,
    Hold,
    Rollback,
    Stop,
)
from icot_tui.engine.run_folder import RunFolder

Output = pytest.CaptureFixture[str]


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ICOT_TUI_RUNS", str(tmp_path))
    return tmp_path


@pytest.fixture
def folder(runs: Path) -> RunFolder:
    return RunFolder.create(runs, "demo", "")


class StandIn:
    """Answers commands as a trainer would."""

    def __init__(self, folder: RunFolder) -> None:
        self.answer: Callable[[Command], CommandDone | None] = lambda command: CommandDone(
            step=7, id=command.id, command=command.name, done=True, effect="as you wish \x1b[31m"
        )
        self.heard: list[Command] = []
        self._queue = CommandQueue(folder.control, poll_seconds=0)
        self._journal = Journal(folder.journal)
        self._journal.write(Warned(step=7, message="old news"))
        self.ended = threading.Event()
        self._folder = folder
        folder.lock()
        self._thread = threading.Thread(target=self._work)
        self._thread.start()

    def _work(self) -> None:
        while not self.ended.wait(0.01):
            for command in self._queue.take():
                self.heard.append(command)
                answer = self.answer(command)
                if answer is not None:
                    self._journal.write(answer)

    def close(self) -> None:
        self.ended.set()
        self._thread.join()
        self._folder.unlock()


@pytest.fixture
def trainer(folder: RunFolder) -> Iterator[StandIn]:
    trainer = StandIn(folder)
    yield trainer
    trainer.close()


def test_a_command_is_carried_out_and_its_effect_printed(trainer: StandIn, capsys: Output) -> None:
    assert run(["ctl", "pause"]) == 0
    assert capsys.readouterr().out == "demo: as you wish \\x1b[31m\n"
    assert [command.name for command in trainer.heard] == ["pause"]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["hold"], Hold(on=True)),
        (["hold", "--off"], Hold(on=False)),
        (["advance"], Advance(tokens=1)),
        (["advance", "3"], Advance(tokens=3)),
        (["rollback"], Rollback(step=None)),
        (["rollback", "--to", "120"], Rollback(step=120)),
        (["stop"], Stop(save=True)),
        (["stop", "--now"], Stop(save=False)),
    ],
)
def test_options_reach_the_trainer(
    trainer: StandIn, arguments: list[str], expected: Command
) -> None:
    assert run(["ctl", *arguments, "--run", "demo"]) == 0
    [heard] = trainer.heard
    assert heard == msgspec.structs.replace(expected, id=heard.id)


@pytest.mark.parametrize(
    "arguments",
    [
        ["resume"],
        ["reset-optimizer"],
        ["evaluate"],
        ["save"],
        ["set-delta", "4"],
        ["set-lr", "1e-4"],
    ],
)
def test_every_other_command_is_sent(trainer: StandIn, arguments: list[str]) -> None:
    assert run(["ctl", *arguments]) == 0
    assert [command.name for command in trainer.heard] == arguments[:1]


def test_the_answer_as_json(trainer: StandIn, capsys: Output) -> None:
    assert run(["ctl", "save", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert (answer["command"], answer["done"], answer["step"]) == ("save", True, 7)


@pytest.mark.parametrize("json_option", [[], ["--json"]])
def test_a_refusal_is_status_1(trainer: StandIn, capsys: Output, json_option: list[str]) -> None:
    trainer.answer = lambda command: CommandDone(
        step=7,
        id=command.id,
        command=command.name,
        done=False,
        effect="refused: nothing is left to remove",
    )
    assert run(["ctl", "advance", *json_option]) == 1
    output = capsys.readouterr()
    assert "nothing is left to remove" in (output.out if json_option else output.err)


def test_a_trainer_that_is_busy_keeps_the_command(trainer: StandIn, capsys: Output) -> None:
    trainer.answer = lambda command: None
    assert run(["ctl", "evaluate", "--wait", "0.3"]) == 1
    assert "received the command but did not answer in 0.3 s" in capsys.readouterr().err


def test_a_trainer_that_does_not_listen_finds_no_letter_later(
    folder: RunFolder, capsys: Output
) -> None:
    folder.lock()
    assert run(["ctl", "stop", "--wait", "0.3"]) == 1
    assert "so it was withdrawn" in capsys.readouterr().err
    assert list(folder.control.iterdir()) == []
    folder.unlock()


def test_a_trainer_that_dies_is_not_waited_for(
    folder: RunFolder, trainer: StandIn, capsys: Output
) -> None:
    def die(command: Command) -> None:
        trainer.ended.set()
        folder.unlock()

    trainer.answer = die
    began = time.monotonic()
    assert run(["ctl", "save"]) == 1
    assert time.monotonic() - began < 10
    assert "ended before it answered" in capsys.readouterr().err


def test_a_finished_run_is_not_to_be_resumed(folder: RunFolder, capsys: Output) -> None:
    journal = Journal(folder.journal)
    journal.write(RunEnded(step=7, reason="7 steps are done", finished=True))
    journal.close()
    assert run(["ctl", "pause"]) == 1
    assert capsys.readouterr().err == "error: run demo is finished: no command can reach it\n"


def test_not_waiting(trainer: StandIn, capsys: Output) -> None:
    assert run(["ctl", "pause", "--no-wait"]) == 0
    assert "posted" in capsys.readouterr().out
    assert run(["ctl", "pause", "--no-wait", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["posted"]


def test_without_a_trainer_nothing_is_posted(folder: RunFolder, capsys: Output) -> None:
    assert run(["ctl", "pause"]) == 1
    assert "no trainer is at work on run demo" in capsys.readouterr().err
    assert list(folder.control.iterdir()) == []


def test_without_a_run(runs: Path, capsys: Output) -> None:
    assert run(["ctl", "pause"]) == 2
    assert "there is no run" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [["set-lr", "0"], ["set-lr", "nan"], ["set-delta", "inf"], ["advance", "0"], ["set-lr"]],
)
def test_values_out_of_range(trainer: StandIn, capsys: Output, arguments: list[str]) -> None:
    assert run(["ctl", *arguments]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
    assert trainer.heard == []


def test_a_mailbox_that_is_gone(folder: RunFolder, capsys: Output) -> None:
    folder.lock()
    os.rmdir(folder.control)
    assert run(["ctl", "pause"]) == 1
    assert "cannot reach the trainer" in capsys.readouterr().err
    folder.unlock()


def test_help_names_every_command(capsys: Output) -> None:
    assert run(["ctl", "--help"]) == 0
    text = capsys.readouterr().out
    assert all(name in text for name in COMMANDS)
