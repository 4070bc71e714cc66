"""The character tokenizer, and tokenizers from elsewhere."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, pre_tokenizers
from tokenizers.models import BPE
from transformers import AutoTokenizer, GPT2Tokenizer, PreTrainedTokenizerFast

from icot_tui.data.tokenizing import (
    SEPARATOR,
    character_tokenizer,
    decode,
    encode_prompt,
    encode_texts,
    pretrained_tokenizer,
    separator_id,
)
from icot_tui.errors import UserError

ALPHABET = "0123456789*+()#|<>=aé数🧮\t\x1b\u202e"


CHARACTERS = character_tokenizer(ALPHABET)


@pytest.fixture
def tokenizer() -> Any:
    return CHARACTERS


def test_one_token_a_symbol(tokenizer: Any) -> None:
    text = f" 1 * 2 {SEPARATOR} 3 {SEPARATOR} #### 4 {SEPARATOR}"
    tokens = [" 1", " *", " 2", SEPARATOR, " 3", SEPARATOR, " ####", " 4", SEPARATOR]
    ids = encode_texts(tokenizer, [text])[0]
    assert ids == tokenizer.convert_tokens_to_ids(tokens)
    assert [ids[3], ids[5], ids[8]] == [separator_id(tokenizer)] * 3
    assert len(set(tokens)) == len(set(ids))


@given(st.text(st.sampled_from(ALPHABET + " ")))
def test_text_survives(text: str) -> None:
    assert decode(CHARACTERS, encode_texts(CHARACTERS, [text])[0]) == text.strip()


def test_round_trip_through_a_folder(tokenizer: Any, tmp_path: Path) -> None:
    tokenizer.save_pretrained(tmp_path)
    text = f" 1  (aé\t2\x1b {SEPARATOR} 数🧮 {SEPARATOR} #### 4 {SEPARATOR}"
    expected = encode_texts(tokenizer, [text])
    for loaded in (AutoTokenizer.from_pretrained(tmp_path), pretrained_tokenizer(str(tmp_path))):
        assert encode_texts(loaded, [text]) == expected
        assert loaded.eos_token == loaded.pad_token == SEPARATOR
        assert len(loaded) == len(tokenizer)
        assert decode(loaded, expected[0]) == decode(tokenizer, expected[0])


def test_the_order_of_the_alphabet_does_not_matter() -> None:
    assert character_tokenizer("cab ").get_vocab() == character_tokenizer("abccc").get_vocab()


def test_unknown_characters_are_refused(tokenizer: Any) -> None:
    with pytest.raises(UserError, match=r"no token for 'ß' \(U\+00DF\)"):
        encode_prompt(tokenizer, "1 ß 2")
    with pytest.raises(UserError, match="input is empty"):
        encode_prompt(tokenizer, "  ")
    with pytest.raises(UserError, match="holds the separator"):
        encode_prompt(tokenizer, f"1 {SEPARATOR} 2")


def test_prompts_are_prefixes_of_whole_texts(tokenizer: Any, byte_pairs: Any) -> None:
    for each in (tokenizer, byte_pairs):
        end = each.eos_token
        whole = encode_texts(each, [f" 1 * 2 {end} 3 {end} #### 4 {end}"])[0]
        prompt = encode_prompt(each, "1 * 2")
        assert whole[: len(prompt)] == prompt
        assert prompt[-1] == separator_id(each)


def test_gpt2(gpt2: Any) -> None:
    assert encode_texts(gpt2, [" 5 6 <|endoftext|>"]) == [[642, 718, 220, 50256]]
    assert decode(gpt2, encode_texts(gpt2, [" What is ( 1 ) . done ?"])[0]) == (
        "What is ( 1 ) . done ?"
    )


def test_what_is_no_tokenizer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match="does not exist"):
        pretrained_tokenizer(str(tmp_path / "nowhere"))
    with pytest.raises(UserError, match="no readable tokenizer"):
        pretrained_tokenizer(str(tmp_path))
    (tmp_path / "config.json").write_text('{"model_type": "gpt2"}')  # a model without tokenizer
    with pytest.raises(UserError, match="no readable tokenizer"):
        pretrained_tokenizer(str(tmp_path))
    (tmp_path / "tokenizer.json").write_text("{")
    with pytest.raises(UserError, match="no readable tokenizer"):
        pretrained_tokenizer(str(tmp_path))
    monkeypatch.setattr("huggingface_hub.model_info", _unreachable)
    with pytest.raises(UserError, match="neither a folder nor available"):
        pretrained_tokenizer("nobody/no-such-tokenizer")


def _unreachable(*_: object, **__: object) -> None:
    raise ConnectionError("no network")


def test_a_tokenizer_that_is_there_and_cannot_be_read_is_told(
    tokenizer: Any, tmp_path: Path
) -> None:
    tokenizer.save_pretrained(tmp_path)
    file = tmp_path / "tokenizer.json"
    file.write_bytes(file.read_bytes()[:200])
    with pytest.raises(UserError, match=r"no readable tokenizer: .* is damaged \(.+\)"):
        pretrained_tokenizer(str(tmp_path))
    file.write_text("version https://git-lfs.github.com/spec/v1\n")
    with pytest.raises(UserError, match=f"{file} is a Git LFS pointer"):
        pretrained_tokenizer(str(tmp_path))


def test_a_tokenizer_needs_an_end_of_text(tokenizer: Any, tmp_path: Path) -> None:
    PreTrainedTokenizerFast(tokenizer_object=tokenizer.backend_tokenizer).save_pretrained(tmp_path)
    with pytest.raises(UserError, match="no end-of-text token"):
        pretrained_tokenizer(str(tmp_path))


def test_a_saved_tokenizer_is_itself_beside_any_model(tmp_path: Path) -> None:
    """AutoTokenizer would split as the model's own tokenizer does."""
    made = character_tokenizer("0123456789*")
    made.save_pretrained(tmp_path)
    for kind in ("qwen2", "llama", "gpt2", "gemma"):
        (tmp_path / "config.json").write_text(json.dumps({"model_type": kind}))
        read = pretrained_tokenizer(str(tmp_path))
        assert encode_texts(read, [" 1 2 * 3 ####"]) == encode_texts(made, [" 1 2 * 3 ####"]), kind


def test_a_tokenizer_of_gpt2s_kind_is_itself_beside_any_model(tmp_path: Path) -> None:
    """AutoTokenizer would give Qwen2's kind beside a model of that, and split digits."""
    words = ["Ġ", *"0123456789*", "12", "Ġ12", "<|endoftext|>"]
    vocabulary = {word: number for number, word in enumerate(words)}
    made = GPT2Tokenizer(vocab=vocabulary, merges=[("1", "2"), ("Ġ", "12")])
    made.save_pretrained(tmp_path)
    for kind in ("qwen2", "llama", "gpt2", "mistral"):
        (tmp_path / "config.json").write_text(json.dumps({"model_type": kind}))
        read = pretrained_tokenizer(str(tmp_path))
        assert encode_texts(read, [" 12*123"]) == encode_texts(made, [" 12*123"]), kind
        assert read.get_vocab() == made.get_vocab(), kind


def _digits_apart(folder: Path) -> GPT2Tokenizer:
    """A tokenizer of GPT-2's class that has `12`, and is told to keep digits apart."""
    words = ["Ġ", *"0123456789*", "12", "Ġ12", "<|endoftext|>"]
    vocabulary = {word: number for number, word in enumerate(words)}
    made = GPT2Tokenizer(vocab=vocabulary, merges=[("1", "2"), ("Ġ", "12")])
    made.backend_tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    made.save_pretrained(folder)
    return made


def test_digits_that_a_saved_tokenizer_keeps_apart_stay_apart(tmp_path: Path) -> None:
    """The class that its config names would join them again."""
    made = _digits_apart(tmp_path)
    assert made(" 12*12")["input_ids"] == [0, 2, 3, 11, 2, 3]
    assert AutoTokenizer.from_pretrained(tmp_path)(" 12*12")["input_ids"] == [13, 11, 12]
    for kind in ("gpt2", "llama", "qwen2", "gpt_neox"):
        (tmp_path / "config.json").write_text(json.dumps({"model_type": kind}))
        read = pretrained_tokenizer(str(tmp_path))
        assert encode_texts(read, [" 12*12"]) == [made(" 12*12")["input_ids"]], kind
        assert read.eos_token == "<|endoftext|>"
        read.save_pretrained(tmp_path / kind)
        again = pretrained_tokenizer(str(tmp_path / kind))
        assert encode_texts(again, [" 12*12"]) == [made(" 12*12")["input_ids"]], kind


def test_so_it_is_with_a_tokenizer_that_was_downloaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = _digits_apart(tmp_path)
    read = AutoTokenizer.from_pretrained(tmp_path)
    monkeypatch.setattr(AutoTokenizer, "from_pretrained", lambda *_, **__: read)
    found = str(tmp_path / "tokenizer.json")
    monkeypatch.setattr("huggingface_hub.try_to_load_from_cache", lambda *_: found)
    (ids,) = encode_texts(pretrained_tokenizer("somebody/digits"), [" 12*12"])
    assert ids == made(" 12*12")["input_ids"]


def test_a_tokenizers_dropout_is_switched_off(tmp_path: Path) -> None:
    core = Tokenizer(BPE({"a": 0, "b": 1, "ab": 2, "<end>": 3, "#": 4}, [("a", "b")], dropout=0.5))
    PreTrainedTokenizerFast(tokenizer_object=core, eos_token="<end>").save_pretrained(tmp_path)
    read = pretrained_tokenizer(str(tmp_path))
    assert encode_texts(read, ["ab" * 50]) == [[2] * 50]
    read.save_pretrained(tmp_path)
    assert json.loads((tmp_path / "tokenizer.json").read_text())["model"]["dropout"] is None
