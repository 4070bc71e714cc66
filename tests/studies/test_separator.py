"""New language models get separators of their own; earlier runs stay what they are."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from icot_tui.config import RunConfig, load_config
from icot_tui.runs.new_run import create_run
from icot_tui.studies.existing_runs import RunIndex
from icot_tui.studies.plan import digest_of
from tests.tiny import tiny

OLD = Path(__file__).parents[1] / "fixtures" / "run-0.1"


def changed(config: RunConfig, **data: Any) -> RunConfig:
    return config.model_copy(update={"data": config.data.model_copy(update=data)})


@pytest.mark.parametrize(
    ("sections", "expected"),
    [
        ({}, "own"),
        ({"model": {"pretrained": "some/model"}}, None),
        ({"method": {"name": "distillation"}}, None),
        ({"data": {"separator": "eos"}}, "eos"),
    ],
)
def test_it_is_decided_where_a_run_begins(tmp_path: Path, sections: Any, expected: str) -> None:
    config = tiny(**{"data": {"separator": None}} | sections)
    run = create_run(config, tmp_path)
    assert load_config(run.config).config.data.separator == expected
    assert [one.path for one in RunIndex(tmp_path).of(digest_of(config))] == [run.path]


def test_runs_that_do_not_say_ended_everything_with_end_of_text(tmp_path: Path) -> None:
    shutil.copytree(OLD, tmp_path / "old")
    config = load_config(OLD / "config.toml").config
    assert config.data.separator is None
    index = RunIndex(tmp_path)
    assert not index.of(digest_of(config))
    assert [run.name for run in index.of(digest_of(changed(config, separator="eos")))] == ["old"]
