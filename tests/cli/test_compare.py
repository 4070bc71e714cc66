"""What comparing and exporting runs print."""

import csv
import io
import json
import re
from pathlib import Path

import pytest
from msgspec.structs import replace

from icot_tui.cli.app import run
from icot_tui.engine.journal.events import Evaluated, RunEnded, RunResumed, StepsTrained
from icot_tui.engine.run_folder import RunFolder
from icot_tui.runs.new_run import create_run
from tests.cli.history import MEASURED, STARTED, TRAINED, Output, journal
from tests.cli.terminal import in_terminal
from tests.tiny import tiny

pytestmark = pytest.mark.usefixtures("runs")


@pytest.fixture
def two(runs: Path) -> tuple[RunFolder, RunFolder]:
    one, other = (
        create_run(tiny(name=name, train={"learning_rate": rate}), runs)
        for name, rate in (("one", 0.01), ("other", 0.02))
    )
    journal(
        one,
        STARTED,
        *TRAINED,
        MEASURED,
        RunResumed(step=90, checkpoint="checkpoints/step-00000090"),
        StepsTrained(
            step=95,
            first=91,
            losses=[2.0, None, 2.0, 2.0, 2.0],
            gradient_norms=[1.0] * 5,
            stage=4,
            learning_rate=1e-3,
            supervised_tokens=10,
            dropped_rows=0,
            seconds=1.0,
        ),
        RunEnded(step=95, reason="done", finished=True),
    )
    journal(other, STARTED)
    return one, other


def test_compare_tells_differences_first(two: object, capsys: Output) -> None:
    assert run(["runs", "compare", "one", "other"]) == 0
    lines = [line.split("\t") for line in capsys.readouterr().out.splitlines()]
    assert lines[:3] == [
        ["config", "one", "other"],
        ["train.learning_rate", "0.01", "0.02"],
        ["result", "one", "other"],
    ]
    assert ["status", "finished", "dead"] in lines
    assert run(["runs", "compare", "one", "other", "--json"]) == 0
    content = json.loads(capsys.readouterr().out)
    assert content["differences"] == {"train.learning_rate": [0.01, 0.02]}
    assert content["results"]["steps"] == [95, 0]
    assert run(["runs", "compare", "one"]) == 2
    assert "name two or more runs" in capsys.readouterr().err


@pytest.mark.parametrize("width", [80, 120])
@pytest.mark.parametrize("many", [2, 5, 12, 30])
def test_any_number_of_runs_can_be_told_apart_in_a_terminal(
    runs: Path, monkeypatch: pytest.MonkeyPatch, width: int, many: int
) -> None:
    names = [f"a-run-{number}" for number in range(many)]
    rates = [f"0.0{number + 1:02}" for number in range(many)]
    for name, rate in zip(names, rates, strict=True):
        made = create_run(tiny(name=name, train={"learning_rate": float(rate)}), runs)
        journal(made, STARTED, *TRAINED, RunEnded(step=100, reason="done", finished=True))
    status, shown = in_terminal("runs", "compare", *names, columns=width)
    assert status == 0
    lines = [line.rstrip() for line in re.sub(r"\x1b\[[\d;]*m", "", shown).splitlines()]
    assert "…" not in shown
    assert all(len(line) <= width for line in lines)
    words = " ".join(lines).split()
    assert {*names, *map(str, map(float, rates)), "learning_rate", "1.0000"} <= {
        word.removeprefix("train.").rstrip(",") for word in words
    }
    if many >= 12:
        assert "the same in all" in shown and "status finished" in shown
        assert [line.split()[:2] for line in lines if line.startswith(" a-run-")] == [
            [name, str(float(rate))] for name, rate in zip(names, rates, strict=True)
        ]


def test_runs_that_remove_tokens_and_steps_are_compared(runs: Path, capsys: Output) -> None:
    for name, steps in (("one", None), ("other", 3)):
        journal(create_run(tiny(name=name), runs), replace(STARTED, max_cot_steps=steps))
    assert run(["runs", "compare", "one", "other"]) == 0
    rows = [line.split("\t")[0] for line in capsys.readouterr().out.splitlines()]
    assert "reasoning steps and tokens removed" in rows
    assert "reasoning steps and tokens to remove in all" in rows


def test_export_csv_leaves_out_what_a_resume_undid(two: object, capsys: Output) -> None:
    assert run(["runs", "export", "one", "other"]) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [int(row["step"]) for row in rows] == list(range(1, 96))
    assert float(rows[89]["loss"]) == 1.0
    assert float(rows[90]["loss"]) == 2.0
    assert rows[91]["loss"] == ""
    assert {row["run"] for row in rows} == {"one"}


def test_export_parquet(two: object, capsys: Output) -> None:
    from pyarrow import parquet

    assert run(["runs", "export", "one", "other", "--format", "parquet"]) == 2
    assert "--out" in capsys.readouterr().err
    assert run(["runs", "export", "one", "--format", "parquet", "--out", "x.parquet"]) == 0
    table = parquet.read_table("x.parquet")
    assert table.num_rows == 95
    assert table.column("loss").null_count == 1


def test_export_tensorboard(two: object, capsys: Output) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    command = ["runs", "export", "one", "--format", "tensorboard", "--out", "boards"]
    assert run(command) == 0
    read = EventAccumulator("boards/one", {"scalars": 0})
    read.Reload()
    losses = read.Scalars("loss")
    assert [event.step for event in losses] == [n for n in range(1, 96) if n != 92]
    assert run(command) == 2
    assert "is there already" in capsys.readouterr().err


def test_to_and_format_take_the_same_kinds(two: object, capsys: Output) -> None:
    texts = []
    for option in ("--to", "--format"):
        assert run(["runs", "export", "one", option, "csv"]) == 0
        texts.append(capsys.readouterr().out)
        assert run(["runs", "export", "one", option, "parquet"]) == 2
        assert f"{option} parquet needs --out" in capsys.readouterr().err
    assert texts[0] == texts[1] != ""
    for option in ("--to", "--format"):
        assert run(["runs", "export", "nobody", option, "wandb"]) == 2
        assert "there is no run 'nobody'" in capsys.readouterr().err


def test_a_model_card_has_the_runs_facts(two: object, runs: Path, capsys: Output) -> None:
    journal(
        RunFolder(runs / "one"),
        StepsTrained(
            step=96,
            first=96,
            losses=[1.0],
            gradient_norms=[1.0],
            stage=8,
            learning_rate=1e-3,
            supervised_tokens=1,
            dropped_rows=0,
            seconds=1.0,
        ),
    )
    journal(
        RunFolder(runs / "one"),
        Evaluated(
            step=96,
            stage=8,
            implicit=True,
            exact_match=0.75,
            low=0.7,
            high=0.8,
            examples=1000,
            loss=0.1,
            token_accuracy=[0.5, 0.9],
            best=0.75,
            seconds=1.0,
            samples="",
        ),
        RunEnded(step=96, reason="done", finished=True),
    )
    assert run(["runs", "export", "one", "--format", "card", "--out", "README.md"]) == 0
    card = Path("README.md").read_text()
    assert card.startswith("---\nlibrary_name: transformers\n")
    assert "\n# one\n" in card and '- name: "one"' in card
    assert "metrics: [{type: exact_match, value: 0.7500}]" in card
    assert "| best exact match, nothing written | 0.750 |" in card
    assert "learning_rate = 0.01" in card
    assert run(["runs", "rename", "one", "first"]) == 0
    capsys.readouterr()
    assert run(["runs", "export", "first", "--to", "card"]) == 0
    card = capsys.readouterr().out
    assert "\n# first\n" in card and '- name: "first"' in card  # as its folder is named
    assert run(["runs", "rename", "first", "one"]) == 0
    assert run(["runs", "export", "one", "other", "--format", "card"]) == 2
    assert run(["runs", "export", "one", "--format", "xml"]) == 2
    assert run(["runs", "export", "one", "--format", "csv", "--to", "csv"]) == 2
    errors = capsys.readouterr().err
    assert "a model card is about one run" in errors
    assert "--format must be one of csv, parquet, tensorboard, card, wandb, " in errors
