"""A checkpoint carries its own truth: the same answers wherever its folder lies."""

import json
import shutil

import numpy as np
import pytest
from safetensors.torch import load_file, save_file
from transformers import AutoTokenizer
from typer.testing import CliRunner

from icot_tui.analysis.checkpoints import all_entries
from icot_tui.analysis.loaded_model import LoadedModel
from icot_tui.cli.ask import app as ask_app
from icot_tui.cli.eval import app as eval_app
from icot_tui.data.tasks import make_task
from icot_tui.data.tokenizing import character_tokenizer
from icot_tui.engine.checkpoints.checkpoint import MANIFEST, list_checkpoints
from icot_tui.engine.checkpoints.description import FILE, VERSION, read_description
from icot_tui.engine.checkpoints.opened import GivenRemoval
from icot_tui.engine.checkpoints.state import STATE
from icot_tui.errors import UserError
from icot_tui.runs.opening import open_checkpoint
from tests.tiny import tiny, train, train_new

KINDS = {
    "left": {},
    "right": {"side": "right"},
    "random": {"side": "random"},
    "kept": {"keep_positions": True},
    "kept right": {"side": "right", "keep_positions": True},
}
CURRICULUM = {"schedule": "stages", "smoothing": "inf"}
STAGES = {"stages": [{"stage": 0, "steps": 4}, {"stage": 3, "steps": 30}]}


@pytest.fixture(scope="module", params=KINDS)
def newest(request, tmp_path_factory):
    """A checkpoint at stage 3 of a run that removed tokens in one way or another."""
    curriculum = CURRICULUM | STAGES | KINDS[request.param]
    folder = train_new(tmp_path_factory.mktemp("run"), tiny(curriculum=curriculum))
    return list_checkpoints(folder.checkpoints)[-1].path


OUTSIDE = "9 9 * 9 9"
"""A question that none of the files below has."""


def trained_on_a_file(folder, **sections):
    """A run whose examples stand in two files."""
    task = make_task("multiplication", {"digits": "2x2"})
    lines = task.lines(task.sample(60, np.random.default_rng(0))).decode().splitlines(True)
    assert not any(line.startswith(OUTSIDE) for line in lines)
    data = {"task": None, "options": {}, "train_examples": None}
    for name, part in (("train", lines[:40]), ("validation", lines[40:])):
        (folder / f"{name}.txt").write_text("".join(part))
        data[name] = str(folder / f"{name}.txt")
    return train_new(folder, tiny(data=data, **sections))


def measured(path, *more):
    result = CliRunner().invoke(eval_app, [str(path), "--no-speed", "--json", *more])
    assert result.exit_code == 0, (result.output, result.exception)
    found = json.loads(result.stdout)
    return {key: found[key] for key in found if key not in ("checkpoint", "seconds")}


def answers(path):
    result = CliRunner().invoke(ask_app, [str(path), "12*34", "--json"])
    assert result.exit_code == 0, (result.output, result.exception)
    return [
        {key: one[key] for key in one if key not in ("checkpoint", "seconds")}
        for one in json.loads(result.stdout)["answers"]
    ]


@pytest.mark.slow
def test_it_is_measured_and_asked_alike_wherever_it_lies(newest, tmp_path):
    moved = shutil.copytree(newest, tmp_path / "moved")
    alone = shutil.copytree(newest, tmp_path / "other" / "checkpoints" / "step-00000001")
    assert measured(newest)["stage"] == 3
    assert measured(moved) == measured(alone) == measured(newest)
    assert answers(moved) == answers(newest)
    entry, original = all_entries([moved])[0], all_entries([newest])[0]
    for fact in ("step", "stage", "greatest_stage", "implicit", "mixed", "is_control", "task"):
        assert getattr(entry, fact) == getattr(original, fact)


@pytest.mark.slow
def test_an_edited_config_of_the_run_changes_nothing(newest, tmp_path):
    before = measured(newest)
    run = shutil.copytree(newest.parent.parent, tmp_path / "run")
    text = (run / "config.toml").read_text()
    other = text.replace('side = "left"', 'side = "right"').replace("keep_positions = true", "")
    (run / "config.toml").write_text(other)
    assert measured(run / "checkpoints" / newest.name) == before


def test_it_names_no_folder_of_the_machine(tmp_path):
    folder = trained_on_a_file(tmp_path)
    newest = list_checkpoints(folder.checkpoints)[-1].path
    text = (newest / FILE).read_text()
    assert str(tmp_path) not in text and "train.txt" in text


# Without a description ------------------------------------------------------------------------


@pytest.fixture
def old(newest, tmp_path):
    """As earlier versions wrote it: the run's config knows what the checkpoint doesn't."""
    run = shutil.copytree(newest.parent.parent, tmp_path / "old")
    path = run / "checkpoints" / newest.name
    (path / FILE).unlink()
    manifest = json.loads((path / MANIFEST).read_text())
    del manifest[FILE]
    (path / MANIFEST).write_text(json.dumps(manifest))
    return path


@pytest.mark.slow
def test_an_old_one_is_right_in_its_run_and_refused_elsewhere(newest, old, tmp_path):
    assert measured(old) == measured(newest)
    moved = shutil.copytree(old, tmp_path / "moved")
    with pytest.raises(UserError, match="--side left or right, and --keep-positions"):
        open_checkpoint(moved)
    config = json.loads((newest / FILE).read_text())["config"]["curriculum"]
    if config["side"] == "random":
        return
    kept = "--keep-positions" if config["keep_positions"] else "--close-positions"
    lines = tmp_path / "test.txt"
    lines.write_text("2 1 * 4 3||8 6 0 + 0 3 6 #### 8 0 4\n")
    given = ["--data", str(lines), "--side", config["side"], kept]
    assert measured(moved, *given) == measured(newest, "--data", str(lines))


def test_what_is_given_must_not_contradict_it(newest):
    config = json.loads((newest / FILE).read_text())["config"]["curriculum"]
    wrong = "left" if config["side"] != "left" else "right"
    with pytest.raises(UserError, match="otherwise than --side says"):
        open_checkpoint(newest, GivenRemoval(side=wrong))
    with pytest.raises(UserError, match="otherwise than --keep-positions says"):
        open_checkpoint(newest, GivenRemoval(keep_positions=not config["keep_positions"]))


# What can be wrong ----------------------------------------------------------------------------


@pytest.fixture
def moved(tmp_path_factory, tmp_path):
    folder = train_new(tmp_path, tiny(train={"max_steps": 2}))
    path = shutil.copytree(list_checkpoints(folder.checkpoints)[-1].path, tmp_path / "moved")
    (path / MANIFEST).unlink()
    return path


def change(path, **values):
    path = path / FILE
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def test_a_version_to_come_is_named(moved):
    change(moved, version=VERSION + 1, icot_tui="9.9")
    with pytest.raises(UserError, match=r"icot-tui 9\.9 in format 2.*: use a newer one"):
        open_checkpoint(moved)


def test_keys_of_a_newer_program_are_passed_over(moved):
    change(moved, later={"a": 1})
    assert open_checkpoint(moved).stage is not None


def test_a_config_that_is_not_known_is_named(moved):
    config = json.loads((moved / FILE).read_text())["config"]
    change(moved, config=config | {"curriculum": config["curriculum"] | {"words": "step"}})
    with pytest.raises(UserError, match=r"doesn't take its config \(curriculum\.words"):
        open_checkpoint(moved)


@pytest.mark.parametrize(
    "values",
    [
        {"version": 0},
        {"version": "1"},
        {"stage": -1},
        {"typical_cot_tokens": None},
        {"layout": {"separator": "x", "separator_id": 1, "answer_mark": "=>"}},
    ],
)
def test_values_that_cannot_be_are_refused(moved, values):
    change(moved, **values)
    with pytest.raises(UserError, match="cannot be read: it is damaged"):
        open_checkpoint(moved)


@pytest.mark.parametrize("order", [None, [0], [0] * 8])
def test_an_order_that_is_none_is_refused(moved, order):
    config = json.loads((moved / FILE).read_text())["config"]
    curriculum = config["curriculum"] | {"side": "random"}
    change(moved, config=config | {"curriculum": curriculum}, removal_order=order)
    with pytest.raises(UserError, match="no order of removal"):
        open_checkpoint(moved)


def test_another_separator_is_refused(moved):
    path = moved / "tokenizer_config.json"
    config = json.loads(path.read_text())
    path.write_text(json.dumps(config | {"eos_token": "####"}))
    with pytest.raises(UserError, match="is not the tokenizer that the model was trained with"):
        open_checkpoint(moved)


@pytest.mark.slow
@pytest.mark.parametrize("text", ["", "[]", "3", "{}", "[" * 5000, '{"version": 1}', "\x00"])
def test_a_damaged_one_is_refused(moved, text):
    (moved / FILE).write_text(text)
    with pytest.raises(UserError, match="cannot be read: it is damaged"):
        open_checkpoint(moved)


def test_another_tokenizer_is_refused(moved):
    character_tokenizer("0123456789*+=-").save_pretrained(moved)
    with pytest.raises(UserError, match="is not the tokenizer that the model was trained with"):
        open_checkpoint(moved)


def test_training_does_not_go_on_with_another_tokenizer(moved, tmp_path):
    model = {"pretrained": str(moved)}
    train_new(tmp_path, tiny(name="same", model=model, train={"max_steps": 2}))
    file = tmp_path / "few.txt"
    file.write_text("".join(f"{digit} =||{digit} #### {digit}\n" for digit in "123456789"))
    data = {"task": None, "options": {}, "train": str(file), "validation": str(file)}
    other = tiny(name="other", model=model, data=data | {"train_examples": None})
    with pytest.raises(UserError, match="is not the tokenizer that the model was trained with"):
        train_new(tmp_path, other)


def test_what_was_trained_beside_the_model_is_not_lost(tmp_path):
    pausing = {"method": {"name": "pause"}, "train": {"max_steps": 2}}
    folder = train_new(tmp_path, tiny(**pausing))
    path = list_checkpoints(folder.checkpoints)[-1].path
    plain = tiny(name="plain", model={"pretrained": str(path)}, train={"max_steps": 2})
    with pytest.raises(UserError, match=r"more than a language model \(method pause\)"):
        train_new(tmp_path, plain)
    moved = shutil.copytree(path, tmp_path / "moved")
    (moved / MANIFEST).unlink()
    shutil.rmtree(moved / "pause")
    with pytest.raises(UserError, match="lacks what was trained beside the model"):
        open_checkpoint(moved)


def test_adapters_know_their_base_model(moved, tmp_path):
    model = {"pretrained": str(moved), "lora": {"rank": 2, "targets": ["c_attn"]}}
    folder = train_new(tmp_path, tiny(name="lora", model=model, train={"max_steps": 3}))
    path = list_checkpoints(folder.checkpoints)[-1].path
    assert open_checkpoint(path).model.peft_config["default"].r == 2
    weights = load_file(moved / "model.safetensors")
    changed = {name: value * 1.1 for name, value in weights.items()}
    save_file(changed, moved / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(UserError, match="is not the one that they were trained on"):
        open_checkpoint(path)
    with pytest.raises(UserError, match="is not the one that they were trained on: put it back"):
        train(folder)


@pytest.mark.slow
def test_every_training_of_a_distillation_opens_with_settings_of_its_own(tmp_path):
    own = {"epochs": 1.0, "micro_batch_size": 4}
    section = {"teacher": own, "student": own, "emulator": own, "coupled": own | {"batch_size": 4}}
    config = tiny(
        method={"name": "distillation"},
        distillation=section,
        train={"max_steps": None, "epochs": 1, "micro_batch_size": None, "decay_steps": 0},
    )
    folder = train_new(tmp_path, config)
    for checkpoint in list_checkpoints(folder.checkpoints):
        described = read_description(checkpoint.path)
        assert described is not None and described.phase == checkpoint.phase
        assert described.run_config().method.name == "distillation"


# Data of its own --------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_file_of_the_same_name_elsewhere_is_not_taken(tmp_path, monkeypatch):
    folder = trained_on_a_file(tmp_path)
    newest = list_checkpoints(folder.checkpoints)[-1].path
    moved = shutil.copytree(newest, tmp_path / "away" / "moved")
    monkeypatch.chdir(tmp_path)  # where train.txt and validation.txt lie
    with pytest.raises(UserError, match="lies in no run: name a file of examples with --data"):
        CliRunner().invoke(eval_app, [str(moved), "--no-speed"], catch_exceptions=False)
    inside, outside = (LoadedModel(open_checkpoint(path)) for path in (newest, moved))
    assert outside.reader.typical_cot_tokens == inside.reader.typical_cot_tokens
    assert outside.ask(OUTSIDE).answer == inside.ask(OUTSIDE).answer


@pytest.mark.slow
def test_a_config_that_is_not_ours_is_passed_over(newest, tmp_path):
    folder = tmp_path / "project"
    copied = shutil.copytree(newest, folder / "checkpoints" / "theirs")
    (folder / "config.toml").write_text("title = 1")
    assert measured(copied) == measured(newest)


@pytest.mark.slow
def test_a_copy_in_another_run_does_not_take_its_data(tmp_path):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    one, two = (trained_on_a_file(tmp_path / name) for name in ("one", "two"))
    text = two.config.read_text().replace('name = "tiny"', 'name = "two"')
    two.config.write_text(text)
    newest = list_checkpoints(one.checkpoints)[-1].path
    copied = shutil.copytree(newest, two.checkpoints / "step-00000099")
    assert open_checkpoint(newest).data is not None
    assert open_checkpoint(copied).data is None


@pytest.mark.slow
def test_a_guessed_length_is_said(tmp_path):
    curriculum = CURRICULUM | STAGES | {"keep_positions": True}
    folder = trained_on_a_file(tmp_path, curriculum=curriculum)
    answer = LoadedModel(open_checkpoint(folder.path)).ask(OUTSIDE)
    assert "positions are kept as for a chain of" in answer.notes[0]


def test_options_reach_a_folder_beside_anothers_config(newest, tmp_path):
    """A plain model's folder in `checkpoints/` of a project that has a config.toml of its own."""
    (tmp_path / "project").mkdir()
    (tmp_path / "project" / "config.toml").write_text("title = 1")
    plain = shutil.copytree(newest, tmp_path / "project" / "checkpoints" / "plain")
    for name in (FILE, MANIFEST, STATE):
        (plain / name).unlink()
    given = ["--side", "left", "--close-positions", "--stage", "3"]
    lines = ["2 1 * 4 3||8 6 0 + 0 3 6 #### 8 0 4", *given, "--json"]
    result = CliRunner().invoke(ask_app, [str(plain), *lines])
    assert result.exit_code == 0, result.exception
    assert json.loads(result.stdout)["answers"][0]["stage"] == 3


def test_every_checkpoint_has_the_whole_tokenizer(tmp_path):
    folder = train_new(tmp_path, tiny())
    checkpoints = [one.path for one in list_checkpoints(folder.checkpoints)]
    AutoTokenizer.from_pretrained(checkpoints[0]).save_pretrained(tmp_path / "own")
    names = [path.name for path in (tmp_path / "own").iterdir()]
    assert len(checkpoints) > 1 and "tokenizer.json" in names
    for name in names:
        assert len({(path / name).read_bytes() for path in checkpoints}) == 1
