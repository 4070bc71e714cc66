"""The list of checkpoints: sorted by stage, with their accuracy; space chooses several."""

from collections.abc import Sequence
from pathlib import Path

from textual import on
from textual.binding import Binding
from textual.content import Content
from textual.message import Message
from textual.widgets.option_list import Option

from icot_tui.analysis.checkpoints import CheckpointEntry, newest_of_each_stage
from icot_tui.formatting import percent, plain
from icot_tui.tui.frame.panel import Panel
from icot_tui.tui.screens.lists import SafeOptionList

HEADING = "    stage  correct   step"
"""Names of the list's columns."""


class CheckpointList(SafeOptionList):
    """Enter asks only the one under the cursor; space adds one, or takes it away."""

    BINDINGS = [
        Binding("space", "choose_too", "choose", show=False),
        Binding("enter", "screen.perform('alone')", "choose only this", show=False),
    ]

    class Changed(Message):
        """The choice changed."""

    def __init__(self) -> None:
        super().__init__(markup=False, id="checkpoints")
        self.entries: list[CheckpointEntry] = []
        self._chosen: set[Path] = set()
        self.is_default = True
        """Is the choice the default, not the user's?"""

    @property
    def chosen(self) -> list[CheckpointEntry]:
        """The chosen ones, in the list's order."""
        return [one for one in self.entries if one.path in self._chosen]

    @property
    def current(self) -> CheckpointEntry | None:
        at = self.highlighted
        return self.entries[at] if at is not None and at < len(self.entries) else None

    def show(
        self, entries: Sequence[CheckpointEntry], chosen: Sequence[CheckpointEntry] | None = None
    ) -> None:
        """Show these; what was chosen stays chosen, unless `chosen` is given."""
        before = self.current
        self.entries = list(entries)
        if chosen is not None:
            self._chosen = {one.path for one in chosen}
        self._chosen &= {one.path for one in self.entries}
        self._draw()
        paths = [one.path for one in self.entries]
        wanted = before or next(iter(self.chosen), None)
        at = paths.index(wanted.path) if wanted is not None and wanted.path in paths else 0
        self.highlighted = at if paths else None

    def choose(self, chosen: Sequence[CheckpointEntry]) -> None:
        self.is_default = False
        self._chosen = {one.path for one in chosen}
        self._draw()
        self.post_message(self.Changed())

    def action_choose_too(self) -> None:
        """Add the one under the cursor, or take it away."""
        if self.current is not None:
            chosen = self._chosen ^ {self.current.path}
            self.choose([one for one in self.entries if one.path in chosen])

    def choose_current(self) -> None:
        if self.current is not None:
            self.choose([self.current])

    def choose_stages(self) -> None:
        """The newest that answers, of each stage of each run."""
        self.choose(newest_of_each_stage(self.entries))

    def _draw(self) -> None:
        at, scroll = self.highlighted, self.scroll_y
        self.clear_options()
        self.add_options([Option(self._prompt(one)) for one in self.entries])
        self.highlighted = at if at is not None and at < len(self.entries) else None
        self.scroll_to(y=scroll, animate=False)

    def _prompt(self, one: CheckpointEntry) -> Content:
        chosen = one.path in self._chosen
        mark = ("[x]" if chosen else "[ ]", "bold $accent" if chosen else "dim")
        if one.stage is None:
            return Content.assemble(mark, (f" {plain(one.run)}", "bold"))
        several = len({other.run for other in self.entries}) > 1
        flag = "best" if one.best else "latest" if one.latest else ""
        accuracy = "" if one.exact_match is None else percent(one.exact_match)
        # For ICoT-KD, the training says more than the stage, but takes more room.
        stage = f"{one.phase:>8}" if one.phase else f"{one.stage:>5}"
        correct = f"{accuracy:>7}" if one.phase else f"{accuracy:>9}"
        step = f"{one.step or 0:>6,} "
        return Content.assemble(
            mark,
            ("*" if one.best else " ", "bold $success"),
            (stage, "bold" if one.answers else "dim"),
            correct,
            (step if one.phase else f" {step}", "dim"),
            plain(one.run) if several else (flag, "bold $success"),
        )


class CheckpointsPane(Panel):
    """The list, and below it the run of the entry under the cursor."""

    label = "checkpoints"

    @on(CheckpointList.OptionHighlighted)
    def _highlighted(self, event: CheckpointList.OptionHighlighted) -> None:
        assert isinstance(event.option_list, CheckpointList)
        current = event.option_list.current
        self.set_border(subtitle="" if current is None else current.run)


def defaults(
    entries: Sequence[CheckpointEntry], sources: Sequence[Path], live: bool
) -> list[CheckpointEntry]:
    """The default choice: the best of each run, or the newest while it is trained."""
    chosen = []
    for source in sources:
        mine = [one for one in entries if one.path == source]
        run = [one for one in entries if one.path.parent.parent == source and one.answers]
        best = [one for one in run if one.best and not live]
        newest = [one for one in run if one.latest]
        chosen += mine or best or newest or run[-1:]
    return chosen
