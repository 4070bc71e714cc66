"""What the screen remembers of its user from one time to the next."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import get_args

import platformdirs

from icot_tui.files import write_atomically
from icot_tui.tui.actions.table import PANEL_IDS
from icot_tui.tui.frame.layout import bounded
from icot_tui.tui.run.view import Axis

AXES: tuple[Axis, ...] = get_args(Axis)


def state_folder() -> Path:
    """Where remembered things, copies and pictures are kept."""
    return platformdirs.user_state_path("icot-tui")


@dataclass(kw_only=True)
class UserState:
    """Remembered choices.

    Attributes:
        hidden: panels that are not shown.
        widths: how much wider than usual a panel is, 1 where it is left out.
        heights: the same of its height.
        theme: chosen on the screen; None: not yet.
        bell: rings with alerts; None: as the settings say.
        path: where it is kept; None: nowhere.
        warning: why what was remembered is not there.
    """

    hidden: list[str] = field(default_factory=list)
    widths: dict[str, float] = field(default_factory=dict)
    heights: dict[str, float] = field(default_factory=dict)
    axis: Axis = "step"
    theme: str | None = None
    bell: bool | None = None
    path: Path | None = field(default=None, compare=False)
    warning: str = field(default="", compare=False)

    @classmethod
    def load(cls, path: Path | None = None) -> "UserState":
        """What was remembered; a damaged file is left out, with a warning."""
        path = path or state_folder() / "screen.json"
        try:
            state = cls._checked(json.loads(path.read_text(encoding="utf-8")))
        except FileNotFoundError:
            state = cls()
        except (OSError, ValueError, RecursionError):
            state = cls(warning=f"{path} is damaged: panels and sizes are back at their defaults")
        state.path = path
        return state

    @classmethod
    def _checked(cls, raw: object) -> "UserState":
        """Takes over what has the right form; ValueError if it is no table at all."""
        if not isinstance(raw, dict):
            raise ValueError("not a table")
        state = cls()
        hidden = raw.get("hidden")
        if isinstance(hidden, list):
            state.hidden = [panel for panel in PANEL_IDS if panel in hidden]
        state.widths, state.heights = _weights(raw.get("widths")), _weights(raw.get("heights"))
        state.axis = next((axis for axis in AXES if axis == raw.get("axis")), "step")
        state.theme = raw["theme"] if isinstance(raw.get("theme"), str) else None
        state.bell = raw["bell"] if isinstance(raw.get("bell"), bool) else None
        return state

    def save(self) -> str:
        """Remember it; why that failed, or nothing."""
        if self.path is None:
            return ""
        values = asdict(self)
        del values["path"], values["warning"]
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(self.path, json.dumps(values, indent=1) + "\n")
        except OSError as error:
            return f"{self.path} can't be written: {error.strerror}"
        return ""


def _weights(raw: object) -> dict[str, float]:
    """Those of a table that are numbers of panels."""
    if not isinstance(raw, dict):
        return {}
    return {
        panel: bounded(weight)
        for panel, weight in raw.items()
        if panel in PANEL_IDS and isinstance(weight, int | float) and weight == weight
    }
