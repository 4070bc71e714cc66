"""Tokenizers: one made from the data's own characters, or any of Hugging Face.

The only place that calls a tokenizer, so that training, evaluation and questions agree on ids.
"""

from collections.abc import Iterable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from icot_tui.data.examples import ANSWER_MARK
from icot_tui.data.tokenizer_reading import MISTRAL, from_folder, from_hub
from icot_tui.data.vocabulary import KEPT, kept_tokens
from icot_tui.errors import UserError
from icot_tui.files import refuse_odd_files

if TYPE_CHECKING:
    from transformers import BatchEncoding, PreTrainedTokenizerBase

CHARACTER = "character"
CHARACTER_VERSION = 1
SEPARATOR = "<|sep|>"
OWN_SEPARATORS = ("<|cot|>", "<|answer|>")
"""End the question and the chain of thought where `data.separator` is "own"."""


class Separators(NamedTuple):
    """Token ids that end question, chain of thought and answer: one id, or three."""

    question: int
    cot: int
    answer: int
    """End-of-text; it also pads."""

    def closings(self, tokens: Any) -> Any:
        """How many separators each of some written tokens counts for; an answer ends at the second.

        Where end-of-text has only one meaning, it counts for two.

        Args:
            tokens: ids, as an array or a tensor.
        """
        ends = tokens == self.answer
        return ends if self.cot == self.answer else (tokens == self.cot) + 2 * ends

    def among(self, ids: Iterable[int]) -> list[int]:
        """Those of some ids that are separators, in order."""
        return [token for token in ids if token in self]


class UnknownText(UserError):
    """Text number `index` of those given has a part that no token, or none of the model, is for."""

    def __init__(self, message: str, index: int) -> None:
        super().__init__(message)
        self.index = index


def character_tokenizer(alphabet: Iterable[str]) -> "PreTrainedTokenizerBase":
    """A tokenizer whose tokens are single characters, each with or without one blank before it.

    So ` 1 2` is two tokens, as in GPT-2, and decoding gives every blank back. `####` is one
    token. The end-of-text token swallows the blank before it, which other tokenizers spend a
    token on: 2 x 2 digits have 8 removable tokens, 3 x 3 have 24. There is no token for unknown
    characters; `encode_texts` refuses them.
    """
    from tokenizers import Regex, Tokenizer
    from tokenizers.decoders import Fuse
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import Split
    from transformers import PreTrainedTokenizerFast

    words = [*sorted(set(alphabet) - {" "}), ANSWER_MARK]
    tokens = [*(" " + word for word in words), *words, " "]
    core = Tokenizer(WordLevel({token: number for number, token in enumerate(tokens)}))
    core.pre_tokenizer = Split(Regex(f" ?{ANSWER_MARK}| ?[^ ]| "), "isolated")
    core.decoder = Fuse()
    separator = _special(SEPARATOR)
    return PreTrainedTokenizerFast(
        tokenizer_object=core,
        eos_token=separator,
        pad_token=separator,
        clean_up_tokenization_spaces=False,
    )


def _special(text: str) -> Any:
    """A special token that swallows the blank before it."""
    from tokenizers import AddedToken

    return AddedToken(text, lstrip=True, normalized=False, special=True)


def add_own_separators(
    tokenizer: "PreTrainedTokenizerBase", texts: Sequence[str] = OWN_SEPARATORS
) -> None:
    """Give a tokenizer tokens of their own for the ends of questions and chains of thought.

    Raises:
        UserError: its ids skip numbers, so that they would be those of other tokens.
    """
    tokens = [_special(text) for text in texts]
    tokenizer.add_special_tokens({"extra_special_tokens": tokens})
    if shared := _first_shared_id(tokenizer):
        raise UserError(
            "this tokenizer's ids skip numbers, so a new token would get the id of another one "
            f"({shared}): separators of its own can't be added, and data.separator = 'eos' needs "
            "none"
        )


def pretrained_tokenizer(name: str, said_by: str = "data.tokenizer") -> "PreTrainedTokenizerBase":
    """A tokenizer from a folder or the hub, which `said_by`, a setting or option, names.

    Code that comes with it is never run.

    Raises:
        UserError: it is not there, not a tokenizer, or has no end-of-text token.
    """
    path = Path(name).expanduser()
    if path.is_dir():
        refuse_odd_files(path)
        tokenizer = from_folder(path, said_by)
    elif path.is_absolute() or name.startswith((".", "~")):
        raise UserError(f"the tokenizer folder {name} does not exist: check {said_by}")
    else:
        tokenizer = from_hub(name, said_by)
    if type(tokenizer).__name__ == MISTRAL:
        raise UserError(
            f"the tokenizer {name} is in tekken.json alone, whose end-of-text can't stand in a "
            "text: choose one with tokenizer.json"
        )
    if tokenizer.eos_token_id is None:
        raise UserError(
            f"the tokenizer {name} has no end-of-text token (eos_token) to separate the spans: "
            "choose one that has, or set it in its tokenizer_config.json"
        )
    if shared := _first_shared_id(tokenizer):
        raise UserError(f"in the tokenizer {name} two tokens have the same id: {shared}")
    _switch_off_dropout(tokenizer)
    return tokenizer


def _switch_off_dropout(tokenizer: "PreTrainedTokenizerBase") -> None:
    """Byte pairs that were learnt with dropout would give other ids for a text each time."""
    model: Any = tokenizer.backend_tokenizer.model if tokenizer.is_fast else None
    if getattr(model, "dropout", None):
        model.dropout = None


def _first_shared_id(tokenizer: "PreTrainedTokenizerBase") -> str:
    """Two tokens with the same id, in words; "" if there are none.

    The tokenizers library numbers a token that is added by how many there are, even if another one
    has that id.
    """
    words = tokenizer.get_vocab()
    if len(set(words.values())) == len(words):
        return ""
    numbered = sorted((number, text) for text, number in words.items())
    pairs = ((one, other) for one, other in pairwise(numbered) if one[0] == other[0])
    one, other = next(pairs)
    return f"{one[0]} stands for '{one[1]}' and '{other[1]}'"


def separator_id(tokenizer: "PreTrainedTokenizerBase") -> int:
    """The id of the end-of-text token, which ends answers."""
    return int(tokenizer.eos_token_id)


def separators(tokenizer: "PreTrainedTokenizerBase") -> Separators:
    """The separators of a tokenizer: its own ones, or end-of-text for all."""
    end, added = separator_id(tokenizer), tokenizer.added_tokens_encoder
    question, cot = (added.get(text, end) for text in OWN_SEPARATORS)
    return Separators(question, cot, end)


def separator_texts(tokenizer: "PreTrainedTokenizerBase") -> tuple[str, str, str]:
    """The same as texts."""
    question, cot, answer = tokenizer.convert_ids_to_tokens(list(separators(tokenizer)))
    return question, cot, answer


def encode_texts(tokenizer: "PreTrainedTokenizerBase", texts: Sequence[str]) -> list[list[int]]:
    """The ids of each text, as the tokenizer gives them by default, its start token included.

    A start or end token that is the separator itself is left out: spans could not be told apart.

    Raises:
        UnknownText: the tokenizer has no token for a character, or the model none for a token.
    """
    start = start_tokens(tokenizer)
    ids: list[list[int]] = _encoded(tokenizer, texts)["input_ids"]
    return [[*start, *each] for each in ids] if start else ids


def start_tokens(tokenizer: "PreTrainedTokenizerBase") -> list[int]:
    """What a tokenizer puts before each text, if it also ends texts with the separator.

    Then it is asked for neither, and these have to be put there.
    """
    added: list[int] = tokenizer("")["input_ids"]
    end = separator_id(tokenizer)
    return added[: added.index(end)] if end in added else []


def encode_marked(
    tokenizer: "PreTrainedTokenizerBase", texts: Sequence[str], places: Sequence[Sequence[int]]
) -> tuple[list[list[int]], list[list[int]]]:
    """The ids of each text, and how many of its tokens belong before some places in it.

    A place is a number of characters; a token across one belongs before it, and so do blanks that
    follow it.

    Raises:
        UnknownText: the tokenizer has no token for a character, or the model none for a token.
        UserError: the tokenizer doesn't say which characters a token stands for.
    """
    encoded = _encoded(tokenizer, texts)
    if any(places) and not tokenizer.is_fast:
        raise UserError(
            f"the tokenizer is of the slow kind ({type(tokenizer).__name__}), which does not say "
            "which token ends a step: choose a fast one (tokenizer.json), or remove by tokens"
        )
    counts = [
        [_tokens_before(encoded, row, text, place) for place in each] if each else []
        for row, (text, each) in enumerate(zip(texts, places, strict=True))
    ]
    start = start_tokens(tokenizer)
    if start:
        counts = [[len(start) + count for count in each] for each in counts]
    return [[*start, *ids] for ids in encoded["input_ids"]], counts


def _tokens_before(encoded: "BatchEncoding", row: int, text: str, place: int) -> int:
    for at in range(place, len(text)):
        if not text[at].isspace() and (token := encoded.char_to_token(row, at)) is not None:
            begins: int = encoded.token_to_chars(row, token).start
            return int(token) + (begins < place)
    return len(encoded["input_ids"][row])


def _encoded(tokenizer: "PreTrainedTokenizerBase", texts: Sequence[str]) -> "BatchEncoding":
    own = separator_id(tokenizer) not in tokenizer("")["input_ids"]
    try:
        encoded: BatchEncoding = tokenizer(
            list(texts), add_special_tokens=own, return_attention_mask=False, verbose=False
        )
    except Exception as error:  # the tokenizers library raises nothing more precise
        unknown = _first_unknown(tokenizer, texts)
        if unknown is None:
            raise
        raise unknown from error
    _refuse_left_out(tokenizer, encoded["input_ids"])
    return encoded


def _refuse_left_out(tokenizer: "PreTrainedTokenizerBase", rows: Sequence[Sequence[int]]) -> None:
    """Raise UnknownText for the first token that model.vocabulary = "data" has left out."""
    if KEPT not in tokenizer.init_kwargs:
        return
    kept = kept_tokens(tokenizer)
    for index, ids in enumerate(rows):
        for number in ids:
            if number >= kept:
                raise UnknownText(
                    f"the model has no word '{tokenizer.decode([number])}', since it was built "
                    "with the vocabulary of its data (model.vocabulary = 'data'): take it out",
                    index,
                )


def encode_prompt(tokenizer: "PreTrainedTokenizerBase", x: str) -> list[int]:
    """The ids of ` {x} SEP`, from which a model goes on writing.

    Raises:
        UserError: the input is empty, holds a separator's text, or what the model can't read.
    """
    if not x.strip():
        raise UserError("the input is empty: write a question")
    marks = separator_texts(tokenizer)
    ids = encode_texts(tokenizer, [f" {x.strip()} {marks[0]}"])[0]
    if len(separators(tokenizer).among(ids)) > 1:
        found = next(mark for mark in marks if mark in x)
        raise UserError(f"the input holds the separator {found}: take it out")
    return ids


def decode(tokenizer: "PreTrainedTokenizerBase", ids: Iterable[int]) -> str:
    """Text of some ids, without special tokens and without blanks at the ends."""
    numbers = [int(number) for number in ids]
    return str(
        tokenizer.decode(numbers, skip_special_tokens=True, clean_up_tokenization_spaces=False)
    ).strip()


def _first_unknown(
    tokenizer: "PreTrainedTokenizerBase", texts: Sequence[str]
) -> UnknownText | None:
    known = tokenizer.get_vocab()
    for index, text in enumerate(texts):
        for mark in (*separator_texts(tokenizer), ANSWER_MARK):
            text = text.replace(mark, "")
        for character in text:
            if character not in known:
                return UnknownText(
                    f"the tokenizer has no token for '{character}' (U+{ord(character):04X}): "
                    "take it out, or use a tokenizer that knows it",
                    index,
                )
    return None
