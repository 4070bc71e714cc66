"""`icot-tui export --to lm-eval`: the harness reports the exact match that icot-tui has."""

import json
from types import SimpleNamespace
from typing import Any

import pytest

from icot_tui.data.examples import Example
from icot_tui.exporting.harness import run_harness, write_task
from icot_tui.exporting.source import read_source


@pytest.mark.slow
@pytest.mark.parametrize(("separator", "kept", "stage"), [("own", 1, 8), ("eos", 0, 4)])
def test_the_harness_reports_the_same(separator, kept, stage, trained, export, tmp_path) -> None:
    """The real harness, with its `hf` model on an exported folder, and the exported task."""
    checkpoint = trained(separator, bool(kept))[stage]
    model, task = tmp_path / "model", tmp_path / "task"
    export(checkpoint, "hf", model)
    export(checkpoint, "lm-eval", task)
    assert sorted(path.name for path in task.iterdir()) == [
        "examples.jsonl",
        "loader.py",
        "task.yaml",
    ]
    source = read_source(checkpoint, None, None)
    answers, exact_match = run_harness(model, task, "icot_tui_demo", 200)
    assert answers == source.answers
    assert exact_match == source.correct / 200 == source.prepared.evaluate().exact_match
    rows = [json.loads(line) for line in (task / "examples.jsonl").read_text().splitlines()]
    assert [row["answer"] for row in rows] == [text.answer for text in source.texts]


def test_the_harness_takes_the_answer_from_its_column(tmp_path) -> None:
    """It would evaluate `[1,2,3]` from a template: findings/lm-eval-answer-in-brackets.sh."""
    source: Any = SimpleNamespace(texts=[Example("sort 3,1,2", "", "[1,2,3]")], compare="text")
    portable: Any = SimpleNamespace(prompt=" {question} <|cot|>", max_new_tokens=8)
    write_task(source, portable, "lists", tmp_path)
    (row,) = map(json.loads, (tmp_path / "examples.jsonl").read_text().splitlines())
    lines = (tmp_path / "task.yaml").read_text().splitlines()
    (target,) = (line for line in lines if line.startswith("doc_to_target: "))
    assert row[json.loads(target.removeprefix("doc_to_target: "))] == "[1,2,3]"
