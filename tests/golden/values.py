"""Reading the golden values: numbers that the published code computed."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from icot_tui.data.encoded import EncodedSplit
from tests.golden.tokenizer import SEPARATOR

FOLDER = Path(__file__).parent


def golden(name: str) -> Any:
    """One file of this folder."""
    return json.loads((FOLDER / f"{name}.json").read_text())


def examples(data: str, first: int = 0, count: int = 8) -> EncodedSplit:
    """Examples as token ids of GPT-2, of `4_by_4_mult` or `gsm8k`."""
    rows = [np.array(ids) for ids in golden("examples")[data][first : first + count]]
    spans = np.array([np.diff(np.flatnonzero(row == SEPARATOR), prepend=-1) for row in rows])
    return EncodedSplit(
        tokens=np.concatenate(rows).astype(np.uint16),
        starts=np.cumsum([0, *map(len, rows)]),
        prompt_lengths=spans[:, 0].astype(np.int32),
        cot_lengths=spans[:, 1].astype(np.int32) - 1,
    )
