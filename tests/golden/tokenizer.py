"""A tokenizer with GPT-2's ids for digits and signs, which is all that multiplication needs."""

from tokenizers import AddedToken, Regex, Tokenizer
from tokenizers.decoders import Fuse
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Split
from transformers import PreTrainedTokenizerFast

SEPARATOR = 50256
DIGITS = (657, 352, 362, 513, 604, 642, 718, 767, 807, 860)
PIECES = {
    **{f" {digit}": number for digit, number in enumerate(DIGITS)},
    " *": 1635, " +": 1343, " (": 357, " )": 1267, " ": 220, " #": 1303, "###": 21017,
}  # fmt: skip


def digits_tokenizer() -> PreTrainedTokenizerFast:
    """It agrees with GPT-2 on text in our format made of single digits and signs.

    Every other id below the separator's is a piece that no text has.
    """
    pieces = {number: f"<{number}>" for number in range(SEPARATOR)}
    pieces |= {number: piece for piece, number in PIECES.items()}
    separator = AddedToken("<|endoftext|>", normalized=False, special=True)
    vocabulary = {piece: number for number, piece in pieces.items()}
    core = Tokenizer(WordLevel(vocabulary | {separator.content: SEPARATOR}))
    core.pre_tokenizer = Split(Regex("###| ?[^ ]| "), "isolated")
    core.decoder = Fuse()
    return PreTrainedTokenizerFast(
        tokenizer_object=core, eos_token=separator, clean_up_tokenization_spaces=False
    )
