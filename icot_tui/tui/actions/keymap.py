"""Which key does what: the table's defaults, with the user's own in their place."""

from collections.abc import Mapping, Sequence
from difflib import get_close_matches

from textual.keys import _character_to_key, format_key

from icot_tui.errors import UserError
from icot_tui.tui.actions.table import ACTIONS, BY_NAME

KeyMap = dict[str, tuple[str, ...]]
"""Keys by action, as Textual names them."""

TAKEN = {
    "ctrl+b": "tmux",
    "ctrl+a": "screen",
    "ctrl+s": "the terminal's flow control",
    "ctrl+q": "the terminal's flow control",
    **dict.fromkeys(
        ("ctrl+p", "ctrl+k", "ctrl+e", "ctrl+f", "ctrl+g", "ctrl+w", "ctrl+n", "ctrl+j"),
        "VS Code's terminal",
    ),
    **{f"f{number}": "VS Code's terminal" for number in range(1, 13)},
}
"""Keys that never arrive here, and who takes them."""
NEEDED = ("enter", "escape", "tab", "shift+tab", "up", "down")
"""Keys that dialogs, lists and the focus live by."""


def textual_name(key: str) -> str:
    """A key as Textual names it: `?` is question_mark.

    Raises:
        UserError: it is empty.
    """
    *modifiers, last = key.split("+") if key != "+" and not key.endswith("++") else [key]
    if key.endswith("++") and len(key) > 2:
        modifiers, last = key[:-2].split("+"), "+"
    if not last:
        raise UserError("a key can't be empty: write one such as 'a', 'X', '?' or 'ctrl+t'")
    return "+".join((*modifiers, _character_to_key(last) if len(last) == 1 else last))


def shown(key: str) -> str:
    """A key as people know it: `?`, `←`."""
    names = {"space": "space", "left": "left", "right": "right", "ctrl+c": "ctrl+c"}
    return names.get(key) or format_key(key)


def key_map(own: Mapping[str, str | Sequence[str]] | None = None) -> KeyMap:
    """The keys of every action; `own` maps actions to one key or several, "" to none.

    Raises:
        UserError: there is no such action, or two would share a key.
    """
    own = own or {}
    for name in own:
        if name not in BY_NAME:
            alike = get_close_matches(name, BY_NAME, n=1)
            hint = f"did you mean {alike[0]}?" if alike else "the help (?) lists them"
            raise UserError(f"keys.{name}: there is no such action; {hint}")
    chosen = {name: _keys(name, keys) for name, keys in own.items()}
    taken = {key: name for name, keys in chosen.items() for key in keys}
    for name, keys in chosen.items():
        for key in keys:
            if taken[key] != name:
                raise UserError(f"keys.{name}: {shown(key)} does {taken[key]} already")
    result: KeyMap = {}
    for action in ACTIONS:
        default = tuple(textual_name(key) for key in action.keys)
        # A default gives way where the user gave the key to something else.
        free = tuple(key for key in default if taken.get(key, action.name) == action.name)
        result[action.name] = chosen.get(action.name, free)
    if not result["quit"]:
        raise UserError("keys.quit: no key is left that quits; give it one")
    return result


def _keys(name: str, keys: str | Sequence[str]) -> tuple[str, ...]:
    listed = ([keys] if keys else []) if isinstance(keys, str) else keys
    named = tuple(textual_name(key) for key in listed)
    for key in named:
        if key in NEEDED:
            raise UserError(f"keys.{name}: {key} is needed for dialogs and lists; take another key")
    return named
