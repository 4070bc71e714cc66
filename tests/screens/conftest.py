from pathlib import Path

import pytest

from icot_tui import themes
from icot_tui.tui.app import user_state


@pytest.fixture(autouse=True)
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Nothing of the tester's own is read or written."""
    monkeypatch.setattr(themes, "user_theme_folder", lambda: tmp_path / "themes")
    monkeypatch.setattr("icot_tui.tui.actions.export.state_folder", lambda: tmp_path / "kept")
    monkeypatch.setattr(user_state, "state_folder", lambda: tmp_path / "kept")
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.delenv("ICOT_TUI_THEME", raising=False)
    return tmp_path
