"""The command palette: Textual's, with every action that can be run now."""

from collections.abc import Callable, Sequence
from functools import partial

from rich.text import Text
from textual.command import CommandPalette, DiscoveryHit, Hit, Hits, Provider
from textual.widgets import Input

from icot_tui.tui.actions.action import Action, KeyMap, key_label

ROOMY = 96
"""Columns from which on there is room for the names as well."""


class Palette(CommandPalette):
    """One line an action: key, name, what it does.

    Args:
        actions: that can be run now.
        keys: of these actions.
        run: runs an action by its name.
    """

    DEFAULT_CSS = """
    Palette > Vertical { margin-top: 1; background: transparent; }
    Palette #--input { border: none; margin: 0 2; }
    Palette SearchIcon { display: none; }
    Palette CommandInput { height: 1; }
    Palette #--results { margin: 0 2; }
    Palette CommandList {
        border: round $accent; background: $surface; scrollbar-size-vertical: 1;
        text-wrap: nowrap; text-overflow: ellipsis;
    }
    """

    def __init__(self, actions: Sequence[Action], keys: KeyMap, run: Callable[[str], None]) -> None:
        super().__init__([ActionProvider], placeholder="what do you want to do?")
        self.actions = actions
        self.run_named = run
        self._keys = keys

    def on_mount(self) -> None:
        """A cursor that blinks would cost a redraw each time."""
        self.query_one(Input).cursor_blink = False

    def line(self, action: Action) -> Text:
        """What the list says of an action."""
        keys = self._keys[action.name]
        key = f"{key_label(keys[0]) if keys else '':>6}  "
        name = f"{action.name:<17}" if self.size.width >= ROOMY else ""
        return Text.assemble((key + name, "bold"), (action.help, "not bold"))


class ActionProvider(Provider):
    """Finds the palette's actions by their names, or by the words of label and help."""

    @property
    def _palette(self) -> Palette:
        assert isinstance(self.app.screen, Palette)
        return self.app.screen

    async def discover(self) -> Hits:
        """All actions, in the order of the table."""
        palette = self._palette
        for action in palette.actions:
            run = partial(palette.run_named, action.name)
            yield DiscoveryHit(palette.line(action), run, action.name)

    async def search(self, query: str) -> Hits:
        """The actions that match; those whose names do come first."""
        match, palette = self.matcher(query).match, self._palette
        for action in palette.actions:
            score = max(2 * match(action.name), match(f"{action.label} {action.help}"))
            if score > 0:
                run = partial(palette.run_named, action.name)
                yield Hit(score, palette.line(action), run, action.name)
