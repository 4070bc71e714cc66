"""The lists of actions: help, with every key, and the command palette."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, cast

from rich.text import Text
from textual.app import ComposeResult
from textual.await_complete import AwaitComplete
from textual.binding import Binding
from textual.command import CommandList, CommandPalette, DiscoveryHit, Hit, Hits, Provider
from textual.widget import Widget
from textual.widgets import Input
from textual.worker import Worker

from icot_tui.tui.actions.action import Action, ActionTable, KeyMap, key_label
from icot_tui.tui.panels.base import Lines
from icot_tui.tui.panels.text import EMPTY, Line, line, paragraph, wrap
from icot_tui.tui.screens.dialog import ClosesOnce, Dialog, KeyBar

KEY_COLUMN = 13
MAX_WIDTH = 0.94
"""Of the terminal, as the style of dialogs has it."""
AROUND = 6
"""Columns of the box's border and padding."""
ROOMY = 96
"""Columns from which on there is room for the names as well."""


class Help(Dialog[None]):
    """The keys by groups."""

    hint = "up and down scroll, escape closes"
    width = 90
    BINDINGS = [Binding("q,question_mark,enter", "dismiss", "close", show=False)]
    DEFAULT_CSS = """
    Help > .box { height: 94%; }
    Help.-low > .box { height: 100%; }
    """

    def __init__(
        self, table: ActionTable, actions: Sequence[Action], keys: KeyMap, ascii: bool
    ) -> None:
        super().__init__()
        self.title_in_words = table.title
        self._lines_at = partial(help_lines, table, actions, keys)
        self.lines = Lines()
        self.lines.ascii = ascii

    def content(self) -> Sequence[Widget]:
        # Broken for the width that they will have, to be in the first frame.
        self._write(min(self.width, int(MAX_WIDTH * self.app.size.width)) - AROUND)
        return [self.lines]

    def on_mount(self) -> None:
        self.call_after_refresh(self.on_resize)

    def on_resize(self) -> None:
        self._write(self.lines.size.width)

    def _write(self, width: int) -> None:
        if width > 0:
            self.lines.show(self._lines_at(width))


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


class Palette(ClosesOnce, CommandPalette):
    """One line an action: key, name, what it does; `run` runs one by its name."""

    DEFAULT_CSS = """
    Palette { layers: keys default; }
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
        self._run: Callable[[str], None] | None = run
        self._keys = keys

    def compose(self) -> ComposeResult:
        yield from super().compose()
        yield KeyBar()

    def on_mount(self) -> None:
        """A cursor that blinks would cost a redraw each time."""
        self.query_one(Input).cursor_blink = False

    def dismiss(self, result: Any = None) -> AwaitComplete:
        """Close; a search that has just begun would look for a list that is gone."""
        self._cancel_gather_commands()
        return super().dismiss(result)

    def _gather_commands(self, search_value: str) -> Worker[None] | None:  # type: ignore[override]
        there = self.is_on_stack and self.query(CommandList)
        return super()._gather_commands(search_value) if there else None

    def _action_command_list(self, action: str) -> None:
        """Without lines yet, a list can't move by a page: Textual raises a KeyError."""
        if any(found.scrollable_content_region for found in self.query(CommandList)):
            super()._action_command_list(action)

    def run_named(self, name: str) -> None:
        """Run an action; a second Enter, before the first one has closed this, changes nothing."""
        run, self._run = self._run, None
        if run is not None:
            run(name)

    def line(self, action: Action) -> Text:
        keys = self._keys[action.name]
        key = f"{key_label(keys[0]) if keys else '':>6}  "
        name = f"{action.name:<17}" if self.size.width >= ROOMY else ""
        return Text.assemble((key + name, "bold"), (action.help, "not bold"))


class ActionProvider(Provider):
    """Finds the palette's actions by their names, or by the words of label and help."""

    async def discover(self) -> Hits:
        palette = cast(Palette, self.app.screen)
        for action in palette.actions:
            run = partial(palette.run_named, action.name)
            yield DiscoveryHit(palette.line(action), run, action.name)

    async def search(self, query: str) -> Hits:
        """The actions that match; those whose names do come first."""
        match, palette = self.matcher(query).match, cast(Palette, self.app.screen)
        for action in palette.actions:
            score = max(2 * match(action.name), match(f"{action.label} {action.help}"))
            if score > 0:
                run = partial(palette.run_named, action.name)
                yield Hit(score, palette.line(action), run, action.name)
