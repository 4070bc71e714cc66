"""What the workbench and the playground have in common as Textual's apps."""

import os
from pathlib import Path
from typing import Any

from textual import events
from textual.timer import Timer

from icot_tui.tui.session.run_app import ScreenApp


class BaseApp(ScreenApp, inherit_bindings=False):
    """An app whose actions come from a table and whose timers are not lost beside a training."""

    CSS_PATH = Path(__file__).with_name("app.tcss")
    ENABLE_COMMAND_PALETTE = False  # it opens by a key of the table
    TITLE = "icot-tui"

    def __init__(self) -> None:
        if not os.environ.get("NO_COLOR"):  # Textual takes an empty one for a wish as well
            os.environ.pop("NO_COLOR", None)
        super().__init__()
        self.animation_level = "none"

    async def on_event(self, event: events.Event) -> None:
        """Drop keys and clicks that come while the app closes: no screen is left for them."""
        closing = self._exit or not self.screen_stack
        if not (closing and isinstance(event, events.InputEvent)):
            await super().on_event(event)

    def set_timer(self, *arguments: Any, **options: Any) -> Timer:
        """Call something once after a delay, however late.

        Textual 8.2.8 drops such a call if its thread is held up for longer than the delay just
        when the timer starts. Beside a training that happens, and a dropped call of Textual's
        own, 8 ms after a change of the terminal's size, would end all further ones.
        """
        timer = super().set_timer(*arguments, **options)
        timer._skip = False
        return timer
