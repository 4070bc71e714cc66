"""What a run meets before its first step, and on a resume: said, not trained over."""

import json
import shutil

import pytest
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import BertPreTokenizer
from transformers import PreTrainedTokenizerFast
from typer.testing import CliRunner

from icot_tui.cli.ask import app as ask_app
from icot_tui.cli.eval import app as eval_app
from icot_tui.cli.resume import app as resume_app
from icot_tui.engine.checkpoints.checkpoint import list_checkpoints
from icot_tui.engine.checkpoints.description import FILE as DESCRIPTION
from icot_tui.engine.journal.events import Warned
from icot_tui.engine.loop.commands import CommandQueue, Stop
from icot_tui.errors import UserError
from icot_tui.studies.existing_runs import RunIndex
from tests.tiny import news, read_lines, tiny, train, train_new

WORDS = ["[UNK]", "[SEP]", "#", "+", "*", *"0123456789"]


def warnings(folder):
    return [line["message"] for line in read_lines(folder) if line["event"] == "Warned"]


# Rows that are too long ------------------------------------------------------------------------


def test_rows_that_no_stage_can_take_are_refused(tmp_path):
    with pytest.raises(UserError, match=r"all 50 training examples are longer .* = 5 tokens"):
        train_new(tmp_path, tiny(data={"max_length": 5}, train={"max_steps": 3}))


def test_the_share_of_rows_that_are_left_out_is_said(tmp_path):
    data = {"options": {"digits": "1x1,2x2"}, "max_length": 14}
    found = warnings(train_new(tmp_path, tiny(data=data, train={"max_steps": 2})))
    assert len(found) == 1 and "are left out until enough is removed" in found[0]


def test_a_row_that_is_far_longer_than_most_is_said_unless_it_is_left_out(tmp_path):
    rows = [f"{n}*2||{n}+{n} #### {2 * n}" for n in range(99)]
    file = tmp_path / "rows.txt"
    file.write_text("\n".join([*rows, f"{'9' * 1500}*2||9+9 #### 18"]))
    data = {"task": None, "options": {}, "train": str(file), "validation": "10%"}
    for limit, said in ((None, "the longest training example has 1,5"), (100, "1 of 90 training")):
        limits = {"max_length": limit, "train_examples": None}
        config = tiny(data=data | limits, train={"max_steps": 1})
        (told,) = warnings(train_new(tmp_path / str(limit), config))
        assert told.startswith(said)


# Threads ---------------------------------------------------------------------------------------


def test_far_more_threads_than_cores_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("icot_tui.models.device.usable_cores", lambda: 3)
    said = r"train\.threads is 1000, but 3 CPU cores can be used here: set it to 24 or less"
    with pytest.raises(UserError, match=said):
        train_new(tmp_path, tiny(train={"threads": 1000}))


def test_more_threads_than_cores_are_told(tmp_path, monkeypatch):
    monkeypatch.setattr("icot_tui.runs.session.usable_cores", lambda: 0)
    (told,) = warnings(train_new(tmp_path, tiny(train={"max_steps": 1})))
    assert told == "train.threads is 1: on 0 usable CPU cores they wait for each other"


# Folders ---------------------------------------------------------------------------------------


def test_a_run_without_its_checkpoints_starts_anew(tmp_path):
    folder = train_new(tmp_path, tiny(train={"max_steps": 4}))
    known = [line for line in news(folder) if line["event"] == "StepsTrained"]
    lines = folder.journal.read_text().splitlines(keepends=True)
    folder.journal.write_text("".join(line for line in lines if "RunEnded" not in line))
    shutil.rmtree(folder.checkpoints)
    assert train(folder).finished
    assert [line for line in news(folder) if line["event"] == "StepsTrained"] == known
    assert list_checkpoints(folder.checkpoints)


def test_an_older_checkpoint_is_not_used_in_silence(tmp_path):
    folder = train_new(tmp_path, tiny(train={"max_steps": 14}))
    newest = list_checkpoints(folder.checkpoints)[-1].path
    weights = newest / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"!")
    said = f"checkpoint {newest.name} is not used: model.safetensors was changed or damaged"
    result = CliRunner().invoke(eval_app, [str(folder.path), "--no-speed", "--json"])
    assert json.loads(result.stdout)["notes"] == [said] and said in result.stderr
    result = CliRunner().invoke(ask_app, [str(folder.path), "12*34", "--json"])
    assert said in json.loads(result.stdout)["answers"][0]["notes"]


# Resumed with other settings --------------------------------------------------------------------


def stopped_run(tmp_path, **sections):
    """A run that was stopped after some steps."""
    commands = CommandQueue(tmp_path / "unused")

    def listen(event):
        if getattr(event, "step", 0) >= 8 and not sent:
            sent.append(1)
            commands.put(Stop())

    sent: list[int] = []
    return train_new(tmp_path / "runs", tiny(**sections), commands, listen)


def change(folder, before, after):
    text = folder.config.read_text()
    assert before in text
    folder.config.write_text(text.replace(before, after))


@pytest.mark.slow
def test_an_unchanged_resume_says_nothing(tmp_path):
    folder = stopped_run(tmp_path)
    train(folder)
    assert warnings(folder) == []


@pytest.mark.slow
def test_other_settings_are_said_and_journaled(tmp_path):
    folder = stopped_run(tmp_path)
    change(folder, "batch_size = 8\n", "batch_size = 4\n")
    heard = []
    train(folder, listen=lambda event: heard.append(event) if isinstance(event, Warned) else None)
    assert warnings(folder) == [heard[0].message]
    assert "not exact" in heard[0].message and "batch_size was 8 and is 4" in heard[0].message
    resumed = [line["changes"] for line in read_lines(folder) if line["event"] == "RunResumed"]
    assert resumed == [["train.batch_size was 8 and is 4"]]
    index = RunIndex(folder.path.parent)
    assert index.progress(folder).altered_by == "a resume with other settings"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("batch_size = 8\n", "batch_size = 4\n", "train.batch_size was 8 and is 4"),
        ("train_examples = 50", "train_examples = 40", "the examples or the tokenizer are others"),
    ],
)
def test_an_exact_resume_refuses_other_settings_and_other_data(tmp_path, before, after, said):
    folder = stopped_run(tmp_path)
    checkpoints = list_checkpoints(folder.checkpoints)
    change(folder, before, after)
    result = CliRunner().invoke(resume_app, [str(folder.path), "--exact"])
    assert isinstance(result.exception, UserError)
    refused = str(result.exception)
    assert "can't be resumed exactly" in refused and said in refused
    assert list_checkpoints(folder.checkpoints) == checkpoints
    change(folder, after, before)
    result = CliRunner().invoke(resume_app, [str(folder.path), "--exact"])
    assert result.exit_code == 0, result.exception
    resumed = [line["changes"] for line in read_lines(folder) if line["event"] == "RunResumed"]
    assert resumed == [[]]
    assert RunIndex(folder.path.parent).progress(folder).altered_by == ""


@pytest.mark.slow
def test_other_examples_are_said(tmp_path):
    folder = stopped_run(tmp_path)
    change(folder, "train_examples = 50", "train_examples = 40")
    train(folder)
    assert "the examples or the tokenizer are others" in warnings(folder)[0]


@pytest.mark.slow
def test_going_on_for_longer_is_no_other_setting(tmp_path):
    folder = stopped_run(tmp_path)
    change(folder, "max_steps = 30", "max_steps = 34")
    train(folder)
    assert warnings(folder) == []


@pytest.mark.slow
def test_a_finished_run_goes_on_when_its_config_names_a_later_end(tmp_path):
    folder = train_new(tmp_path, tiny(train={"max_steps": 6}))
    assert CliRunner().invoke(resume_app, [str(folder.path)]).exit_code == 0
    assert read_lines(folder)[-1]["step"] == 6  # nothing more
    change(folder, "max_steps = 6\n", "max_steps = 9\n")
    assert CliRunner().invoke(resume_app, [str(folder.path), "--exact"]).exit_code == 0
    *_, last = read_lines(folder)
    assert (last["event"], last["step"], last["finished"]) == ("RunEnded", 9, True)
    assert warnings(folder) == []
    lines = len(read_lines(folder))
    assert CliRunner().invoke(resume_app, [str(folder.path)]).exit_code == 0
    newest = list_checkpoints(folder.checkpoints)[-1].path
    (newest / DESCRIPTION).write_text("{")
    assert CliRunner().invoke(resume_app, [str(folder.path)]).exit_code == 0
    assert len(read_lines(folder)) == lines


# Tokenizers ----------------------------------------------------------------------------------


def words_only(folder, words):
    core = Tokenizer(WordLevel({word: number for number, word in enumerate(words)}, "[UNK]"))
    core.pre_tokenizer = BertPreTokenizer()
    made = PreTrainedTokenizerFast(tokenizer_object=core, unk_token="[UNK]", eos_token="[SEP]")
    made.save_pretrained(folder)
    return str(folder)


def test_a_tokenizer_that_splits_the_mark_is_refused_before_the_first_step(tmp_path):
    data = {"tokenizer": words_only(tmp_path / "words", WORDS)}
    with pytest.raises(UserError, match="does not give '####' back"):
        train_new(tmp_path, tiny(data=data))


def test_a_tokenizer_that_lacks_a_character_is_refused_before_the_first_step(tmp_path):
    words = [word for word in WORDS if word != "*"]
    data = {"tokenizer": words_only(tmp_path / "words", words)}
    with pytest.raises(UserError, match=r"no token for a part of the examples \(it gives \[UNK\]"):
        train_new(tmp_path, tiny(data=data))
