"""How the screen can be left, and what that means to the training."""

from dataclasses import dataclass
from typing import Literal

ExitChoice = Literal["detach", "save", "now", "close"]
"""What the app returns: train on without a screen, save and stop, stop at once; or, when there is
nothing to stop, simply close."""

ExitReason = Literal["detach", "save", "now", "close", "gone", "terminated", "crashed"]
"""The same, with what happens to a screen: its terminal is gone, SIGTERM came, its code failed."""


@dataclass(frozen=True)
class ScreenExit:
    """How the screen was left, and what went wrong with it, if its code failed."""

    way: ExitReason
    failure: Exception | None = None
