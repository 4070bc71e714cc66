"""A checkpoint's state of another version, or with odd values: a sentence, never an odd resume."""

import json
import re
import shutil

import pytest

from icot_tui.analysis.checkpoints import find_checkpoint
from icot_tui.cli.app import run
from icot_tui.engine.checkpoints.checkpoint import MANIFEST, _fingerprint, list_checkpoints
from icot_tui.engine.checkpoints.description import FILE as DESCRIPTION
from icot_tui.engine.checkpoints.state import STATE
from icot_tui.engine.loop.commands import CommandQueue, Stop
from icot_tui.engine.run_folder import RunFolder
from icot_tui.errors import UserError
from tests.faults.foreign import SHORT
from tests.tiny import assert_same, final_tensors, news, read_lines, tiny, train, train_new


def with_state(stopped, tmp_path, change, described=()):
    """A copy of the run in whose newest checkpoint state or description were written otherwise."""
    shutil.copytree(stopped.path, tmp_path / "run", ignore=shutil.ignore_patterns("lock"))
    folder = RunFolder(tmp_path / "run")
    path = list_checkpoints(folder.checkpoints)[-1].path
    state = json.loads((path / STATE).read_text())
    change(state)
    (path / STATE).write_text(json.dumps(state))
    about = json.loads((path / DESCRIPTION).read_text()) | dict(described)
    (path / DESCRIPTION).write_text(json.dumps(about))
    manifest = json.loads((path / MANIFEST).read_text())
    manifest |= {name: _fingerprint(path / name) for name in (STATE, DESCRIPTION)}
    (path / MANIFEST).write_text(json.dumps(manifest))
    return folder


def test_unknown_keys_are_left_out_and_told(stopped, tmp_path):
    def change(state):
        state["moon"] = 1
        state["run"]["tide"] = "high"
        state["spikes"]["waves"] = []

    folder = with_state(stopped, tmp_path, change)
    assert train(folder).finished
    said = [line["message"] for line in read_lines(folder) if line["event"] == "Warned"]
    assert len(said) == 1 and all(key in said[0] for key in ("moon", "run.tide", "spikes.waves"))
    undisturbed = train_new(tmp_path / "whole", SHORT)
    assert_same(final_tensors(folder), final_tensors(undisturbed))


ODD = {
    "newer": (lambda state: state.update(version=2), "by a newer icot-tui, in format 2"),
    "text": (lambda state: state["run"].update(step="12"), r"run\.step: expected `int`, got `str`"),
    "lost": (lambda state: state["curriculum"].pop("losses"), "missing required field `losses`"),
    "list": (lambda state: state.update(spikes=[]), r"spikes: expected `object`, got `array`"),
    "rate": (
        lambda state: state["run"].update(learning_rate="fast"),
        r"run\.learning_rate: expected `float \| null`, got `str`",
    ),
}


@pytest.mark.parametrize("name", ODD)
def test_odd_states_are_refused_in_a_sentence(stopped, tmp_path, name):
    change, said = ODD[name]
    folder = with_state(stopped, tmp_path, change)
    with pytest.raises(UserError, match=said):
        train(folder)


def commands_on(run_path, tmp_path):
    """All that open a checkpoint, on a run's newest one."""
    path, out = str(run_path), str(tmp_path / "out")
    measured, exported = ["--examples", "1", "--no-speed"], ["--to", "hf", "--out", out]
    asking = [["ask", path, "12*34"], ["eval", path, *measured], ["probe", path]]
    return [["resume", path], *asking, ["export", path, *exported]]


@pytest.mark.parametrize("name", ["newer", "text"])
def test_odd_states_are_named_by_all_that_open_them(stopped, tmp_path, capfd, name):
    change, said = ODD[name]
    folder = with_state(stopped, tmp_path, change)
    for command in commands_on(folder.path, tmp_path):
        assert run(command) == 2, command
        assert re.search(said, capfd.readouterr().err), command
    assert run(["runs", "show", str(folder.path)]) == 0


def test_unknown_keys_are_told_by_all_that_open_them(stopped, tmp_path, capfd):
    folder = with_state(stopped, tmp_path, lambda state: state["run"].update(tide="high"))
    for command in commands_on(folder.path, tmp_path)[1:4]:
        run(command)
        told = "run.tide in its state.json is not known to this one and left out"
        assert told in capfd.readouterr().err, command


@pytest.mark.parametrize("values", [{"step": "12"}, {"stage": 1.0}, {"language_model": "yes"}])
def test_odd_descriptions_are_refused_by_all_that_ask(stopped, tmp_path, capfd, values):
    folder = with_state(stopped, tmp_path, lambda state: None, values)
    for command in commands_on(folder.path, tmp_path):
        assert run(command) == 2, command
        assert "icot_tui.json cannot be read: it is damaged" in capfd.readouterr().err, command


def test_a_passed_over_checkpoint_is_said_by_ask_and_probe(stopped, tmp_path, capfd):
    folder = with_state(stopped, tmp_path, lambda state: None)
    newest = list_checkpoints(folder.checkpoints)[-1]
    weights = newest.path / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"!")
    said = f"checkpoint {newest.name} is not used: model.safetensors was changed or damaged"
    for command in (["ask", str(folder.path), "12*34"], ["probe", str(folder.path)]):
        run(command)
        assert said in capfd.readouterr().err, command


def test_a_checkpoint_with_a_damaged_state_is_what_its_stage_names(stopped, tmp_path):
    """Its description tells the stage as well."""
    folder = with_state(stopped, tmp_path, lambda state: None)
    newest = list_checkpoints(folder.checkpoints)[-1]
    stage = newest.stage
    (newest.path / STATE).write_text("{")
    assert find_checkpoint(f"{folder.name}@{stage}", folder.path.parent) == newest.path


def test_a_checkpoint_that_is_written_once_more_gets_its_line_though_killed_before(tmp_path):
    """Of a checkpoint whose line a resume undid, that line doesn't count."""

    def stop_at_8(event):
        if getattr(event, "step", 0) >= 8:
            commands.put(Stop())

    config = tiny(train={"max_steps": 10}, checkpoints={"every_steps": 2, "keep": 1000})
    undisturbed = train_new(tmp_path / "whole", config)
    commands = CommandQueue()
    folder = train_new(tmp_path / "killed", config, commands, stop_at_8)
    shutil.rmtree(list_checkpoints(folder.checkpoints)[-1].path)
    commands = CommandQueue()
    train(folder, commands, stop_at_8)
    lines = folder.journal.read_text().splitlines(keepends=True)
    last = max(number for number, line in enumerate(lines) if '"CheckpointSaved"' in line)
    assert '"step":8' in lines[last]
    folder.journal.write_text("".join(lines[:last]))  # killed before its line was written
    assert train(folder).finished
    assert_same(final_tensors(folder), final_tensors(undisturbed))
    leave_out = ("Warned", "CommandDone")
    assert news(folder, leave_out) == news(undisturbed, leave_out)
