"""The line at the bottom: the keys that matter now; a click does the same."""

from collections.abc import Sequence
from dataclasses import dataclass

from rich.cells import cell_len
from textual import events
from textual.content import Content
from textual.message import Message
from textual.widgets import Static

from icot_tui.tui.actions.action import Action
from icot_tui.tui.actions.keymap import KeyMap, key_label


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
