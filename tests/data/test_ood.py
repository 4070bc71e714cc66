"""The out-of-distribution split: longer or deeper problems, apart from all other splits."""

import json
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from icot_tui.config import DataConfig
from icot_tui.data.examples import chunk_examples
from icot_tui.data.load import load_data
from icot_tui.data.splits import TaskSource, open_source
from icot_tui.errors import UserError
from tests.tiny import tiny, train_new

TASKS: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("multiplication", {"digits": "2x2"}, {"digits": "3x3"}),
    ("multiplication", {"digits": "1-2x1-2"}, {"digits": "1-3x1-3"}),
    ("addition", {"operands": 3, "digits": 2}, {"operands": 4}),
    ("modular", {"steps": 4}, {"steps": 6}),
    ("parity", {"bits": 10}, {"bits": 16}),
    ("hops", {"names": 5}, {"hops": 5}),
    ("graph", {"hops": 2, "tree": 3}, {"hops": 4, "tree": 5}),
]


def data(task: str, options: dict[str, Any], ood: dict[str, Any], **more: Any) -> DataConfig:
    counts = {"train_examples": 300, "validation_examples": 50, "test_examples": 50}
    known = {"ood_examples": 40, **counts, **more}
    return DataConfig(task=task, options=options, ood_options=ood, **known)


@pytest.mark.slow
@pytest.mark.parametrize(("task", "options", "ood"), TASKS)
def test_no_problem_stands_in_two_splits(
    task: str, options: dict[str, Any], ood: dict[str, Any]
) -> None:
    source = open_source(data(task, options, ood))
    assert isinstance(source, TaskSource)
    assert source.names == ["train", "validation", "test", "ood"]
    keys = {
        name: (source.ood_task if name == "ood" else source.task).order_free_keys(problems)
        for name, problems in source.problems.items()
    }
    assert [len(keys[name]) for name in source.names] == [300, 50, 50, 40]
    for first, second in combinations(source.names, 2):
        assert not np.isin(keys[first], keys[second]).any()
    for chunk in source.chunks("ood"):
        for _, example in chunk_examples(chunk):
            assert source.ood_task.true_answer(
                source.ood_task.question(source.ood_task.human_input(example.input))
            ) == source.ood_task.human_answer(example.answer)


def test_the_other_splits_stay_as_they_are_and_the_tokenizer_knows_both() -> None:
    task, options, ood = "modular", {"modulus": 3}, {"modulus": 9}
    plain, more = load_data(data(task, options, {})), load_data(data(task, options, ood, seed=0))
    assert plain.ood is None and more.ood is not None and len(more.ood) == 40
    assert np.array_equal(plain.validation.cot_lengths, more.validation.cot_lengths)
    assert len(more.tokenizer) > len(plain.tokenizer)
    again = load_data(data("hops", {}, {"hops": 9}), "step")
    assert again.ood is not None and again.ood.steps is not None
    assert set(again.ood.steps.counts.tolist()) == {8}


@pytest.mark.parametrize(
    ("task", "options", "ood", "told"),
    [
        ("parity", {}, {"bits": 1}, "with data.ood_options, data.options.bits"),
        ("parity", {}, {"bits": 12}, "are the task's own"),
        ("parity", {"bits": 12}, {"bits": 4}, "give only 16 problems"),
    ],
)
def test_bad_options_are_one_sentence(
    task: str, options: dict[str, Any], ood: dict[str, Any], told: str
) -> None:
    with pytest.raises(UserError, match=told):
        list(open_source(data(task, options, ood)).chunks("ood"))


def test_a_run_is_evaluated_and_reported_on_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from icot_tui.cli.app import run
    from icot_tui.studies.exporting import model_card

    section = {
        "task": "parity",
        "options": {"bits": 4},
        "ood_options": {"bits": 7},
        "ood_examples": 30,
        "train_examples": 9,
        "validation_examples": 5,
    }
    config = tiny(data=section, curriculum={"first_stage": 4}, train={"max_steps": 8})
    folder = train_new(tmp_path, config)
    assert run(["eval", str(folder.path), "--split", "ood", "--no-speed", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["examples"] == 30
    assert found["implicit"] and found["stage"] > 4  # all of a longer chain is removed, too
    assert "| exact match out of distribution, 30 examples" in model_card(folder)
    assert run(["eval", str(folder.path), "--split", "test", "--no-speed"]) == 2
    told = "there are no test examples of tiny, only validation, ood"
    assert told in capsys.readouterr().err
