"""A model that writes 2000 where the file says 2,000 is right wherever answers are counted."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from icot_tui.cli.ask import app as ask
from icot_tui.cli.eval import app as evaluate
from icot_tui.config import check_run
from icot_tui.config.loading import load_config
from icot_tui.data.comparison import equal_answers
from icot_tui.engine.run_folder import RunFolder
from icot_tui.studies.evaluation import measure_accuracy
from icot_tui.studies.exporting import model_card
from icot_tui.studies.plan import digest_of
from tests.tiny import train_new

PLAIN = "Of 400, 5 times?||400*5 #### 2000\nOf 500, 9 times?||500*9 #### 4500\n"
COMMAS = PLAIN.replace(" 2000", " 2,000").replace(" 4500", " 4,500")
FIXTURES = Path(__file__).parents[1] / "fixtures"
QUESTION = "Of 400, 5 times?"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    folder = tmp_path_factory.mktemp("commas")
    (folder / "plain.txt").write_text(PLAIN)
    (folder / "commas.txt").write_text(COMMAS)
    config = check_run(
        {
            "name": "commas",
            "data": {
                "train": str(folder / "plain.txt"),
                "validation": str(folder / "commas.txt"),
                "max_overlap": 1.0,
            },
            "model": {"layers": 1, "heads": 2, "width": 32},
            "method": {"name": "no_cot"},
            "train": {
                "max_steps": 100,
                "batch_size": 2,
                "learning_rate": 1e-2,
                "device": "cpu",
                "threads": 1,
            },
            "evaluation": {"every_steps": 100},
        }
    )
    return train_new(folder, config)


def measured(run: RunFolder, *arguments: str) -> dict[str, object]:
    file = str(run.path.parent / "commas.txt")
    asked = [str(run.path), "--data", file, "--no-speed", "--json", *arguments]
    found: dict[str, object] = json.loads(CliRunner().invoke(evaluate, asked).output)
    return found


def test_the_run_says_how_it_compares(run: RunFolder) -> None:
    assert load_config(run.config).config.evaluation.compare == "number"
    newest = max(run.checkpoints.glob("step-*/icot_tui.json"))
    assert json.loads(newest.read_text())["config"]["evaluation"]["compare"] == "number"


def test_it_is_the_same_trial_as_the_config_that_left_it_open(run: RunFolder) -> None:
    config = load_config(run.config).config
    open_config = config.model_copy(
        update={"evaluation": config.evaluation.model_copy(update={"compare": None})}
    )
    assert digest_of(config) == digest_of(open_config)


def test_training_evaluation_and_studies_count_numbers(run: RunFolder) -> None:
    lines = [json.loads(line) for line in run.journal.read_text().splitlines()]
    assert [e["exact_match"] for e in lines if e["event"] == "Evaluated"][-1] == 1.0
    found = measured(run)
    assert (found["correct"], found["compare"]) == (2, "number")
    found = measured(run, "--compare", "text")
    assert (found["correct"], found["compare"]) == (0, "text")
    newest = max(run.checkpoints.glob("step-*"))
    assert measure_accuracy(newest, everything=True).exact_match == 1.0


def test_a_question_is_right_too(run: RunFolder) -> None:
    found = json.loads(CliRunner().invoke(ask, [str(run.path), QUESTION, "--json"]).output)
    assert '"right": true' in json.dumps(found)


def test_old_runs_keep_their_numbers() -> None:
    """Their config says nothing, so answers are compared as texts."""
    old = load_config(FIXTURES / "run-0.1" / "config.toml").config
    assert old.evaluation.compare is None
    assert not equal_answers("2,000", "2000", old.evaluation.compare)


@pytest.mark.slow
def test_what_is_reported_is_measured_on_the_test_split(run: RunFolder, tmp_path: Path) -> None:
    """`eval`, a study's table and the card say which split it was."""
    half = tmp_path / "test.txt"
    half.write_text(COMMAS.replace("4,500", "4,501"))
    config = load_config(run.config).config
    data = config.data.model_copy(update={"test": str(half)})
    tested = train_new(tmp_path, config.model_copy(update={"data": data}))
    asked = [str(tested.path), "--no-speed", "--json"]
    found = json.loads(CliRunner().invoke(evaluate, asked).output)
    assert found["correct"] == 1 and found["measured_on"].startswith("the test examples")
    found = json.loads(CliRunner().invoke(evaluate, [*asked, "--split", "validation"]).output)
    assert found["correct"] == 2
    newest = max(tested.checkpoints.glob("step-*"))
    accuracy = measure_accuracy(newest, everything=True)
    assert (accuracy.exact_match, accuracy.split) == (0.5, "test")
    card = model_card(tested)
    assert (
        "| exact match on the test split, 2 examples, step 100 | 0.500 (0.095 to 0.905) |" in card
    )
    assert "on the validation split, nothing written | 1.000 |" in card
    assert "split: test}" in card and "value: 0.5000" in card
    assert "test split" not in model_card(run)
