import math
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from icot_tui import resources
from icot_tui.config import RunConfig, check_run, dump_toml, load_config
from icot_tui.config.loading import parse_override
from icot_tui.config.sections import LARGEST
from icot_tui.config.toml import key_lines
from icot_tui.errors import UserError

SMALL = """\
name = "small"

[data]
task = "multiplication"
options = { digits = "2x2" }

[train]
max_steps = 10
"""


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    path = Path("small.toml")
    path.write_text(SMALL)
    return path


def complaint(source: str | Path, *overrides: str) -> str:
    with pytest.raises(UserError) as caught:
        load_config(source, overrides)
    assert caught.value.exit_status == 2
    return str(caught.value)


# --- samples ---


@pytest.mark.parametrize("name", resources.sample_configs())
def test_every_sample_loads_and_says_what_it_is_for(name: str) -> None:
    config = load_config(name).config
    assert config.name == name
    assert len(config.description) > 20


def test_the_recipes_of_the_paper_have_its_numbers() -> None:
    nine = load_config("mult-9x9-gpt2").config
    assert (nine.curriculum.remove_per_epoch, nine.curriculum.smoothing) == (8, 4.0)
    assert (nine.train.learning_rate, nine.train.batch_size) == (5e-5, 32)
    mistral = load_config("gsm8k-mistral-7b").config
    assert (mistral.train.learning_rate, mistral.train.micro_batch_size) == (1e-5, 16)
    assert (mistral.model.precision, mistral.curriculum.remove_all_beyond) == ("bfloat16", 39)


def test_controls_share_data_and_model_with_what_they_control() -> None:
    arithmetic = "demo", "mult-3x3-cpu", "mult-4x4-cpu", "mult-4x4-gpt2", "mult-9x9-gpt2"
    for name in (*arithmetic, "gsm8k-gpt2-small"):
        run, control = load_config(name).config, load_config(f"{name}-no-cot").config
        assert (run.data, run.model) == (control.data, control.model)
        assert run.train.learning_rate == control.train.learning_rate
        assert run.train.decay_steps == control.train.decay_steps
        assert control.method.name == "no_cot"


# --- overrides and provenance ---


def test_each_value_knows_where_it_came_from(small: Path) -> None:
    loaded = load_config(small, ["train.batch_size=8", "name=other"])
    assert loaded.config.train.batch_size == 8
    assert loaded.config.name == "other"
    assert loaded.path == small
    assert loaded.provenance["data.task"] == "small.toml:4"
    assert loaded.provenance["data.options.digits"] == "small.toml:5"
    assert loaded.provenance["train.max_steps"] == "small.toml:8"
    assert loaded.provenance["train.batch_size"] == "--set"
    assert loaded.provenance["name"] == "--set"
    assert loaded.provenance["model.lora.rank"] == "default"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a.b=3", 3),
        ("a.b=1e-3", 1e-3),
        ("a.b=inf", math.inf),
        ("a.b=true", True),
        ("a.b=loss_gated", "loss_gated"),
        ("a.b=4x4", "4x4"),
        ('a.b="4 x = 4"', "4 x = 4"),
        ("a.b = x=y ", "x=y"),
        ("a.b=2024-01-01", "2024-01-01"),
        ('a.b=["wandb"]', ["wandb"]),
        ("a.b=1\nc=2", "1\nc=2"),
        ("a.b=", None),
    ],
)
def test_override_values_are_toml_or_bare_words(text: str, value: Any) -> None:
    assert parse_override(text) == (("a", "b"), value)


def test_an_empty_override_puts_back_the_default(small: Path) -> None:
    loaded = load_config(small, ["train.max_steps=", "train.epochs=2"])
    assert loaded.config.train.max_steps is None
    assert loaded.provenance["train.max_steps"] == "default"


def test_an_override_of_a_table_replaces_it(small: Path) -> None:
    loaded = load_config(small, ['data.options={format="tree"}'])
    assert loaded.config.data.options == {"format": "tree"}
    assert loaded.provenance["data.options.format"] == "--set"


def test_files_are_relative_to_the_config_and_overrides_to_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "configs"
    folder.mkdir()
    monkeypatch.chdir(tmp_path)
    path = folder / "files.toml"
    path.write_text('[data]\ntrain = "a.txt"\nvalidation = "../b.txt"\n[train]\nepochs = 1\n')
    data = load_config("configs/files.toml", ["data.validation=c.txt"]).config.data
    assert data.train == str(folder / "a.txt")
    assert data.validation == str(tmp_path / "c.txt")
    assert load_config("configs/files.toml").config.data.validation == str(tmp_path / "b.txt")
    assert data.tokenizer == "character"
    local = load_config(path, ["model.pretrained=./gpt", "data.tokenizer=gpt2"]).config
    assert (local.model.pretrained, local.data.tokenizer) == (str(tmp_path / "gpt"), "gpt2")


def test_files_of_samples_are_relative_to_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    train = load_config("gsm8k-gpt2-small").config.data.train
    assert train == str(tmp_path / "data" / "gsm8k" / "train.txt")


# --- mistakes ---

MISTAKES = [
    (
        "train.batchsize=3",
        "--set: unknown key train.batchsize; did you mean train.batch_size?",
    ),
    (
        "model.layers=100000000",
        "--set: model.layers must be a whole number from 1 to 10000, not 100000000",
    ),
    ("train.layers=3", "--set: unknown key train.layers; did you mean model.layers?"),
    (
        "distillation.tempreture=1",
        "--set: unknown key distillation.tempreture; did you mean distillation.temperature?",
    ),
    (
        "max_step=3",
        "--set: unknown key max_step; did you mean curriculum.max_steps or train.max_steps?",
    ),
    ("trian={epochs=3}", "--set: unknown section [trian]; did you mean train?"),
    (
        "method.zzz=3",
        "--set: unknown key method.zzz; the keys here are name",
    ),
    (
        "train.batch_size=0",
        "--set: train.batch_size must be a whole number of at least 1, not 0",
    ),
    (
        "train.batch_size=many",
        '--set: train.batch_size must be a whole number of at least 1, not "many"',
    ),
    ("train.compile=1", "--set: train.compile must be true or false, not 1"),
    ("train.beta1=1.0", "--set: train.beta1 must be a number from 0 to below 1, not 1.0"),
    ("train.epochs=-1", "--set: train.epochs must be a number above 0, not -1"),
    ("seed=-1", "--set: seed must be a whole number from 0 to 4294967295, not -1"),
    ("seed=5000000000", "--set: seed must be a whole number from 0 to 4294967295, not 5000000000"),
    ("data.seed=-1", "--set: data.seed must be a whole number of at least 0, not -1"),
    (
        "curriculum.side=middle",
        '--set: curriculum.side must be one of "left", "right", "random", not "middle"',
    ),
    (
        "data.options.digits=1.5",
        "--set: data.options.digits must be text or a whole number or true or false or a list, "
        "not 1.5",
    ),
    (
        "curriculum={schedule='stages', stages=[{stage=2, steps=9}, {stage=2, steps=9}]}",
        "--set: curriculum.stages must rise, since nothing comes back that was removed, but 2 "
        "follows 2",
    ),
    (
        "curriculum.stages=[{stage=0}]",
        "--set: curriculum.stages[0].steps is missing; it must be a whole number of at least 1",
    ),
    (
        'trackers.names=["wandd"]',
        '--set: trackers.names[0] must be one of "tensorboard", "wandb", "mlflow", "trackio", '
        'not "wandd"',
    ),
    (
        "train.max_steps=99999999999999999999999",
        "--set: train.max_steps must be at most 1e+12, not 99999999999999999999999",
    ),
    (
        "curriculum.warmup_epochs=inf",
        "--set: curriculum.warmup_epochs must be at most 1e+12, not inf",
    ),
    (
        "curriculum.gate_window=99999999999999999999",
        "--set: curriculum.gate_window must be at most 1e+12, not 99999999999999999999",
    ),
    (
        "spikes.window=99999999999999999999",
        "--set: spikes.window must be at most 1e+12, not 99999999999999999999",
    ),
    (
        "train.threads=4294967295",
        "--set: train.threads must be a whole number from 0 to 1024, not 4294967295",
    ),
    (
        "codi.thoughts=20000",
        "--set: codi.thoughts must be a whole number from 1 to 1024, not 20000",
    ),
    (
        "train.pad_to_multiple=4294967295",
        "--set: train.pad_to_multiple must be a whole number from 1 to 65536, not 4294967295",
    ),
    ("train.learning_rate=nan", "--set: train.learning_rate must be a number above 0, not nan"),
    ("model=3", "--set: model must be a table, not 3"),
    ("data=", "small.toml: the section [data] is missing"),
    ("train.max_steps.x=3", "--set train.max_steps.x: max_steps is not a section"),
    ("train.max_steps", "--set 'train.max_steps' is not of the form section.key=value"),
    ("data.options={digits", "--set data.options: the value {digits is not TOML"),
    ("name=\udcff", "--set name: the value is not UTF-8 text"),
    (
        "data.train=x.txt",
        "small.toml:3: give either a task or a train file (data.task or data.train)",
    ),
]


@pytest.mark.parametrize(("override", "sentence"), MISTAKES)
def test_mistakes_are_told_in_one_sentence(small: Path, override: str, sentence: str) -> None:
    assert complaint(small, override) == sentence


def test_mistakes_in_a_file_are_told_with_their_line(small: Path) -> None:
    small.write_text(SMALL + "batchsize = 3\nclip_norm = -1\n")
    assert complaint(small) == (
        "small.toml:9: unknown key train.batchsize; did you mean train.batch_size? "
        "(and 1 more to mend)"
    )
    assert complaint(small, "train.batchsize=") == (
        "small.toml:10: train.clip_norm must be a number above 0, not -1"
    )


def test_broken_toml_is_told_with_its_line(small: Path) -> None:
    small.write_text("[data]\ntask = multiplication\n")
    assert complaint(small) == (
        "small.toml:2: this is not TOML at column 8: invalid value; text needs double quotes"
    )
    small.write_text("[data]\ntask = [1,\n")
    assert complaint(small).startswith("small.toml:3: this is not TOML: ")
    small.write_bytes(b"name = '\xff'")
    assert complaint(small) == "small.toml: not a text file in UTF-8; save it as UTF-8"


@pytest.mark.parametrize("nested", ["[" * 3000 + "]" * 3000, "{b=" * 3000 + "1" + "}" * 3000])
def test_what_is_nested_too_deeply_is_told_in_a_sentence(tmp_path: Path, nested: str) -> None:
    deep = tmp_path / "deep.toml"
    deep.write_text(f"a = {nested}\n")
    assert complaint(deep) == f"{deep}: its lists or tables are nested too deeply"


def test_a_file_that_is_not_there_is_told_with_the_samples(small: Path) -> None:
    assert complaint("zzz").startswith(
        "there is no config file zzz, nor a sample of that name; samples: coconut-graph-cpu, demo, "
    )
    assert complaint("configs/demmo.toml") == (
        "there is no config file configs/demmo.toml, nor a sample of that name; "
        "did you mean the sample demo?"
    )


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read(small: Path) -> None:
    small.chmod(0)
    assert complaint(small) == "cannot read small.toml: Permission denied"


def test_windows_line_ends_and_byte_order_marks_are_read(small: Path) -> None:
    small.write_bytes(b"\xef\xbb\xbf" + SMALL.replace("\n", "\r\n").encode())
    assert load_config(small).provenance["train.max_steps"] == "small.toml:8"


# --- lines ---


def test_lines_of_keys_in_every_form_of_toml() -> None:
    text = '''\
# a comment, then a table
a.b = 1
"quoted key" = 2

[[list]]
x = 1
[list.inner]
y = """
[not.a.table]
z = 1
"""
[[list]]
x = [
  1,
  2,
]
[deep.er]
inline = { k = 1 }
'''
    lines = key_lines(text)
    assert lines[("a", "b")] == 2
    assert lines[("quoted key",)] == 3
    assert lines[("list", 0, "x")] == 6
    assert lines[("list", 0, "inner", "y")] == 8
    assert lines[("list", 1)] == 12
    assert lines[("list", 1, "x", 1)] == 13
    assert lines[("deep",)] == 17
    assert lines[("deep", "er", "inline", "k")] == 18
    assert ("not",) not in lines


@pytest.mark.parametrize("entry", ["{stage = 1, steps = 2},\n", "1\n,\n"])
def test_lines_of_a_huge_list_are_found_or_left_out_soon(entry: str) -> None:
    """Before, a quarter of an hour was not enough."""
    text = f"a = 1\nlist = [\n{entry * 9_000}]\n"
    assert key_lines(text).get(("list",)) == (2 if entry.startswith("{") else None)


# --- writing ---

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
positive = st.floats(min_value=0, max_value=LARGEST, exclude_min=True)


@st.composite
def configs(draw: st.DrawFn) -> RunConfig:
    options = st.dictionaries(texts, texts | st.booleans() | st.lists(texts, max_size=2))
    spans = st.fixed_dictionaries({"stage": st.integers(0, 99), "steps": st.integers(1, 99)})
    raw = {
        "description": draw(texts),
        "seed": draw(st.integers(0, 2**32 - 1)),
        "data": {"task": draw(texts), "options": draw(options)},
        "model": {"lora": {"alpha": draw(positive)}},
        "curriculum": {
            "smoothing": draw(positive | st.just(math.inf)),
            "stages": draw(st.lists(spans, max_size=3)),
        },
        "train": {"epochs": draw(positive), "compile": draw(st.booleans())},
        "trackers": {"names": draw(st.lists(st.sampled_from(["wandb", "mlflow"])))},
    }
    return check_run(raw)


@pytest.mark.slow
@settings(max_examples=50)
@given(configs())
def test_a_written_config_loads_back_to_the_identical_one(
    tmp_path_factory: pytest.TempPathFactory, config: RunConfig
) -> None:
    path = tmp_path_factory.mktemp("dump") / "config.toml"
    path.write_text(dump_toml(config), encoding="utf-8", newline="")
    assert load_config(path).config == config


def test_a_deeply_nested_override_is_refused_in_a_sentence() -> None:
    with pytest.raises(UserError, match=r"--set train\.max_steps: the value is nested too deeply"):
        parse_override("train.max_steps=" + "[" * 20_000)
