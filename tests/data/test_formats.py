"""Each format in which the field's data come: recognized, told, trained on and evaluated."""

import json
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from icot_tui.cli.app import run
from icot_tui.config import check_run
from icot_tui.config.sections import ColumnsConfig
from icot_tui.data.examples import Example, chunk_examples
from icot_tui.data.reading import ExampleReader
from icot_tui.engine.journal.events import RunEnded, RunStarted, Warned
from icot_tui.engine.journal.journal import JournalReader
from tests.tiny import train_new

FILES = Path(__file__).parent / "files"
MAPPED = {"question": "problem", "chain": "rationale", "answer": "result"}
EXAMPLES = [
    Example("A shelf holds 4 jars and 8 cans. How many things?", "<<4+8=12>>", "12"),
    Example("Two bags of 6 nuts, less 2. How many nuts?", "<<2*6=12>> <<12-2=10>>", "10"),
    Example("A mill grinds 400 sacks a day. How many in 5 days?", "<<400*5=2000>>", "2,000"),
    Example("Half of 8 eggs?", "<<8/2=4>>", "4"),
]


@dataclass(frozen=True)
class Format:
    """A file, what it is told to be, and the columns that must be named."""

    name: str
    told: str
    columns: dict[str, str] = field(default_factory=dict)


FORMATS = [
    Format("plain.txt", ""),
    Format(
        "gsm8k.jsonl", "read as GSM8K with its calculations as steps, JSON: 4 examples, 1.2 steps"
    ),
    Format("gsm8k-aug.csv", "read as GSM8K-Aug's and CODI's columns, CSV: 4 examples, 1.2 steps"),
    Format(
        "codi.parquet", "read as GSM8K-Aug's and CODI's columns, Parquet: 4 examples, 1.2 steps"
    ),
    Format("coconut.json", "read as Coconut's JSON: 4 examples, 1.2 steps"),
    Format("prosqa.json", "read as Coconut's JSON (ProsQA): 4 examples, 2.0 steps"),
    Format("prontoqa.json", "read as ProntoQA's own JSON: 4 examples, 4.0 steps"),
    Format("mapped.csv", "read as columns of data.columns, CSV: 4 examples, 1.2 steps", MAPPED),
    Format(
        "mapped-steps.jsonl", "read as columns of data.columns, JSON: 4 examples, 1.2 steps", MAPPED
    ),
]


def config(unit: str = "token", **data: Any) -> Any:
    """Four steps of a tiny model, evaluated at the end."""
    return check_run(
        {
            "data": data,
            "model": {"layers": 1, "heads": 2, "width": 16},
            "curriculum": {"unit": unit},
            "train": {"max_steps": 4, "batch_size": 4, "device": "cpu", "threads": 1},
            "evaluation": {"every_steps": 4, "samples": 0},
        }
    )


@pytest.mark.slow
@pytest.mark.parametrize("unit", ["token", "step"])
@pytest.mark.parametrize("form", FORMATS, ids=[form.name for form in FORMATS])
def test_each_format_is_recognized_trains_and_is_evaluated(
    form: Format, unit: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = str(FILES / form.name)
    reader = ExampleReader(path, columns=ColumnsConfig(**form.columns))
    examples = [one for chunk in reader.chunks() for _, one in chunk_examples(chunk)]
    told = reader.told()
    assert [sentence.partition(" is ")[2] for sentence in told] == [form.told] * bool(form.told)
    if form.name == "prontoqa.json":
        assert examples[1].input.endswith("Tia is a cat. True or false: Tia is not furry.")
        assert (examples[1].cot[:12], examples[1].answer) == ("Tia is a cat", "False")
    elif form.name == "prosqa.json":
        assert examples[0].cot.startswith("Kim is a wump. Every wump is a lorp. Kim is a lorp.")
        assert examples[0].answer == "Kim is a zent."
    else:
        assert examples == EXAMPLES
    data = {"train": path, "validation": path, "columns": form.columns}
    if form.name == "plain.txt":
        data["step_end"] = ">>"
    folder = train_new(tmp_path, config(unit, **data))
    events = [event for _, event in JournalReader(folder.journal).events()]
    warnings = [event.message for event in events if isinstance(event, Warned)]
    assert set(told) <= set(warnings)
    assert isinstance(events[-1], RunEnded) and events[-1].finished
    assert run(["eval", str(folder.path), "--data", path, "--no-speed", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["examples"] == 4 and 0 <= result["exact_match"] <= 1


@pytest.mark.slow
def test_a_folder_of_several_kinds_trains_and_reports_its_test_split(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "set"
    folder.mkdir()
    shutil.copy(FILES / "gsm8k.jsonl", folder / "train-0.jsonl")
    shutil.copy(FILES / "codi.parquet", folder / "train-1.parquet")
    shutil.copy(FILES / "gsm8k-aug.csv", folder / "valid.csv")
    pq.write_table(pq.read_table(FILES / "codi.parquet").slice(0, 3), folder / "test.parquet")
    sources = dict.fromkeys(("train", "validation", "test"), str(folder))
    trained = train_new(tmp_path, config(**sources))
    events = [event for _, event in JournalReader(trained.journal).events()]
    assert next(e for e in events if isinstance(e, RunStarted)).train_examples == 8
    assert run(["eval", str(trained.path), "--no-speed", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["examples"] == 3


@pytest.mark.slow
def test_the_shortest_examples_train(tmp_path: Path) -> None:
    file = tmp_path / "short.txt"
    file.write_text("1||2 #### 3\n2||3 #### 4\n" * 2)
    source = {"train": str(file), "validation": str(file)}
    events = list(JournalReader(train_new(tmp_path, config(**source)).journal).events())
    assert isinstance(events[-1][1], RunEnded) and events[-1][1].finished
