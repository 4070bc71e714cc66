"""The welcome of the demo: explains what will be seen while PyTorch is being loaded."""

from collections.abc import Callable, Sequence

from textual import events
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Static

from icot_tui.tui.actions.action import KeyMap
from icot_tui.tui.screens.dialog import LOW, Dialog, text

STORY = """\
[bold]You are about to watch a small model learn to multiply in its head.[/]

[bold $primary]1.[/] It first learns the explicit way: every step of the product is written down, \
and the loss falls.
[bold $primary]2.[/] Then the written tokens vanish, one by one, from the left. Each removal makes \
the loss spike, and the model recovers from it.
[bold $primary]3.[/] At the end nothing is written any more: the answer follows straight from the \
question, and the model still knows it."""
NEXT_KEYS = """

[dim]It takes about three minutes on two processor cores. Press [/dim][bold $accent]?[/]\
[dim] for the keys, [/dim][bold $accent]q[/][dim] to leave.[/dim]"""
POLL_SECONDS = 0.3


class Welcome(Dialog[str]):
    """Goes when training begins, or with any key; help and quit do what they do.

    Below the story is what the engine is doing.
    """

    title_in_words = "icot-tui"
    hint = "any key continues"
    width = 72

    def __init__(self, keys: KeyMap, phase: Callable[[], str | None], ascii: bool = False) -> None:
        super().__init__()
        self._keys = keys
        self._phase = phase
        self._ascii = ascii
        self._phases: list[str] = []

    def content(self) -> Sequence[Widget]:
        story = STORY if self.app.size.height < LOW else STORY + NEXT_KEYS
        return [text(Content.from_markup(story)), Static("", markup=False, id="progress")]

    def on_mount(self) -> None:
        self._show_progress()
        self.set_interval(POLL_SECONDS, self._show_progress)

    def _show_progress(self) -> None:
        phase = self._phase()
        if phase is None:  # training has begun, and is to be seen
            self.dismiss(None)
            return
        if self._phases[-1:] == [phase]:
            return
        self._phases.append(phase)
        done, now = ("+", ">") if self._ascii else ("✓", "▸")
        steps = [(f"{done} {step}\n", "$success") for step in self._phases[:-1]]
        progress = Content.assemble(*steps, (f"{now} {phase}", "bold $secondary"))
        self.query_one("#progress", Static).update(progress)

    def on_key(self, event: events.Key) -> None:
        """Go on; the answer is the action, if help or quit was pressed."""
        event.stop()
        pressed = (name for name in ("help", "quit") if event.key in self._keys[name])
        self.dismiss(next(pressed, None))

    def on_click(self) -> None:
        self.dismiss(None)
