"""How the screen was asked for on the command line."""

import locale
import os
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from icot_tui.tui.app.settings import Settings

if TYPE_CHECKING:
    from icot_tui.studies.trial_list import TrialList


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
    """

    runs: Path
    control: bool = False
    ascii: bool = False
    low_bandwidth: bool = False
    welcome: bool = False
    theme: str | None = None
    settings: Settings = field(default_factory=Settings)
    study: "TrialList | None" = None

    @property
    def draws_ascii(self) -> bool:
        """As asked, by settings, or because the terminal knows no other characters."""
        return self.ascii or self.settings.ascii or not terminal_knows_unicode()

    @property
    def saves_bandwidth(self) -> bool:
        """As asked, or by settings."""
        return self.low_bandwidth or self.settings.low_bandwidth


def terminal_knows_unicode() -> bool:
    """Is the locale one of UTF-8? (The Linux console has no braille, whatever it says.)"""
    encoding = getattr(sys.__stdout__, "encoding", None) or locale.getpreferredencoding(False)
    return "utf" in encoding.lower() and os.environ.get("TERM") not in ("linux", "dumb", "vt100")
