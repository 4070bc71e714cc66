"""What the user has set in `settings.toml` of the config folder; every key may be left out.

theme = "night"
ascii = false
low_bandwidth = false

[keys]
advance = "k"
stop = ["X", "ctrl+x"]

[alerts]
bell = true
command = ["sh", "-c", "notify-send \"$ICOT_TUI_ALERT_TEXT\""]
webhook = "https://…"
addresses = ["mailto://user:password@example.org"]
"""

import locale
import os
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from pydantic import BaseModel, ConfigDict, Field

from icot_tui.config.alerts import AlertSettings, settings_file
from icot_tui.config.checking import check
from icot_tui.config.toml import read_toml
from icot_tui.errors import UserError
from icot_tui.tui.actions.action import check_names, key_map
from icot_tui.tui.actions.table import LIVE_TABLE
from icot_tui.tui.home.table import HOME_TABLE
from icot_tui.tui.play.action_table import PLAY_TABLE

if TYPE_CHECKING:
    from icot_tui.studies.trial_list import TrialList


TABLES = (LIVE_TABLE, PLAY_TABLE, HOME_TABLE)
Key = Annotated[str, Field(max_length=40)]


class Settings(BaseModel):
    """The whole file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    theme: str | None = None
    """Name of a theme; the one that was chosen on the screen last comes first."""
    ascii: bool = False
    """Draw with ASCII characters only."""
    low_bandwidth: bool = False
    """Redraw seldom, and only what changed."""
    keys: dict[str, Key | list[Key]] = {}
    """Keys by action, of the live screen, the playground and the home screen."""
    alerts: AlertSettings = AlertSettings()


def load_settings(path: Path | None = None) -> Settings:
    """The user's settings, or the defaults where there are none.

    Raises:
        UserError: the file has a mistake; the sentence names file, line and key.
    """
    path = path or settings_file()
    if not path.is_file():
        return Settings()
    raw, lines = read_toml(path)
    origins = {key: f"{path}:{line}" for key, line in lines.items()}
    settings = check(Settings, raw, origins, str(path))
    try:
        check_names(settings.keys, TABLES)
        for table in TABLES:
            key_map(table, settings.keys)
    except UserError as error:
        name = str(error).split(":", 1)[0].removeprefix("keys.")
        raise UserError(f"{origins.get(('keys', name), path)}: {error}") from error
    return settings


@dataclass(frozen=True, kw_only=True)
class Options:
    """Options of the screen, beside the user's settings.

    Attributes:
        runs: the folder that all runs are in.
        control: may a viewer change another process's run?
        ascii: draw with ASCII characters only.
        low_bandwidth: redraw seldom, and only what changed.
        welcome: say first what the demo is about.
        theme: for this session; None: the one that was chosen before.
        settings: the user's.
        study: the trials that are watched, if they are a study's.
        from_home: was the program begun at the home screen, to which the way leads back?
    """

    runs: Path
    control: bool = False
    ascii: bool = False
    low_bandwidth: bool = False
    welcome: bool = False
    theme: str | None = None
    settings: Settings = field(default_factory=Settings)
    study: "TrialList | None" = None
    from_home: bool = False

    @property
    def draws_ascii(self) -> bool:
        """As asked, by settings, or because the terminal knows no other characters.

        The Linux console has no braille, whatever its locale says.
        """
        encoding = getattr(sys.__stdout__, "encoding", None) or locale.getpreferredencoding(False)
        has_others = os.environ.get("TERM") not in ("linux", "dumb", "vt100")
        knows_unicode = "utf" in encoding.lower() and has_others
        return self.ascii or self.settings.ascii or not knows_unicode

    @property
    def saves_bandwidth(self) -> bool:
        return self.low_bandwidth or self.settings.low_bandwidth
