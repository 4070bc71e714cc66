"""Reading the golden values: numbers that the published code computed."""

import json
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from icot_tui.data.encoded import EncodedSplit
from icot_tui.data.encoding import Encoder
from icot_tui.data.examples import Chunk
from icot_tui.data.tokenizing import pretrained_tokenizer
from tests.golden.tokenizer import SEPARATOR
from tests.shared import shared

FOLDER = Path(__file__).parent


def golden(name: str) -> Any:
    """One file of this folder."""
    return json.loads((FOLDER / f"{name}.json").read_text())


def examples(data: str, first: int = 0, count: int = 8) -> EncodedSplit:
    """Examples as token ids of GPT-2; those of GSM8K only where its files are at hand."""
    if data == "gsm8k":
        return real_examples(data, first, count)
    rows = [np.array(ids) for ids in golden("examples")[data][first : first + count]]
    spans = np.array([np.diff(np.flatnonzero(row == SEPARATOR), prepend=-1) for row in rows])
    return EncodedSplit(
        tokens=np.concatenate(rows).astype(np.uint16),
        starts=np.cumsum([0, *map(len, rows)]),
        prompt_lengths=spans[:, 0].astype(np.int32),
        cot_lengths=spans[:, 1].astype(np.int32) - 1,
    )


def real_examples(data: str, first: int, count: int) -> EncodedSplit:
    """Some examples of a real file, with GPT-2's tokenizer; skips the test without them."""
    folder = str(shared("data/gpt2_tokenizer"))
    with shared(f"data/{data}/valid.txt").open("rb") as file:
        text = b"".join(islice(file, first, first + count))
    return gpt2_encoder(folder).encode(Chunk(text, data, 1))


@cache
def gpt2_encoder(folder: str) -> Encoder:
    """Of GPT-2's tokenizer, which takes a while to read."""
    return Encoder(pretrained_tokenizer(folder))
