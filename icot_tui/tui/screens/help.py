"""`?`: every key and what it does, taken from the table of actions."""

from collections.abc import Sequence

from textual.binding import Binding
from textual.widget import Widget

from icot_tui.tui.actions.action import Action
from icot_tui.tui.actions.keymap import KeyMap, shown
from icot_tui.tui.actions.table import GROUPS
from icot_tui.tui.panels.lines import Lines
from icot_tui.tui.panels.text import EMPTY, Line, line, wrap, wrapped
from icot_tui.tui.screens.dialog import Dialog

WORDS = (
    "Tab and Shift-Tab, or the number keys, go from panel to panel; up, down, page up and page "
    "down scroll. On charts the wheel zooms, dragging moves, a click reads the values. Borders "
    "can be dragged."
)
KEY_COLUMN = 13
MOST_WIDTH = 0.94
"""Of the terminal, as the style of dialogs has it."""
AROUND = 6
"""Columns of the box's border and padding."""


class Help(Dialog[None]):
    """The keys by groups."""

    title_in_words = "keys"
    hint = "up and down scroll, escape leaves"
    width = 90
    BINDINGS = [Binding("q,question_mark,enter", "cancel", "leave", show=False)]
    DEFAULT_CSS = """
    Help > .box { height: 94%; }
    Help.-low > .box { height: 100%; }
    """

    def __init__(self, actions: Sequence[Action], keys: KeyMap, ascii: bool) -> None:
        super().__init__()
        self._actions = actions
        self._keys = keys
        self.lines = Lines()
        self.lines.ascii = ascii

    def content(self) -> Sequence[Widget]:
        """Lines that scroll; broken for the width that they will have, to be in the first frame."""
        self._write(min(self.width, int(MOST_WIDTH * self.app.size.width)) - AROUND)
        return [self.lines]

    def on_mount(self) -> None:
        """Break them anew should the width be another."""
        self.call_after_refresh(self.on_resize)

    def on_resize(self) -> None:
        """Break the lines anew."""
        self._write(self.lines.size.width)

    def _write(self, width: int) -> None:
        if width > 0:
            self.lines.show(help_lines(self._actions, self._keys, width))


def help_lines(actions: Sequence[Action], keys: KeyMap, width: int) -> list[Line]:
    """Groups, and in each the keys with what they do."""
    lines = wrapped(WORDS, width, "dim")
    for group, title in GROUPS.items():
        mine = [action for action in actions if action.group == group]
        if not mine:
            continue
        lines += [EMPTY, line((title, "bold primary"))]
        for action in mine:
            listed = " ".join(map(shown, keys[action.name])) or "(no key)"
            told = line((f"  {listed:<{KEY_COLUMN - 3}} ", "bold accent"), action.help)
            lines += wrap(told, width, hang=KEY_COLUMN)
    return lines
