"""The command palette: every action by its name."""

from collections.abc import Sequence

from textual import events, on
from textual.content import Content
from textual.fuzzy import Matcher
from textual.widget import Widget
from textual.widgets import Input, OptionList
from textual.widgets.option_list import Option

from icot_tui.tui.actions.action import Action
from icot_tui.tui.actions.keymap import KeyMap, shown
from icot_tui.tui.screens.dialog import Dialog


class Palette(Dialog[str]):
    """Type a few letters, Enter does the action; the answer is its name."""

    title_in_words = "commands"
    hint = "enter does it, escape leaves"
    width = 100

    DEFAULT_CSS = """
    Palette { align: center top; }
    Palette > .box { margin-top: 2; }
    Palette.-low > .box { margin-top: 0; }
    Palette Input { width: 100%; height: 1; margin-bottom: 1; }
    Palette OptionList { height: auto; max-height: 24; text-wrap: nowrap; text-overflow: ellipsis; }
    """

    def __init__(self, actions: Sequence[Action], keys: KeyMap) -> None:
        super().__init__()
        self._actions = actions
        self._keys = keys
        self._found: list[Action] = []

    def content(self) -> Sequence[Widget]:
        """The line to type in, and the actions that fit."""
        field = Input(placeholder="what do you want to do?")
        field.cursor_blink = False
        options = OptionList(markup=False)
        options.can_focus = False
        return [field, options]

    def on_mount(self) -> None:
        """All actions at first."""
        self._list("")

    @on(Input.Changed)
    def _changed(self, event: Input.Changed) -> None:
        self._list(event.value)

    @on(Input.Submitted)
    def _submitted(self, event: Input.Submitted) -> None:
        self._take(self.query_one(OptionList).highlighted)

    @on(OptionList.OptionSelected)
    def _selected(self, event: OptionList.OptionSelected) -> None:
        self._take(event.option_index)

    def on_key(self, event: events.Key) -> None:
        """Up and down move in the list while one types."""
        moves = {"up": "cursor_up", "down": "cursor_down", "pageup": "page_up"}
        moves["pagedown"] = "page_down"
        if event.key in moves:
            getattr(self.query_one(OptionList), f"action_{moves[event.key]}")()
            event.stop()

    def _take(self, at: int | None) -> None:
        if at is not None and at < len(self._found):
            self.dismiss(self._found[at].name)

    def _list(self, wanted: str) -> None:
        self._found = matching(self._actions, wanted)
        options = self.query_one(OptionList)
        options.clear_options()
        options.add_options([Option(self._line(action)) for action in self._found])
        options.highlighted = 0 if self._found else None

    def _line(self, action: Action) -> Content:
        keys = shown(self._keys[action.name][0]) if self._keys[action.name] else ""
        key = (f"{keys:>6}  ", "bold $accent")
        if self.app.size.width < self.width:  # there is no room for its name as well
            return Content.assemble(key, action.help)
        wide = max(len(each.name) for each in self._actions)
        return Content.assemble(key, (f"{action.name:<{wide}}  ", "bold"), (action.help, "dim"))


def matching(actions: Sequence[Action], wanted: str) -> list[Action]:
    """The actions whose name or words fit, the best first; all for an empty wish."""
    wanted = wanted.strip()
    if not wanted:
        return list(actions)
    matcher = Matcher(wanted)
    scored = [
        (max(2 * matcher.match(action.name), matcher.match(f"{action.label} {action.help}")), at)
        for at, action in enumerate(actions)
    ]
    ranked = sorted(((score, at) for score, at in scored if score > 0), key=lambda s: (-s[0], s[1]))
    return [actions[at] for _, at in ranked]
