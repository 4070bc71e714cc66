"""`?`: every key and what it does, taken from the screen's table of actions."""

from collections.abc import Sequence

from textual.binding import Binding
from textual.widget import Widget

from icot_tui.tui.actions.action import Action, ActionTable, KeyMap, key_label
from icot_tui.tui.panels.lines import Lines
from icot_tui.tui.panels.text import EMPTY, Line, line, paragraph, wrap
from icot_tui.tui.screens.dialog import Dialog

KEY_COLUMN = 13
MAX_WIDTH = 0.94
"""Of the terminal, as the style of dialogs has it."""
AROUND = 6
"""Columns of the box's border and padding."""


class Help(Dialog[None]):
    """The keys by groups."""

    hint = "up and down scroll, escape leaves"
    width = 90
    BINDINGS = [Binding("q,question_mark,enter", "cancel", "leave", show=False)]
    DEFAULT_CSS = """
    Help > .box { height: 94%; }
    Help.-low > .box { height: 100%; }
    """

    def __init__(
        self, table: ActionTable, actions: Sequence[Action], keys: KeyMap, ascii: bool
    ) -> None:
        super().__init__()
        self.title_in_words = table.title
        self._table = table
        self._actions = actions
        self._keys = keys
        self.lines = Lines()
        self.lines.ascii = ascii

    def content(self) -> Sequence[Widget]:
        """Lines that scroll; broken for the width that they will have, to be in the first frame."""
        self._write(min(self.width, int(MAX_WIDTH * self.app.size.width)) - AROUND)
        return [self.lines]

    def on_mount(self) -> None:
        """Break them anew should the width be another."""
        self.call_after_refresh(self.on_resize)

    def on_resize(self) -> None:
        """Break the lines anew."""
        self._write(self.lines.size.width)

    def _write(self, width: int) -> None:
        if width > 0:
            self.lines.show(help_lines(self._table, self._actions, self._keys, width))


def help_lines(
    table: ActionTable, actions: Sequence[Action], keys: KeyMap, width: int
) -> list[Line]:
    """Groups, and in each the keys with what they do."""
    lines = paragraph(table.intro, width, "dim")
    for group, title in table.groups.items():
        members = [action for action in actions if action.group == group]
        if members:
            lines += [EMPTY, line((title, "bold primary"))]
        for action in members:
            listed = " ".join(map(key_label, keys[action.name])) or "(no key)"
            entry = line((f"  {listed:<{KEY_COLUMN - 3}} ", "bold accent"), action.help)
            lines += wrap(entry, width, hang=KEY_COLUMN)
    return lines
