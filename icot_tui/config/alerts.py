"""Where the user's alerts go: the section [alerts] of the user's `settings.toml`."""

from pathlib import Path
from typing import Annotated, Literal

import platformdirs
from pydantic import BaseModel, ConfigDict, Field

from icot_tui.config.checking import check
from icot_tui.config.toml import read_toml

Kind = Literal[
    "collapse", "not finite", "stalled", "disk", "checkpoint", "paused",
    "resumed", "finished", "stopped", "failed", "died",
]  # fmt: skip
Address = Annotated[str, Field(pattern=r"^[^\s:]+://\S+$")]


class AlertSettings(BaseModel):
    """How the user is told that a run needs a look; no run folder can change it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    bell: bool = True
    """Ring the terminal's bell, where a screen shows the run."""
    command: list[str] = []
    """Program and arguments; it gets each alert as JSON on its standard input."""
    webhook: Annotated[str, Field(pattern=r"^https?://\S+$")] | None = None
    """Address that each alert is posted to, as JSON."""
    addresses: list[Address] = []
    """E-mail and other services, as the apprise library writes them: mailto://, ntfy://, …"""
    kinds: list[Kind] | None = None
    """Only these are sent; all where it is left out."""


class _Section(BaseModel):
    """That section of the file, so that mistakes are named by their whole key."""

    alerts: AlertSettings = AlertSettings()


def settings_file() -> Path:
    """The user's settings."""
    return platformdirs.user_config_path("icot-tui") / "settings.toml"


def load_alert_settings() -> AlertSettings:
    """The user's section [alerts], or the defaults; other sections are not looked at.

    Raises:
        UserError: the section has a mistake; the sentence names file, line and key.
    """
    path = settings_file()
    if not path.is_file():
        return AlertSettings()
    raw, lines = read_toml(path)
    origins = {key: f"{path}:{line}" for key, line in lines.items()}
    section = {"alerts": raw["alerts"]} if "alerts" in raw else {}
    return check(_Section, section, origins, str(path)).alerts
