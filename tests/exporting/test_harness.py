"""`icot-tui export --to lm-eval`: the harness reports the exact match that icot-tui has."""

import json

import pytest

from icot_tui.exporting.harness import run_harness
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
