"""Actions, the table that footer, help and palette are made from, and the keys of each."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property
from typing import Literal

from textual.keys import _character_to_key, format_key

from icot_tui.engine.loop.commands import Command
from icot_tui.errors import UserError
from icot_tui.tui.run.view import RunView

Question = Literal["tokens", "checkpoint", "delta", "rate", "stop"]
Answer = int | float | bool | None
KeyMap = dict[str, tuple[str, ...]]
"""Keys by action, as Textual names them."""
UserKeys = Mapping[str, str | Sequence[str]]
"""One key or several by action; "" takes its keys away."""
RESERVED = ("enter", "escape", "tab", "shift+tab", "up", "down")
"""Keys that dialogs, lists and the focus need."""


@dataclass(frozen=True)
class RunCommand:
    """What an action asks of the engine.

    Attributes:
        create: makes the command from what is shown and what the user answered.
        effect: says in plain words what the command will do to the run; it is confirmed first.
        question: what the user is asked for first.
        needs_removals: is it only for runs that remove tokens step by step?
    """

    create: Callable[[RunView, Answer], Command]
    effect: Callable[[RunView, Answer], str] | None = None
    question: Question | None = None
    needs_removals: bool = False


@dataclass(frozen=True)
class Action:
    """Something the user can do.

    Attributes:
        name: what the key map and the handlers call it.
        keys: the default ones, separated by blanks, as Textual names them or as the character.
        label: one or two words for the footer.
        help: one sentence.
        group: where the help lists it.
        run_command: the command it sends to the run; None if it only concerns the screen.
    """

    name: str
    keys: str
    label: str
    help: str
    group: str
    run_command: RunCommand | None = None


def actions_of(group: str, rows: Iterable[tuple[str, str, str, str]]) -> tuple[Action, ...]:
    """Actions of one group that only concern the screen: name, keys, label and help of each."""
    return tuple(Action(*row, group) for row in rows)


@dataclass(frozen=True)
class ActionTable:
    """All actions of a screen.

    Attributes:
        title: of the help.
        intro: what the help says before the keys.
        groups: headings of the help, by group.
        actions: in the order of the help and the palette.
    """

    title: str
    intro: str
    groups: Mapping[str, str]
    actions: tuple[Action, ...]

    @cached_property
    def by_name(self) -> dict[str, Action]:
        return {action.name: action for action in self.actions}


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
