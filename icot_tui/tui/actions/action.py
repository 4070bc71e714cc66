"""What an action is: a row of the table in `actions`."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from icot_tui.engine.loop.commands import Command
from icot_tui.tui.run.view import RunView

Group = Literal["run", "view", "chart", "replay", "app"]
Question = Literal["tokens", "checkpoint", "delta", "rate", "stop"]
Answer = int | float | bool | None
ToCommand = Callable[[RunView, Answer], Command]
ToWords = Callable[[RunView, Answer], str]


@dataclass(frozen=True)
class Action:
    """Something the user can do.

    Attributes:
        name: what the key map calls it.
        keys: the default ones, as Textual names them, or the character itself.
        label: one or two words for the footer.
        help: one sentence.
        group: where the help lists it.
        footer: how soon the footer finds room for it, 1 first; 0: never.
        command: makes the engine's command from what is shown and what was answered.
        question: what is asked before that.
        meaning: says in plain words what the command will do to the run; such an action is
            confirmed first.
        chart: the method of the chart that does it.
        panel: the panel that it goes to.
        needs_removals: is it only for runs that remove tokens step by step?
    """

    name: str
    keys: tuple[str, ...]
    label: str
    help: str
    group: Group
    footer: int = 0
    command: ToCommand | None = None
    question: Question | None = None
    meaning: ToWords | None = None
    chart: str = ""
    panel: str = ""
    needs_removals: bool = False

    @property
    def needs_control(self) -> bool:
        """Does it do something to the run?"""
        return self.command is not None
