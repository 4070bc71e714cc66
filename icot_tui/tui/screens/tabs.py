"""The line that names the panels where there is not room for all of them."""

from collections.abc import Sequence
from typing import NamedTuple

from textual import events
from textual.content import Content
from textual.message import Message
from textual.widgets import Static

from icot_tui.tui.actions.table import PANEL_IDS


class Tab(NamedTuple):
    """A panel's number and name, and the cell where they begin."""

    panel: str
    text: str
    start: int


def tabs(seen: Sequence[str], width: int) -> list[Tab]:
    """All panels; where there is little room only those in view have their names."""
    for brief in (False, True):
        made: list[Tab] = []
        start = 0
        for number, panel in enumerate(PANEL_IDS, start=1):
            text = f"{number}" if brief and panel not in seen else f"{number} {panel}"
            made.append(Tab(panel, text, start))
            start += len(text) + 2
        if start - 2 <= width:
            break
    return made


class Tabs(Static):
    """A click on a name, or its number key, shows the panel."""

    DEFAULT_CSS = """
    Tabs { height: 1; padding: 0 1; display: none; }
    """

    class Clicked(Message):
        """A panel's name was clicked."""

        def __init__(self, panel: str) -> None:
            super().__init__()
            self.panel = panel

    def __init__(self) -> None:
        super().__init__(markup=False)
        self._tabs: list[Tab] = []
        self._drawn: object = None

    def show(self, seen: Sequence[str]) -> None:
        """Mark the panels in view."""
        self._tabs = tabs(seen, self.size.width)
        if self._drawn == (self._tabs, seen):
            return
        self._drawn = self._tabs, seen
        parts: list[tuple[str, str]] = []
        for tab in self._tabs:
            style = "bold $primary underline" if tab.panel in seen else "dim"
            parts += [("  " if parts else "", ""), (tab.text, style)]
        self.update(Content.assemble(*parts))

    def on_click(self, event: events.Click) -> None:
        """Show the panel that was clicked."""
        for tab in self._tabs:
            if 0 <= event.x - 1 - tab.start < len(tab.text):
                self.post_message(self.Clicked(tab.panel))
