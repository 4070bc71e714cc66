"""`?` in the playground: every key and what it does."""

from icot_tui.tui.actions.keymap import shown
from icot_tui.tui.panels.text import EMPTY, Line, line, wrap, wrapped
from icot_tui.tui.play.action_table import PLAY_ACTIONS, PLAY_GROUPS, PLAY_KEYS, WORDS
from icot_tui.tui.screens.help import KEY_COLUMN, Help


class PlayHelp(Help):
    """The playground's keys by groups."""

    title_in_words = "keys of the playground"

    def __init__(self, ascii_only: bool) -> None:
        super().__init__(PLAY_ACTIONS, PLAY_KEYS, ascii_only)

    def on_resize(self) -> None:
        """Break the lines anew."""
        width = self.lines.size.width
        if width:
            self.lines.show(play_help_lines(width))


def play_help_lines(width: int) -> list[Line]:
    """Groups, and in each the keys with what they do."""
    lines = wrapped(WORDS, width, "dim")
    for group, title in PLAY_GROUPS.items():
        lines += [EMPTY, line((title, "bold primary"))]
        for action in PLAY_ACTIONS:
            if action.group == group:
                listed = " ".join(map(shown, PLAY_KEYS[action.name]))
                told = line((f"  {listed:<{KEY_COLUMN - 3}} ", "bold accent"), action.help)
                lines += wrap(told, width, hang=KEY_COLUMN)
    return lines
