"""Prompted models as rows of a study."""

import shlex
from pathlib import Path

import pytest

from icot_tui.config import load_config
from icot_tui.studies.plan import digest_of, make_plan
from icot_tui.studies.spec import load_study
from tests.methods.prompted.endpoint import Endpoint
from tests.studies.processes import Studies
from tests.studies.small import SMALL, write_study

PROMPTED = """
[vary.method."Calculator"]
method.name = "prompted"
prompted = {{ model = "calculator", endpoint = "{url}", shots = 1, max_requests = 4 }}

[vary.method."Calculator CoT"]
method.name = "prompted"
prompted = {{ model = "calculator", endpoint = "{url}", shots = 1, cot = true }}

[scales.cpu]"""


@pytest.mark.slow
def test_they_are_rows_like_any_other(endpoint: Endpoint, tmp_path: Path) -> None:
    text = SMALL.replace("[scales.cpu]", PROMPTED.format(url=endpoint.url))
    for removed in ('[vary.method."No CoT"]\nmethod.name = "no_cot"', '[vary.method."ICoT-SI"]'):
        assert removed in text
        text = text.replace(removed, "")
    text = text.replace('kind = "curves"', 'kind = "bars"')
    write_study(tmp_path, text)
    studies = Studies(tmp_path)
    status, output, errors = studies.run("--jobs", "2")
    assert status == 0, errors
    results = studies.results()
    values = {group["labels"]["method"]: group["values"] for group in results["table"]}
    assert values["Calculator"]["exact_match"]["mean"] == 1.0
    assert values["Calculator CoT"]["exact_match"]["mean"] == 1.0
    assert values["Calculator CoT"]["speed"] is None
    assert "rests on the first 4 of 10 questions" in output
    assert "95 % interval 0.510 to 1.000 on 4 questions" in output
    assert (results["cost"]["replies"], results["cost"]["runs"]) == (14, 2)
    assert results["cost"]["tokens"] > 140
    assert "14 replies" in (studies.study / "table.md").read_text()
    assert len(endpoint.requests) == 14

    # Again, all is there: nothing is asked.
    assert studies.run()[0] == 0
    assert len(endpoint.requests) == 14


def test_the_printed_command_asks_the_same(tmp_path: Path) -> None:
    text = SMALL.replace("[scales.cpu]", PROMPTED.format(url="http://127.0.0.1:9/v1"))
    trials = make_plan(load_study(write_study(tmp_path, text)), "cpu").trials[2:]
    assert [trial.labels[0][1] for trial in trials] == ["Calculator", "Calculator CoT"]
    for trial in trials:
        _, _, base, *options = shlex.split(trial.command)
        assert digest_of(load_config(base, options[3::2]).config) == trial.digest


def test_a_folder_is_relative_to_the_study_that_names_it(tmp_path: Path) -> None:
    text = SMALL.replace("[scales.cpu]", PROMPTED.format(url="http://127.0.0.1:9/v1"))
    text = text.replace('model = "calculator"', 'model = "./models/own"')
    (tmp_path / "elsewhere").mkdir()
    trials = make_plan(load_study(write_study(tmp_path / "elsewhere", text)), "cpu").trials
    asked = trials[2].config.prompted
    assert asked is not None
    assert asked.model == str(tmp_path / "elsewhere" / "models" / "own")
    _, _, base, *options = shlex.split(trials[2].command)
    assert digest_of(load_config(base, options[3::2]).config) == trials[2].digest


@pytest.mark.parametrize("name", ["table2", "table3"])
def test_the_papers_tables_ask_nobody_unless_told_to(name: str) -> None:
    study = load_study(name)
    assert "prompted" not in study.config.model_dump_json()
    assert 'method.name = "prompted"' in study.text
