"""The welcome of the demo: what one is about to see, while PyTorch is loaded behind it."""

from collections.abc import Callable, Sequence

from textual import events
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Static

from icot_tui.tui.actions.action import KeyMap
from icot_tui.tui.screens.dialog import LOW, Dialog, text

STORY = (
    ("You are about to watch a small model learn to multiply in its head.\n\n", "bold"),
    ("1. ", "bold $primary"),
    ("It first learns the explicit way: every step of the product is written down, ", ""),
    ("and the loss falls.\n", ""),
    ("2. ", "bold $primary"),
    ("Then the written tokens vanish, one by one, from the left. ", ""),
    ("Each removal makes the loss spike, and the model recovers from it.\n", ""),
    ("3. ", "bold $primary"),
    ("At the end nothing is written any more: the answer follows straight from the question, ", ""),
    ("and the model still knows it.", ""),
)
NEXT_KEYS = (
    ("\n\nIt takes about three minutes on two processor cores. Press ", "dim"),
    ("?", "bold $accent"),
    (" for the keys, ", "dim"),
    ("q", "bold $accent"),
    (" to leave.", "dim"),
)
POLL_SECONDS = 0.3


class Welcome(Dialog[str]):
    """Any key goes on; help and quit do what they do; below, what the engine is doing."""

    title_in_words = "icot-tui"
    hint = "any key goes on"
    width = 72

    def __init__(self, keys: KeyMap, phase: Callable[[], str | None], ascii: bool = False) -> None:
        super().__init__()
        self._keys = keys
        self._phase = phase
        self._ascii = ascii
        self._phases: list[str] = []

    def content(self) -> Sequence[Widget]:
        """The story, and the progress."""
        story = STORY if self.app.size.height < LOW else STORY + NEXT_KEYS
        return [text(Content.assemble(*story)), Static("", markup=False, id="progress")]

    def on_mount(self) -> None:
        """Follow the engine's first steps."""
        self._show_progress()
        self.set_interval(POLL_SECONDS, self._show_progress)

    def _show_progress(self) -> None:
        phase = self._phase() or "training"
        if self._phases[-1:] == [phase]:
            return
        self._phases.append(phase)
        done, now = ("+", ">") if self._ascii else ("✓", "▸")
        parts: list[tuple[str, str]] = []
        for step in self._phases[:-1]:
            parts.append((f"{done} {step}\n", "$success"))
        parts.append((f"{now} {phase}", "bold $secondary"))
        self.query_one("#progress", Static).update(Content.assemble(*parts))

    def on_key(self, event: events.Key) -> None:
        """Go on; the answer is the action, if help or quit was pressed."""
        event.stop()
        named = [name for name in ("help", "quit") if event.key in self._keys[name]]
        self.dismiss(named[0] if named else None)

    def on_click(self) -> None:
        """Go on."""
        self.dismiss(None)
