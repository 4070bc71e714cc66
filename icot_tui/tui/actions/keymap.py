"""Which key does what: a table's defaults, with the user's own keys in their place."""

from collections.abc import Mapping, Sequence
from difflib import get_close_matches

from textual.keys import _character_to_key, format_key

from icot_tui.errors import UserError
from icot_tui.tui.actions.action import ActionTable

KeyMap = dict[str, tuple[str, ...]]
"""Keys by action, as Textual names them."""
UserKeys = Mapping[str, str | Sequence[str]]
"""One key or several by action; "" takes its keys away."""

INTERCEPTED = {
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
RESERVED = ("enter", "escape", "tab", "shift+tab", "up", "down")
"""Keys that dialogs, lists and the focus need."""


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


def key_label(key: str) -> str:
    """A key as people know it: `?`, `space`."""
    return key if key in ("space", "left", "right", "ctrl+c") else format_key(key)


def key_map(table: ActionTable, own: UserKeys | None = None) -> KeyMap:
    """The keys of every action of a table; what `own` says of other actions is left out.

    Raises:
        UserError: two actions would share a key, or none would quit.
    """
    chosen = {
        name: _own_keys(name, keys) for name, keys in (own or {}).items() if name in table.by_name
    }
    taken: dict[str, str] = {}
    for name, keys in chosen.items():
        for key in keys:
            if taken.setdefault(key, name) != name:
                raise UserError(f"keys.{name}: {key_label(key)} already does {taken[key]}")
    result: KeyMap = {}
    for action in table.actions:
        # A default gives way where the user gave the key to something else.
        defaults = map(textual_name, action.keys.split())
        free = tuple(key for key in defaults if taken.get(key, action.name) == action.name)
        result[action.name] = chosen.get(action.name, free)
    if not result["quit"]:
        raise UserError("keys.quit: no key is left that quits; give it one")
    return result


def check_names(own: UserKeys, tables: Sequence[ActionTable]) -> None:
    """Raise UserError if a key was given to an action that no table has."""
    known = {name for table in tables for name in table.by_name}
    for name in own:
        if name not in known:
            alike = get_close_matches(name, known, n=1)
            hint = f"did you mean {alike[0]}?" if alike else "the help (?) lists them"
            raise UserError(f"keys.{name}: there is no such action; {hint}")


def _own_keys(name: str, keys: str | Sequence[str]) -> tuple[str, ...]:
    listed = ([keys] if keys else []) if isinstance(keys, str) else keys
    named = tuple(map(textual_name, listed))
    for key in named:
        if key in RESERVED:
            raise UserError(f"keys.{name}: {key} is needed for dialogs and lists; use another key")
    return named
