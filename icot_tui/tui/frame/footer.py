"""The lines at the bottom: the panels where not all fit, and the keys that matter now."""

from collections.abc import Sequence
from typing import Literal

from textual.content import Content
from textual.style import Style
from textual.widgets import Static

from icot_tui.tui.actions.action import Action, KeyMap, key_label
from icot_tui.tui.actions.table import PANEL_IDS

GAP = "  "


class Footer(Static):
    """Keys and labels, taken from a table of actions; a click does what the key does."""

    DEFAULT_CSS = """
    Footer { height: 1; background: $panel; color: $foreground; padding: 0 1; }
    """

    def __init__(self, keys: KeyMap, node: Literal["app", "screen"] = "app") -> None:
        super().__init__(markup=False)
        self.auto_links = False
        self._keys = keys
        self._node = node
        self._actions: Sequence[Action] = ()
        self._drawn: object = None

    def show(self, actions: Sequence[Action]) -> None:
        """Draw the keys of these actions, as far as there is room; the most important first."""
        self._actions = actions
        width = self.size.width
        if self._drawn != (actions, width):
            self._drawn = actions, width
            self.update(footer_text(actions, self._keys, width, self._node))

    def on_resize(self) -> None:
        self.show(self._actions)


def footer_text(actions: Sequence[Action], keys: KeyMap, width: int, node: str = "app") -> Content:
    """The actions that there is room for, in their order."""
    hints: list[Content] = []
    for action in actions:
        if not keys[action.name]:
            continue
        key = key_label(keys[action.name][0])
        hint = Content.assemble((key, "bold $accent"), f" {action.label}")
        if hint.cell_length > width:
            break
        width -= hint.cell_length + len(GAP)
        hints.append(_clickable(hint, node, action.name))
    return Content(GAP).join(hints)


class Tabs(Static):
    """The panels by number and name; a click on one, or its number key, shows it."""

    DEFAULT_CSS = """
    Tabs { height: 1; padding: 0 1; display: none; }
    """

    def __init__(self) -> None:
        super().__init__(markup=False)
        self.auto_links = False
        self._drawn: object = None

    def show(self, seen: Sequence[str]) -> None:
        """Mark the panels in view; where there is little room only they have their names."""
        width = self.size.width
        if self._drawn == (seen, width):
            return
        self._drawn = seen, width
        for named in (PANEL_IDS, seen):
            labels = [
                f"{number} {panel}" if panel in named else f"{number}"
                for number, panel in enumerate(PANEL_IDS, start=1)
            ]
            if len(GAP.join(labels)) <= width:
                break
        tabs = []
        for panel, label in zip(PANEL_IDS, labels, strict=True):
            style = "bold $primary underline" if panel in seen else "dim"
            tabs.append(_clickable(Content.styled(label, style), "app", f"show-{panel}"))
        self.update(Content(GAP).join(tabs))


def _clickable(text: Content, node: str, action: str) -> Content:
    return text.stylize(Style.from_meta({"@click": f"{node}.perform({action!r})"}))
