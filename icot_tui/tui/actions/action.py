"""An action, and the table that keys, footer, help and command palette are made from."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from icot_tui.engine.loop.commands import Command
from icot_tui.tui.run.view import RunView

Question = Literal["tokens", "checkpoint", "delta", "rate", "stop"]
Answer = int | float | bool | None


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
