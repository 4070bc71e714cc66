"""What every method's runs must do."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from icot_tui.cli.app import app
from icot_tui.config import RunConfig
from icot_tui.engine.checkpoints.checkpoint import OPTIMIZER, list_checkpoints, load_tensors
from icot_tui.engine.journal.events import StepsTrained
from icot_tui.engine.loop.commands import CommandQueue, Stop
from icot_tui.engine.run_folder import RunFolder
from tests.tiny import assert_same, final_state, final_tensors, read_lines, train, train_new


def assert_resumes_exactly(folder: Path, config: RunConfig, file: str | None = None) -> None:
    """A run that is stopped after 12 steps and resumed ends as one that was not.

    That goes for the language model, its optimizer and state, and for a `file` in its checkpoints.
    """
    whole = train_new(folder / "whole", config)
    commands = CommandQueue()

    def stop(event: object) -> None:
        if isinstance(event, StepsTrained) and event.step == 12:
            commands.put(Stop())

    broken = train_new(folder / "broken", config, commands, stop)
    assert read_lines(broken)[-1]["finished"] is False
    train(broken)
    assert_same(final_tensors(broken), final_tensors(whole))
    ours, theirs = (list_checkpoints(one.checkpoints)[-1].path for one in (broken, whole))
    for name in {OPTIMIZER, file or OPTIMIZER}:
        assert_same(load_tensors(ours / name), load_tensors(theirs / name))
    assert final_state(broken) == final_state(whole)


def assert_measured_as_in_training(run: RunFolder) -> None:
    """`eval` finds what the run's last evaluation has found, with nothing written."""
    last = [line for line in read_lines(run) if line["event"] == "Evaluated"][-1]
    result = CliRunner().invoke(app, ["eval", str(run.path), "--no-speed", "--json"])
    assert result.exit_code == 0, result.output
    found = json.loads(result.output)
    assert found["loss"] == pytest.approx(last["loss"]) and found["implicit"]
    assert found["exact_match"] == last["exact_match"]
