"""Where the papers' data and published checkpoints are, for the tests that read real files."""

import os
from pathlib import Path

import pytest


def shared(*parts: str) -> Path:
    """A file or folder of the shared data; the test is skipped where it is missing."""
    root = os.environ.get("ICOT_TUI_SHARED") or Path(__file__).parents[1].parent / "shared"
    path = Path(root, *parts)
    if not path.exists():
        pytest.skip(
            f"shared data is missing: {'/'.join(parts)} (set ICOT_TUI_SHARED to its folder)"
        )
    return path
