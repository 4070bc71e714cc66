"""A server on loopback, and folders of the test's own."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.methods.prompted.endpoint import KEY, Endpoint, served


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    with served() as endpoint:
        yield endpoint


@pytest.fixture(autouse=True)
def surroundings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ICOT_TUI_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("ICOT_TUI_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.chdir(tmp_path)
