"""Where reasoning steps end: in tasks, lists, calculations, lines, and at a stated text."""

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models
from transformers import PreTrainedTokenizerFast

from icot_tui.config import DataConfig
from icot_tui.data.encoding import Encoder
from icot_tui.data.examples import Chunk, chunk_examples
from icot_tui.data.load import load_data
from icot_tui.data.reading import ExampleReader
from icot_tui.data.splits import open_source
from icot_tui.data.steps import StepEnds, StepRule
from icot_tui.data.tokenizing import decode
from icot_tui.errors import UserError
from tests.golden.tokenizer import digits_tokenizer

GPT2_DIGITS = digits_tokenizer()
FILES = Path(__file__).parent / "files"


def steps_of(config: DataConfig) -> list[list[str]]:
    """The steps of each training example, as texts."""
    data = load_data(config, "step")
    split, found = data.train, []
    assert split.steps is not None
    for row in range(len(split)):
        ids = split.example(row)[split.prompt_lengths[row] :]
        first, last = split.steps.starts[row : row + 2]
        ends = split.steps.ends[first:last].tolist()
        assert ends[0] == 0 and ends[-1] == split.cot_lengths[row]
        spans = pairwise(ends)
        found.append([decode(data.tokenizer, ids[a:b]) for a, b in spans])
    return found


def task(name: str, **options: Any) -> DataConfig:
    return DataConfig(task=name, options=options, train_examples=3, validation_examples=2)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("config", "ends"),
    [
        (task("multiplication", digits="3x3"), ["+", ") +", None]),
        (task("multiplication", digits="3x3", format="tree"), ["+", "+", "(", "+", ")"]),
        (task("addition", operands=4), [")", ")"]),
        (task("modular", steps=4), [None, None, None]),
    ],
    ids=["long", "tree", "addition", "modular"],
)
def test_tasks_know_their_steps(config: DataConfig, ends: list[str | None]) -> None:
    found = steps_of(config)
    lines = b"".join(chunk.text for chunk in open_source(config).chunks("train"))
    chains = [e.cot for _, e in chunk_examples(Chunk(lines, "task", 1))]
    for steps, chain in zip(found, chains, strict=True):
        assert " ".join(steps) == chain
        assert len(steps) == len(ends)
        assert all(end is None or step.endswith(end) for step, end in zip(steps, ends, strict=True))


@pytest.mark.parametrize("name", ["coconut.json", "gsm8k.jsonl", "gsm8k-aug.csv", "codi.parquet"])
def test_calculations_and_lists_are_steps(name: str) -> None:
    path = str(FILES / name)
    found = steps_of(DataConfig(train=path, validation=path, max_overlap=1))
    assert found[0] == ["<<4+8=12>>"]
    assert found[1] == ["<<2*6=12>>", "<<12-2=10>>"]


def test_lines_and_stated_texts_end_steps(tmp_path: Path) -> None:
    rows = [{"question": "q?", "cot": "One. Two\nthree. Four", "answer": "4"}] * 2
    file = tmp_path / "rows.json"
    file.write_text(json.dumps(rows))
    files = {"train": str(file), "validation": str(file), "max_overlap": 1}
    assert steps_of(DataConfig(**files))[0] == ["One. Two", "three. Four"]
    assert steps_of(DataConfig(**files, step_end="."))[0] == ["One.", "Two three.", "Four"]
    text = tmp_path / "rows.txt"
    text.write_text("a; b?||c d; e; f; #### g; h\n" * 2)
    files = {"train": str(text), "validation": str(text), "max_overlap": 1}
    assert steps_of(DataConfig(**files, step_end=";"))[0] == ["c d;", "e;", "f;"]
    with pytest.raises(UserError, match=r"^the train examples do not say where .* data.step_end"):
        load_data(DataConfig(**files), "step")


def test_marks_change_no_token_and_no_text(tmp_path: Path) -> None:
    """With steps known, the examples are those of single tokens."""
    for name in ("coconut.json", "gsm8k.jsonl", "prosqa.json"):
        path = str(FILES / name)
        config = DataConfig(train=path, validation=path, max_overlap=1)
        plain, marked = load_data(config), load_data(config, "step")
        assert np.array_equal(plain.train.tokens, marked.train.tokens)
        assert plain.tokenizer.get_vocab() == marked.tokenizer.get_vocab()
        assert plain.train.steps is None and plain.fingerprint != marked.fingerprint


def test_a_character_that_marks_steps_is_one_as_any_other_where_none_are_marked(
    tmp_path: Path,
) -> None:
    line = "1||2\x1f 3 #### 4\n"
    text = tmp_path / "rows.txt"
    text.write_text("9||8 #### 7\n" + line)
    (chunk,) = ExampleReader.of(str(text), "train", None, "token").chunks()
    assert chunk.text.decode().endswith(line) and not chunk.marked
    with pytest.raises(UserError, match="line 2: it holds ASCII's unit separator"):
        list(ExampleReader.of(str(text), "train", None, "step").chunks())


LINES = st.lists(
    st.lists(st.lists(st.sampled_from("123+"), min_size=1, max_size=4), max_size=5),
    min_size=1,
    max_size=5,
)


@pytest.mark.slow
@given(LINES)
def test_the_table_and_the_tokenizer_agree(chains: list[list[list[str]]]) -> None:
    """With a blank token before the separator, too, as GPT-2's tokenizer has it."""
    texts = ["; ".join(" ".join(step) for step in steps) for steps in chains]
    lines = "".join(f"1 2||{text} #### 3\n" if text else "1 2||#### 3\n" for text in texts)
    marked = StepRule(";").mark(lines.replace(";", " ;").encode())
    chunk = Chunk(marked.replace(b" ;", b""), "lines", 1, marked=True)
    fast, slow = Encoder(GPT2_DIGITS).encode(chunk), Encoder(GPT2_DIGITS, fast=False).encode(chunk)
    assert np.array_equal(fast.tokens, slow.tokens)
    if any(len(steps) > 1 for steps in chains):
        assert fast.steps is not None and slow.steps is not None
        assert np.array_equal(fast.steps.ends, slow.steps.ends)
        assert fast.steps.counts.tolist() == [max(1, len(steps)) for steps in chains]


def test_a_token_across_a_border_belongs_to_the_step_before_it() -> None:
    pieces = [*"0123456789#|;", " ", ";2"]
    vocabulary = {piece: number for number, piece in enumerate(pieces)}
    core = Tokenizer(models.BPE(vocabulary, [(";", "2")]))
    core.decoder = decoders.Fuse()
    joining = PreTrainedTokenizerFast(tokenizer_object=core, eos_token="<end>")
    marked = StepRule(";").mark(b"1||1;23; 4 #### 4\n")
    split = Encoder(joining).encode(Chunk(marked, "line", 1, marked=True))
    assert split.steps is not None
    ends = split.steps.ends.tolist()
    assert ends == [0, 3, 6, 8]  # ` 1;2`, `3;` and its blank, `4` and its blank


def test_only_keeps_the_steps_of_the_rows_it_keeps() -> None:
    lengths = np.array([3, 0, 5], dtype=np.int32)
    steps = StepEnds.at(np.array([0, 2, 2]), np.array([1, 2, 4]), lengths)
    assert steps.counts.tolist() == [2, 0, 3]
    kept = steps.only(np.array([False, True, True]))
    assert kept.counts.tolist() == [0, 3] and kept.ends.tolist() == [0, 0, 2, 4, 5]


def test_a_reader_without_a_rule_marks_nothing() -> None:
    chunks = ExampleReader(str(FILES / "coconut.json")).chunks()
    assert all(b"\x1f" not in chunk.text for chunk in chunks)
