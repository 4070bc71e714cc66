"""From a config to splits: real files, counts, and what is refused."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from icot_tui.config import DataConfig
from icot_tui.data.encoding import decode_example
from icot_tui.data.examples import read_lines
from icot_tui.data.load import load_data
from icot_tui.errors import UserError
from tests.data.loading import config, entries, write
from tests.shared import shared


@pytest.mark.slow
def test_real_files(gpt2: Any) -> None:
    folder = shared("data", "gpt2_tokenizer")
    train = shared("data", "gsm8k", "valid.txt")
    validation = shared("data", "4_by_4_mult", "valid.txt")
    data = load_data(
        DataConfig(train=str(train), validation=str(validation), tokenizer=str(folder))
    )
    for split, path in ((data.train, train), (data.validation, validation)):
        examples = [example for _, example in read_lines(path)]
        assert [decode_example(data.tokenizer, split, i) for i in range(len(split))] == examples
    assert data.validation.max_cot_tokens == 47
    assert data.test is None
    assert data.task is None
    told = "no chain of thought in 6 of 500 examples, so that nothing is removed from them"
    assert data.warnings == [f"{train}: {told}"]


def test_files_are_cut_to_the_counts(tmp_path: Path) -> None:
    path = write(tmp_path / "a.txt", *(f"{n}||z #### {n}" for n in range(30)))
    wanted = DataConfig(train=path, validation=path, train_examples=7, validation_examples=5)
    data = load_data(wanted)
    assert (len(data.train), len(data.validation)) == (7, 5)


@pytest.mark.parametrize(
    ("wanted", "complaint"),
    [
        (config(train_examples=8000), "only 8100 distinct problems"),
        (config(validation_examples=8100, test_examples=0, train_examples=None), "only 8100"),
        (config(options={"digits": "9x9"}, train_examples=None), "data.train_examples is missing"),
        (config(task="nope"), "data.task 'nope' is not known"),
        (DataConfig(train="nowhere", validation="nowhere"), "nowhere does not exist"),
        (DataConfig(train="a", validation="b", test_examples=5), "data.test_examples is for"),
        (config(tokenizer="./nowhere"), "tokenizer folder ./nowhere does not exist"),
    ],
)
def test_refused(wanted: DataConfig, complaint: str, cache: Path) -> None:
    with pytest.raises(UserError) as error:
        load_data(wanted)
    assert complaint in str(error.value)
    assert not cache.exists() or entries(cache) == []


def test_only_blank_lines(tmp_path: Path) -> None:
    path = write(tmp_path / "train.txt", "", "  ")
    with pytest.raises(UserError, match="train file holds no examples"):
        load_data(DataConfig(train=path, validation=path))


@pytest.mark.slow
def test_nothing_heavy_is_imported_before_it_is_used() -> None:
    program = (
        "import icot_tui.data.load, icot_tui.data.files, icot_tui.data.files, icot_tui.cli.data, "
        "sys; print({'torch', 'transformers', 'tokenizers'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "set()"
