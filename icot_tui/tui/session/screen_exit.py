"""How a screen can end, and what that means for the training."""

from dataclasses import dataclass
from typing import Literal

ExitChoice = Literal["detach", "save", "now", "close"]
"""What the app returns: train on without a screen, save and stop, stop at once; or, when there is
nothing to stop, simply close."""

ExitReason = Literal["detach", "save", "now", "close", "gone", "terminated", "crashed"]
"""The same, or what happened to the screen: its terminal is gone, SIGTERM came, its code failed."""


@dataclass(frozen=True)
class ScreenExit:
    """Why the screen ended, and the error if its code failed."""

    reason: ExitReason
    error: Exception | None = None
