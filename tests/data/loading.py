"""What the tests of loading share: small configs, files, and a look into the cache."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from icot_tui.config import DataConfig
from icot_tui.data import load
from icot_tui.data.encoded import EncodedSplit
from icot_tui.data.encoding import decode_example
from icot_tui.data.load import Data


def config(**changes: Any) -> DataConfig:
    defaults: dict[str, Any] = {
        "task": "multiplication",
        "options": {"digits": "2x2"},
        "train_examples": 500,
        "validation_examples": 100,
        "test_examples": 50,
    }
    return DataConfig(**{**defaults, **changes})


def inputs(data: Data, name: str) -> list[str]:
    split: EncodedSplit = getattr(data, name)
    return [decode_example(data.tokenizer, split, i).input for i in range(len(split))]


def write(path: Path, *lines: str) -> str:
    path.write_text("".join(line + "\n" for line in lines))
    return str(path)


def entries(cache: Path) -> list[Path]:
    return [path for path in cache.iterdir() if path.suffix != ".lock"]


@contextmanager
def nothing_is_built() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(load, "_build", lambda *_: pytest.fail("built again"))
        yield


SUMS = [f"{a} + {b}||{a}, {b} #### {a + b}" for a in range(20) for b in range(20)]
