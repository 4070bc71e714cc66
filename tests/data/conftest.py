from pathlib import Path
from typing import Any

import pytest

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
