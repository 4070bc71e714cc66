"""What a model may write: right and wrong in every way, in a small vocabulary."""

import numpy as np

from icot_tui.data.encoded import EncodedSplit

SEP = 0

WORDS = [
    " ####",
    " #",
    "###",
    " ",
    " 12",
    "12",
    *(f" {d}" for d in range(10)),
    *map(str, range(10)),
]

NUMBER = {word: number for number, word in enumerate(WORDS, start=1)} | {"|": SEP}
"""A vocabulary in which texts can be written in several ways, and some begin with others."""

BEHAVIOURS = {
    # what is right: what the model writes instead (None: just that); | is the separator
    " 1 2 3| #### 4 5|": None,
    " 1 2 3| #### 4 5 6|": None,
    " 1 2| #### 7|": None,
    " 9 9 9 9| #### 4 4|": " 9 8 9 9| #### 4 4|",  # a wrong thought, a right answer
    " 9 9 9| #### 4 4|": " 8 9 9| #### 4 3|",
    " 9 9 8| #### 4 4|": " 9 9| #### 4 4|",  # the separator too early
    " 9 9 7| #### 4 4|": " 9 9 7 7 7| #### 4 4|",  # too late
    " 9 9 6| #### 4 4|": " 9 9 6 #### 4 4| 4 4|",  # not at all
    " 8 8 8| #### 4 4|": " 8 8 8| 4 4|",  # no mark
    " 8 8 7| #### 4 4|": " 8 8 7| #,### 4 4|",  # the mark spelt otherwise
    " 8 8 6| #### 4 4|": " 8 8 6| 7 #### 4 4|",  # something before the mark
    " 8 8 5| #### 4 4|": " 8 8 5| #### #### 4 4|",  # the mark twice
    " 7 7 7| #### 4 4|": " 7 7 7| #### 5 4|",  # a wrong digit: first, last
    " 7 7 6| #### 4 4|": " 7 7 6| #### 4 5|",
    " 7 7 5| #### 12 4|": " 7 7 5| #### 1,2 4|",  # the same text in other tokens
    " 7 7 4| #### 1,2 4|": " 7 7 4| #### 12 4|",
    " 7 7 3| #### 12|": " 7 7 3| #### 1|",  # the beginning of the text
    " 7 7 2| #### 1|": " 7 7 2| #### 12|",
    " 6 6 6| #### 4 4 |": " 6 6 6| #### 4 4|",  # only a blank less
    " 6 6 5| #### 4 4|": " 6 6 5| #### 4 4 |",  # only a blank more
    " 6 6 4| #### 4 4|": " 6 6 4| #### 4 4 4|",  # closed too late
    " 6 6 3| #### 4 4|": " 6 6 3| #### 4|",  # too early
    " 6 6 2| #### 4 4|": " 6 6 2| #### 4,4|",  # without the blank between
    " 6 6 1| #### 4 4|": " 6 6 1| #### 4 4" + 12 * " 4",  # never closed
}


def ids_of(text):
    """Greedy longest words; a comma parts two words that would be read as one."""
    ids = []
    while text:
        text = text.removeprefix(",")
        length = next(n for n in (5, 3, 2, 1) if text[:n] in NUMBER and "," not in text[:n])
        ids.append(NUMBER[text[:length]])
        text = text[length:]
    return ids


def split_of(parts):
    """Examples of (prompt with its separator, what follows) as token ids."""
    cots = [len(rest[: rest.index(SEP)]) for _, rest in parts]
    lengths = [len(prompt) + len(rest) for prompt, rest in parts]
    flat = np.array([t for prompt, rest in parts for t in (*prompt, *rest)], dtype=np.uint16)
    return EncodedSplit(
        flat,
        np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        np.array([len(prompt) for prompt, _ in parts], dtype=np.int32),
        np.array(cots, dtype=np.int32),
    )


def prompts():
    """A different question for each behaviour, of ragged length."""
    rng = np.random.default_rng(0)
    for row in range(len(BEHAVIOURS)):
        digits = [row // 10, row % 10, *rng.integers(0, 10, row % 4)]
        yield [*(NUMBER[f" {digit}"] for digit in digits), SEP]
