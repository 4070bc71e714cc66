"""What `icot-tui eval` prints."""

import json
import re

import pytest
from typer.testing import CliRunner

from icot_tui.cli.eval import app
from icot_tui.config import ModelConfig
from icot_tui.data.tokenizing import character_tokenizer
from icot_tui.errors import UserError
from icot_tui.models.build import build_model


def save(folder, characters):
    """A checkpoint folder with a character tokenizer."""
    tokenizer = character_tokenizer(characters)
    config = ModelConfig(layers=1, heads=2, width=16)
    build_model(config, len(tokenizer), tokenizer.eos_token_id, 32, 0).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A checkpoint folder, and a file of examples."""
    folder = save(tmp_path_factory.mktemp("saved"), "0123456789")
    (folder / "examples.txt").write_text("1 2||3 4 #### 5 6\n1||2 #### 3\n4 5||6 #### 7\n")
    return folder


REMOVAL = ("--side", "left", "--close-positions")
"""What a folder that no run wrote does not say itself."""


def cli(*arguments):
    """Standard output of `icot-tui eval`."""
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.output


def test_command_prints_json(saved):
    file = saved / "examples.txt"
    found = json.loads(cli(saved, "--data", file, "--stage", 1, *REMOVAL, "--json", "--no-speed"))
    assert (found["stage"], found["examples"], found["implicit"]) == (1, 3, False)
    assert len(found["token_accuracy"]) == 3
    assert found["examples_per_second"] is None
    found = json.loads(
        cli(saved, "--data", file, "--stage", 2, *REMOVAL, "--examples", 2, "--json", "--no-speed")
    )
    assert (found["examples"], found["implicit"]) == (2, True)


def test_command_prints_lines_without_a_terminal(saved, monkeypatch):
    monkeypatch.setattr("icot_tui.cli.eval.SPEED_SECONDS", 0.0)
    asked = (saved, "--data", saved / "examples.txt", "--stage", 2, *REMOVAL)
    lines = cli(*asked, "--against", saved, "--against-stage", 0).splitlines()
    names = [line.split("\t")[0] for line in lines]
    assert {"exact match", "95 % interval", "one by one", "speed ratio"} <= set(names)
    assert all(line.count("\t") == 2 for line in lines)


def test_of_two_checkpoints_the_one_that_an_error_is_about_is_named(saved, tmp_path):
    other = save(tmp_path / "other", "01234")
    asked = ("--data", saved / "examples.txt", "--stage", 2, *REMOVAL, "--against-stage", 2)
    with pytest.raises(UserError, match=f"^{re.escape(str(other))}: .*'5'"):
        cli(saved, *asked, "--against", other)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--data", "examples.txt"], "--stage"),
        (["--stage", 0], "--data"),
        (["--data", "missing.txt", "--stage", 0], "does not exist"),
        (["--data", "long.txt", "--stage", 0], "needs 40 positions"),
        (["--data", "examples.txt", "--stage", 0, "--device", "tpu"], "unknown"),
    ],
)
def test_command_refuses_bad_input(saved, monkeypatch, arguments, message):
    monkeypatch.chdir(saved)
    (saved / "long.txt").write_text(f"1||{'2 ' * 34}#### 3\n")
    with pytest.raises(UserError, match=message):
        cli(saved, *arguments)
