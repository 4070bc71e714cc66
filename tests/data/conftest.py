from pathlib import Path
from typing import Any

import pytest

from icot_tui.data.tokenizing import pretrained_tokenizer
from tests.shared import shared
from tests.tiny import byte_pair_tokenizer


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
    return byte_pair_tokenizer()
