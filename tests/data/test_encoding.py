"""Ids: the fast path against the tokenizer, borders, and back to text."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

from icot_tui.data.encoded import EncodedSplit
from icot_tui.data.encoding import ByteTable, Encoder, decode_example, layout, mark_regular
from icot_tui.data.examples import Chunk, Example, parse_line
from icot_tui.data.steps import MARK
from icot_tui.data.tasks import make_task
from icot_tui.data.tokenizing import character_tokenizer, encode_prompt, encode_texts
from icot_tui.errors import UserError
from tests.golden.tokenizer import digits_tokenizer

ALPHABET = "0123456789*+-()"
CHARACTERS = character_tokenizer(ALPHABET + "aé")


def chunk(text: str) -> Chunk:
    return Chunk(text.encode(), "train.txt", 1)


def sample(digits: str, count: int = 300, format: str = "long") -> Chunk:
    task = make_task("multiplication", {"digits": digits, "format": format})
    return Chunk(task.lines(task.sample(count, np.random.default_rng(0))), "task", 1)


def assert_equal(left: EncodedSplit, right: EncodedSplit) -> None:
    for part in ("tokens", "starts", "prompt_lengths", "cot_lengths"):
        ours, theirs = getattr(left, part), getattr(right, part)
        np.testing.assert_array_equal(ours, theirs)
        assert ours.dtype == theirs.dtype


@pytest.mark.slow
@pytest.mark.parametrize(("digits", "removable"), [(4, 47), (5, 75), (7, 149), (9, 247), (11, 369)])
def test_removable_tokens_of_gpt2(digits: int, removable: int) -> None:
    split = Encoder(digits_tokenizer()).encode(sample(f"{digits}x{digits}", 20))
    assert set(split.cot_lengths.tolist()) == {removable}


@pytest.mark.parametrize(("digits", "removable"), [(2, 8), (3, 24)])
def test_removable_tokens_of_characters(digits: int, removable: int) -> None:
    split = Encoder(CHARACTERS).encode(sample(f"{digits}x{digits}", 20))
    assert set(split.cot_lengths.tolist()) == {removable}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("digits", "format"),
    [
        ("4x4", "long"),
        ("2x2,3x5,1x2", "long"),
        ("5x9", "tree"),
        ("1x3,4x4", "rows"),
    ],
)
def test_fast_path_is_exact(digits: str, format: str, byte_pairs: Any) -> None:
    text = sample(digits, format=format)
    for tokenizer in (byte_pairs, CHARACTERS):
        encoder = Encoder(tokenizer)
        assert encoder._by_table(text) is not None
        assert_equal(encoder.encode(text), Encoder(tokenizer, fast=False).encode(text))


SYMBOLS = st.sampled_from([*"0123456789*+()", "#", "|", " ", " ", " ", " ", "\n", "||", " #### "])


@settings(max_examples=300)
@given(st.lists(SYMBOLS, max_size=40).map("".join))
@pytest.mark.slow
def test_marked_lines_mean_what_parsed_ones_do(text: str) -> None:
    """Whatever passes as regular is read alike by the parser; nothing else is looked up."""
    marked = mark_regular((text + "\n").encode())
    if marked is None:
        return
    for part, line in zip(marked.split(b"\x03")[:-1], text.split("\n"), strict=True):
        x, rest = part.split(b"\x01")
        z, y = rest.split(b"\x02")
        assert parse_line(line, "") == Example(x.decode(), z.decode(), y.decode())
        assert all(len(word) == 1 for span in (x, z, y) for word in span.split(b" "))


@pytest.mark.parametrize(
    "line",
    [
        "1 2||3 #### 4",
        "1 2||#### 4",
        "1 2|| #### 4",
        "12||3 #### 4",
        "1  2||3 #### 4",
        "1 2 ||3 #### 4",
        "1 2|| 3 #### 4",
        " 1 2||3 ####  4 ",
        "1 é||3 #### 4",
        "a\u00a0 1||3 #### 4",
    ],
)
def test_irregular_lines_go_through_the_tokenizer(line: str, byte_pairs: Any) -> None:
    text = chunk("1 2||3 #### 4\n" + line + "\n\n")
    tokenizers = [byte_pairs, CHARACTERS] if "\u00a0" not in line else [byte_pairs]
    for tokenizer in tokenizers:
        split = Encoder(tokenizer).encode(text)
        example = parse_line(line, "")
        whole = encode_texts(tokenizer, [layout(example, (tokenizer.eos_token,) * 3)])[0]
        assert split.example(1).tolist() == whole
        assert decode_example(tokenizer, split, 1) == example
        prompt = encode_prompt(tokenizer, example.input)
        assert split.example(1)[: split.prompt_lengths[1]].tolist() == prompt


def test_a_later_chunk_may_have_new_symbols() -> None:
    encoder, slow = Encoder(CHARACTERS), Encoder(CHARACTERS, fast=False)
    for text in ("1 2||1 #### 2\n", "1 2||1 #### 2\n3 4||1 #### 2\n", "2 a||1 #### 2\n"):
        assert_equal(encoder.encode(chunk(text)), slow.encode(chunk(text)))


def test_a_tokenizer_that_joins_symbols_gets_no_table() -> None:
    """Byte pairs over blanks: ` 1 2` is one token."""
    pieces = [*"0123456789#|", " ", " 1", " 1 ", " 1 2", "x"]
    vocabulary = {piece: number for number, piece in enumerate(pieces)}
    core = Tokenizer(models.BPE(vocabulary, [(" ", "1"), (" 1", " "), (" 1 ", "2")]))
    core.decoder = decoders.Fuse()
    joining = PreTrainedTokenizerFast(tokenizer_object=core, eos_token="<end>")
    assert ByteTable.learn(joining, b"12") is None
    split = Encoder(joining).encode(chunk("1 2||3 #### 4\n"))
    assert split.prompt_lengths.tolist() == [3]


@pytest.mark.parametrize("start", ["<start>", "<end>"])
def test_a_start_token(start: str) -> None:
    """It is kept, as the tokenizer wants it, unless it is the separator itself."""
    core = Tokenizer(
        models.WordLevel({word: n for n, word in enumerate(["?", *"1234", "####"])}, "?")
    )
    core.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=core, eos_token="<end>", bos_token=start, unk_token="?"
    )
    tokenizer.backend_tokenizer.post_processor = processors.TemplateProcessing(
        f"{start} $A", special_tokens=[(start, tokenizer.bos_token_id)]
    )
    split = Encoder(tokenizer).encode(chunk("1 2||3 #### 4\n1 2||3 #### 4\n"))
    first = [tokenizer.bos_token_id] if start == "<start>" else []
    assert split.example(1).tolist() == [
        *first,
        *tokenizer.convert_tokens_to_ids(["1", "2", "<end>", "3", "<end>", "####", "4", "<end>"]),
    ]
    assert split.prompt_lengths.tolist() == [3 + len(first)] * 2
    assert decode_example(tokenizer, split, 1) == Example("1 2", "3", "4")


def words(*more: str) -> Tokenizer:
    core = Tokenizer(
        models.WordLevel({word: n for n, word in enumerate(["?", *"1234*", "####", *more])}, "?")
    )
    core.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return core


def test_a_start_token_stays_where_the_tokenizer_ends_texts_too() -> None:
    """The end is the separator, and stands where the layout has it; the start is not lost."""
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=words(), eos_token="<end>", bos_token="<start>", unk_token="?"
    )
    specials = [(word, tokenizer.convert_tokens_to_ids(word)) for word in ("<start>", "<end>")]
    tokenizer.backend_tokenizer.post_processor = processors.TemplateProcessing(
        "<start> $A <end>", special_tokens=specials
    )
    marked = Chunk(f"1 2||3{MARK} 4{MARK} #### 4\n".encode(), "train.txt", 1, marked=True)
    split = Encoder(tokenizer).encode(marked)
    expected = ["<start>", "1", "2", "<end>", "3", "4", "<end>", "####", "4", "<end>"]
    assert split.example(0).tolist() == tokenizer.convert_tokens_to_ids(expected)
    assert encode_prompt(tokenizer, "1 2") == tokenizer.convert_tokens_to_ids(expected[:4])
    assert split.steps is not None
    assert split.steps.ends.tolist() == [0, 1, 2]


def test_a_tokenizer_that_drops_a_symbol_is_refused() -> None:
    """Byte pairs without a token for unknown characters leave these out without a word."""
    pieces = [*"1234#", " "]
    core = Tokenizer(models.BPE({piece: number for number, piece in enumerate(pieces)}, []))
    core.decoder = decoders.Fuse()
    dropping = PreTrainedTokenizerFast(tokenizer_object=core, eos_token="<end>")
    with pytest.raises(UserError, match=r"does not give the examples back \('1 \* 2' becomes '1"):
        Encoder(dropping).encode(chunk("1 * 2||3 #### 4\n"))


def test_a_tokenizer_that_changes_letters_is_refused() -> None:
    core = words("a", "b")
    core.normalizer = normalizers.Lowercase()
    lower = PreTrainedTokenizerFast(tokenizer_object=core, eos_token="<end>", unk_token="?")
    Encoder(lower).encode(chunk("a b||3 #### 4\n"))
    with pytest.raises(UserError, match="'A b' becomes 'a b'"):
        Encoder(lower).encode(chunk("A b||3 #### 4\n"))


def test_a_tokenizer_that_loses_all_blanks_is_refused() -> None:
    core = words()
    core.decoder = decoders.Fuse()
    joining = PreTrainedTokenizerFast(tokenizer_object=core, eos_token="<end>", unk_token="?")
    with pytest.raises(UserError, match="loses the blanks"):
        Encoder(joining).encode(chunk("1 2||3 4 #### 4\n"))
    Encoder(joining).encode(chunk("1||3 #### 4\n"))  # where there are none, none are lost


def test_the_separator_in_the_text_is_refused(byte_pairs: Any) -> None:
    with pytest.raises(UserError, match=r"train\.txt, line 2: .*separator <\|endoftext\|>"):
        Encoder(byte_pairs).encode(chunk("1||2 #### 3\n1||2 <|endoftext|> 4 #### 3\n"))


def test_unknown_characters_are_named() -> None:
    with pytest.raises(UserError, match=r"train\.txt, line 2: .*no token for 'ß'"):
        Encoder(CHARACTERS).encode(chunk("1||2 #### 3\n1||ß #### 3\n"))
    with pytest.raises(UserError, match=r"train\.txt, line 2: .*no token for 'x'"):
        Encoder(CHARACTERS).encode(chunk("1||2 #### 3\n1||x #### 3\n"))


LETTERS = st.characters(codec="utf-8", exclude_characters="|#\n", exclude_categories=["Nd"])
TEXT = st.text(LETTERS | st.sampled_from("0123456789"), min_size=1, max_size=20)
STRIPPED = TEXT.map(str.strip).filter(bool)


@pytest.mark.slow
@settings(max_examples=60)
@given(STRIPPED, TEXT.map(str.strip), STRIPPED)
def test_any_text_comes_back(byte_pairs: Any, x: str, z: str, y: str) -> None:
    example = Example(x, z, y)
    text = chunk(f"{x}||{z and z + ' '}#### {y}\n")
    for tokenizer in (byte_pairs, character_tokenizer(x + z + y)):
        assert decode_example(tokenizer, Encoder(tokenizer).encode(text), 0) == example


def test_wide_ids() -> None:
    many = character_tokenizer(map(chr, range(0x4E00, 0x4E00 + 33000)))
    split = Encoder(many).encode(chunk("\u4e00||\u4e01 #### \u4e02\n"))
    assert split.tokens.dtype == np.uint32
    assert decode_example(many, split, 0) == Example("\u4e00", "\u4e01", "\u4e02")
