"""Our own generator's lines, as token ids, are the examples that the published code was run on."""

from icot_tui.data.encoding import Encoder
from icot_tui.data.examples import Chunk
from tests.golden.lines import multiplication_lines
from tests.golden.tokenizer import digits_tokenizer
from tests.golden.values import examples, golden


def test_multiplication():
    split = Encoder(digits_tokenizer()).encode(Chunk(multiplication_lines(), "lines", 1))
    expected = examples("4_by_4_mult")
    for part in ("tokens", "starts", "prompt_lengths", "cot_lengths"):
        assert (getattr(split, part) == getattr(expected, part)).all()
    assert split.max_cot_tokens == 47


def test_the_ids_are_those_of_the_published_batches():
    """The first row of each whole batch, padded with separators to its longest."""
    whole = [row for row in golden("si") if row["tokens_removed"] == 0 and "first_input_ids" in row]
    assert {row["data"] for row in whole} == {"4_by_4_mult"}
    for row in whole:
        split = examples(row["data"])
        padding = [50256] * (row["sequence_length"] - split.lengths[0])
        assert split.example(0).tolist() + padding == row["first_input_ids"]
        assert split.max_length == row["sequence_length"]
        assert (split.lengths - split.prompt_lengths).sum() == row["supervised_tokens"]
