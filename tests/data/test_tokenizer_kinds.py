"""Tokenizers of the kinds that models come with: texts come back, and starts stand once."""

import json
from pathlib import Path
from typing import Any

import pytest
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from transformers import AutoTokenizer, MistralConfig, PreTrainedTokenizerFast

from icot_tui.data.encoding import Encoder, decode_example
from icot_tui.data.examples import Chunk, parse_line
from icot_tui.data.tokenizer_reading import MISTRAL
from icot_tui.data.tokenizing import encode_prompt, pretrained_tokenizer
from icot_tui.errors import UserError

LINES = ("1234567*12||1 2 + 345 a #### 12,345", "12 * 1||b #### 9")
MERGES = ("12", "▁12", "Ġ12", "34", "345", "123", "##", "####", "▁####", "Ġ####")


def _metaspace(core: Tokenizer) -> None:
    """SentencePiece in newer files; `first` puts the blank before texts alone."""
    core.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first", split=False)
    core.decoder = decoders.Metaspace(prepend_scheme="first")


def _prepended(core: Tokenizer) -> None:
    """SentencePiece as Llama 2 has it: a blank before every piece of text."""
    parts = [normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]
    core.normalizer = normalizers.Sequence(parts)
    taken_off: list[Any] = [decoders.Replace("▁", " "), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    core.decoder = decoders.Sequence(taken_off)


def _grouped(core: Tokenizer) -> None:
    """Digits in groups of three from the left, as Llama 3 has them."""
    groups = pre_tokenizers.Split(Regex(r"\p{N}{1,3}"), "isolated")
    bytewise = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    core.pre_tokenizer = pre_tokenizers.Sequence([groups, bytewise])
    core.decoder = decoders.ByteLevel()


def saved(folder: Path, kind: Any, pad: str | None, starts: bool) -> Any:
    """A tokenizer of such a kind, read from its folder."""
    words = ["<unk>", "<s>", "</s>", *"▁Ġ0123456789*+#,ab", *MERGES]
    cut = [(word[:n], word[n:]) for word in MERGES for n in range(1, len(word))]
    merges = [(first, second) for first, second in cut if first in words and second in words]
    ids = {word: number for number, word in enumerate(words)}
    core = Tokenizer(models.BPE(ids, merges, unk_token="<unk>", fuse_unk=True))
    kind(core)
    made = PreTrainedTokenizerFast(
        tokenizer_object=core,
        unk_token="<unk>",
        eos_token="</s>",
        pad_token=pad,
        bos_token="<s>" if starts else None,
    )
    if starts:
        made.backend_tokenizer.post_processor = processors.TemplateProcessing(
            "<s> $A", special_tokens=[("<s>", ids["<s>"])]
        )
    made.save_pretrained(folder)
    return pretrained_tokenizer(str(folder))


@pytest.mark.parametrize("starts", [False, True], ids=["no start", "start"])
@pytest.mark.parametrize("pad", [None, "</s>"], ids=["no pad", "pad is end"])
@pytest.mark.parametrize("kind", [_metaspace, _prepended, _grouped])
def test_texts_come_back_and_a_start_stands_once(
    tmp_path: Path, kind: Any, pad: str | None, starts: bool
) -> None:
    tokenizer = saved(tmp_path, kind, pad, starts)
    text = "".join(f"{line}\n" for line in LINES)
    split = Encoder(tokenizer).encode(Chunk(text.encode(), "train.txt", 1))
    for number, line in enumerate(LINES):
        example, ids = parse_line(line, "train.txt"), split.example(number).tolist()
        assert decode_example(tokenizer, split, number) == example
        assert ids.count(tokenizer.eos_token_id) == 3 and ids[-1] == tokenizer.eos_token_id
        assert tokenizer.unk_token_id not in ids
        assert [at for at, token in enumerate(ids) if token == 1] == [0] * starts
        prompt = encode_prompt(tokenizer, example.input)
        assert prompt == ids[: split.prompt_lengths[number]]


def test_grouped_digits_are_grouped(tmp_path: Path) -> None:
    tokenizer = saved(tmp_path, _grouped, None, False)
    words = tokenizer.convert_ids_to_tokens(encode_prompt(tokenizer, "1234567*12"))
    assert [word for word in words if word[0].isdigit()] == ["123", "4", "5", "6", "7", "12"]


@pytest.mark.slow
def test_a_folder_is_read_alike_with_mistral_common_and_without(tmp_path):
    """From transformers' own class for tekken.json, texts get no special tokens."""
    mistral_common = pytest.importorskip("mistral_common", reason="it is not installed")
    (tekken,) = Path(mistral_common.__file__).parent.glob("data/tekken_240911.json")
    whole = json.loads(tekken.read_text())
    whole["config"]["default_vocab_size"] = 2000  # its first thousand, and as many special ones
    small = json.dumps(whole | {"vocab": whole["vocab"][:1000]})
    (tmp_path / "tekken.json").write_text(small)
    MistralConfig().save_pretrained(tmp_path)
    with pytest.raises(UserError, match=r"tekken\.json alone, .*with tokenizer\.json"):
        pretrained_tokenizer(str(tmp_path))
    own = saved(tmp_path, _grouped, None, starts=False)
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"eos_token": own.eos_token}))
    assert type(AutoTokenizer.from_pretrained(tmp_path)).__name__ == MISTRAL
    text = f"12{own.eos_token}"
    assert pretrained_tokenizer(str(tmp_path))(text)["input_ids"] == own(text)["input_ids"]
