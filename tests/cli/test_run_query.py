"""Numbers for scripts: exact, of the history that stands, and never guessed."""

import json
from pathlib import Path

import pytest

from icot_tui.cli.app import run
from icot_tui.engine.journal.events import RunResumed
from icot_tui.runs.new_run import create_run
from tests.cli.history import STARTED, Output, journal
from tests.events import evaluated, probed, trained
from tests.tiny import tiny


@pytest.fixture(autouse=True)
def resumed(runs: Path) -> None:
    """Steps 1 to 6; what stood at 5 and 6 was undone by a resume."""
    journal(
        create_run(tiny(name="one"), runs),
        STARTED,
        trained(4, losses=[1.0, 0.5, None, 0.25], loss_parts={"a": 0.5, "b": 0.125}),
        evaluated(4, 0.5),
        probed(4, 0, 0.25),
        trained(6, losses=[9.0, 9.0], loss_parts={"a": 8.0, "b": 1.0}),
        evaluated(6, 0.9),
        probed(6, 0, 0.9),
        RunResumed(step=4, checkpoint="step-00000004"),
        trained(6, 3, losses=[2.0, 3.0], loss_parts={"a": 2.5, "b": None}),
        evaluated(6, 0.75),
        probed(6, 3, 0.5),
    )


def answer(capsys: Output, *words: str) -> str:
    assert run(["runs", "query", "one", *words]) == 0
    return capsys.readouterr().out


def test_one_value(capsys: Output) -> None:
    assert answer(capsys, "loss", "--at", "4") == "0.25\n"
    assert answer(capsys, "loss", "--at", "6") == "3\n"
    assert answer(capsys, "loss", "--at", "3") == "nan\n"
    assert answer(capsys, "accuracy", "--at", "6") == "0.75\n"
    assert json.loads(answer(capsys, "loss", "--at", "3", "--json")) == {
        "run": "one", "quantity": "loss", "step": 3, "value": None,
    }  # fmt: skip


def test_how_well_the_next_tokens_are_read(capsys: Output) -> None:
    assert answer(capsys, "readable") == "step\treadable\n4\t0.25\n6\t0.5\n"
    assert answer(capsys, "readable-shuffled", "--at", "6") == "0.21\n"
    assert answer(capsys, "readable-majority", "--at", "6") == "0.29\n"


def test_a_part_of_the_loss_has_a_value_at_the_last_step_of_each_line(capsys: Output) -> None:
    assert answer(capsys, "loss/a") == "step\tloss/a\n4\t0.5\n6\t2.5\n"
    found = json.loads(answer(capsys, "loss/b", "--json"))
    assert (found["steps"], found["values"]) == ([4, 6], [0.125, None])


def test_a_run_whose_loss_has_no_parts_says_so(runs: Path, capsys: Output) -> None:
    journal(create_run(tiny(name="two"), runs), STARTED, trained(4))
    assert run(["runs", "query", "two", "loss/a"]) == 2
    assert "no parts of its loss are known; choose loss, removed" in capsys.readouterr().err


def test_many_values(capsys: Output) -> None:
    assert answer(capsys, "removed", "--from", "4", "--to", "5") == "step\tremoved\n4\t0\n5\t3\n"
    found = json.loads(answer(capsys, "loss", "--every", "2", "--json"))
    assert (found["steps"], found["values"]) == ([2, 4, 6], [0.5, 0.25, 3])
    assert json.loads(answer(capsys, "accuracy", "--json"))["steps"] == [4, 6]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["loss", "--at", "7"], "no loss at step 7: 6 steps from 1 to 6 have one; nearest are 6"),
        (["accuracy", "--at", "5"], "2 steps from 4 to 6 have one; nearest are 4 and 6"),
        (["accuracy", "--from", "7"], "no accuracy at the steps asked for: 2 steps from 4 to 6"),
        (
            ["loss/a", "--at", "1"],
            "no loss/a at step 1: 2 steps from 4 to 6 have one; nearest are 4",
        ),
        (["loss/c"], "readable-majority, loss/a, loss/b"),
        (["lss"], "there is no 'lss' to query: choose loss, removed, grad-norm, lr, time, "),
        (["loss", "--at", "1", "--to", "2"], "give either --at, or --from, --to and --every"),
    ],
)
def test_what_is_not_there_is_told(words: list[str], sentence: str, capsys: Output) -> None:
    assert run(["runs", "query", "one", *words]) == 2
    assert sentence in capsys.readouterr().err
