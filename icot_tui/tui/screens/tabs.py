"""The line that names the panels where there is not room for all of them."""

from collections.abc import Sequence
from dataclasses import dataclass

from textual import events
from textual.content import Content
from textual.message import Message
from textual.widgets import Static

from icot_tui.tui.actions.table import PANEL_IDS


@dataclass(frozen=True)
class Tab:
    """A panel's number and name, in cells `start` to `end`."""

    panel: str
    label: str
    start: int
    end: int


def tabs(seen: Sequence[str], width: int) -> list[Tab]:
    """All panels; where there is little room only those that are seen have their names."""
    for brief in (False, True):
        made: list[Tab] = []
        at = 0
        for number, panel in enumerate(PANEL_IDS, start=1):
            label = f"{number}" if brief and panel not in seen else f"{number} {panel}"
            made.append(Tab(panel, label, at, at + len(label)))
            at += len(label) + 2
        if at - 2 <= width:
            break
    return made


class Tabs(Static):
    """A click, or the number, brings a panel in."""

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
        """Mark the panels that are in sight."""
        self._tabs = tabs(seen, self.size.width)
        if self._drawn == (self._tabs, tuple(seen)):
            return
        self._drawn = (self._tabs, tuple(seen))
        pieces: list[tuple[str, str]] = []
        for tab in self._tabs:
            style = "bold $primary underline" if tab.panel in seen else "dim"
            pieces += [("  " if pieces else "", ""), (tab.label, style)]
        self.update(Content.assemble(*pieces))

    def on_click(self, event: events.Click) -> None:
        """Bring in what was clicked."""
        for tab in self._tabs:
            if tab.start <= event.x - 1 < tab.end:
                self.post_message(self.Clicked(tab.panel))
