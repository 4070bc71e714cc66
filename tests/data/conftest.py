from pathlib import Path
from typing import Any

import pytest
from tokenizers import Tokenizer, decoders, pre_tokenizers
from tokenizers.models import BPE
from transformers import PreTrainedTokenizerFast

from icot_tui.data.tokenizing import pretrained_tokenizer
from tests.shared import shared


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of the test's own."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("ICOT_TUI_CACHE", str(folder))
    return folder


@pytest.fixture(scope="session")
def gpt2() -> Any:
    """GPT-2's tokenizer."""
    return pretrained_tokenizer(str(shared("data", "gpt2_tokenizer")))


@pytest.fixture(scope="session", params=["made", "gpt2"])
def byte_pairs(request: pytest.FixtureRequest) -> Any:
    """A tokenizer of GPT-2's kind that only joins a blank with what follows, and GPT-2's own."""
    if request.param == "gpt2":
        return request.getfixturevalue("gpt2")
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    joins = [("Ġ", letter) for letter in letters]
    pieces = [*letters, *map("".join, joins)]
    core = Tokenizer(BPE({piece: number for number, piece in enumerate(pieces)}, joins))
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.decoder = decoders.ByteLevel()
    return PreTrainedTokenizerFast(tokenizer_object=core, eos_token="<|endoftext|>")
