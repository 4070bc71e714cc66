"""From an action's name to its handler, the one way for keys, clicks and palette; messages."""

from collections.abc import Callable, Mapping
from typing import Any

from textual.app import App
from textual.binding import Binding
from textual.notifications import SeverityLevel
from textual.screen import Screen
from textual.widget import Widget

from icot_tui.formatting import plain
from icot_tui.tui.actions.action import Action, ActionTable, KeyMap
from icot_tui.tui.screens.help import Help, Palette

Handler = Callable[[], object]


def bind_keys(node: App[Any] | Screen[Any], table: ActionTable, keys: KeyMap) -> None:
    """Have each action's keys call `action_perform` of the app or screen with its name."""
    for action in table.actions:
        for key in keys[action.name]:
            # A line of text would take ctrl+c for itself on a screen of its own.
            first = key == "ctrl+c" and isinstance(node, Screen)
            call = f"perform('{action.name}')"
            node._bindings._add_binding(Binding(key, call, action.help, show=False, priority=first))


class ActionRunner:
    """Runs actions by name.

    Args:
        node: the app or screen whose actions these are.
        table: of the screen.
        keys: of its actions.
        handlers: what each action does, beside the help and the palette.
        ascii: draw the help with ASCII characters only.
        refusal: says why an action can't be run now; nothing if it can.
    """

    def __init__(
        self,
        node: App[Any] | Screen[Any],
        table: ActionTable,
        keys: KeyMap,
        handlers: Mapping[str, Handler],
        *,
        ascii: bool,
        refusal: Callable[[Action], str] = lambda action: "",
    ) -> None:
        self.handlers = {"help": self._help, "palette": self._palette, **handlers}
        self._node = node
        self._table = table
        self._keys = keys
        self._ascii = ascii
        self._refusal = refusal

    def available(self) -> list[Action]:
        return [action for action in self._table.actions if not self._refusal(action)]

    def run(self, name: str) -> None:
        """Run an action, or tell the user why it can't be run."""
        action = self._table.by_name.get(name)
        refusal = "" if action is None else self._refusal(action)
        if refusal:
            notify_user(self._node, refusal, "warning")
        else:
            self.handlers[name]()

    def _help(self) -> None:
        self._node.app.push_screen(Help(self._table, self.available(), self._keys, self._ascii))

    def _palette(self) -> None:
        self._node.app.push_screen(Palette(self.available(), self._keys, self.run))


def notify_user(
    node: App[Any] | Widget,
    text: str,
    severity: SeverityLevel = "information",
    seconds: float = 6.0,
) -> None:
    """Show a message, of which nothing is markup; an empty one is not shown."""
    if text:
        node.notify(plain(text), severity=severity, timeout=seconds, markup=False)
