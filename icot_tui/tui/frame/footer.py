"""The lines at the bottom: the panels where not all fit, and the keys that matter now."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from rich.cells import cell_len
from textual import events
from textual.content import Content
from textual.message import Message
from textual.widgets import Static

from icot_tui.tui.actions.action import Action, KeyMap, key_label
from icot_tui.tui.actions.table import PANEL_IDS


@dataclass(frozen=True)
class Hint:
    """A key and what it does, in cells `start` to `end` of the line."""

    action: str
    key: str
    label: str
    start: int
    end: int


def hints(actions: Sequence[Action], keys: KeyMap, width: int) -> list[Hint]:
    """The actions that there is room for, in their order."""
    found: list[Hint] = []
    at = 0
    for action in actions:
        if not keys[action.name]:
            continue
        key = key_label(keys[action.name][0])
        end = at + cell_len(key) + 1 + cell_len(action.label)
        if end > width:
            break
        found.append(Hint(action.name, key, action.label, at, end))
        at = end + 2
    return found


class Footer(Static):
    """Keys and labels, taken from the table of actions."""

    DEFAULT_CSS = """
    Footer {
        height: 1;
        background: $panel;
        color: $foreground;
        padding: 0 1;
    }
    """

    class Clicked(Message):
        """An action was clicked."""

        def __init__(self, action: str) -> None:
            super().__init__()
            self.action = action

    def __init__(self, keys: KeyMap) -> None:
        super().__init__(markup=False)
        self._keys = keys
        self._actions: Sequence[Action] = ()
        self._hints: list[Hint] = []

    def show(self, actions: Sequence[Action]) -> None:
        """Draw the keys of these actions, as far as there is room; the most important first."""
        self._actions = actions
        found = hints(actions, self._keys, self.size.width)
        if found == self._hints:
            return
        self._hints = found
        pieces: list[tuple[str, str]] = []
        for at, hint in enumerate(found):
            pieces += [("  " * (at > 0), ""), (hint.key, "bold $accent"), (f" {hint.label}", "")]
        self.update(Content.assemble(*pieces))

    def on_resize(self) -> None:
        """Another width has room for other keys."""
        self.show(self._actions)

    def on_click(self, event: events.Click) -> None:
        """Do what was clicked."""
        x = event.x - 1
        for hint in self._hints:
            if hint.start <= x < hint.end:
                self.post_message(self.Clicked(hint.action))


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
