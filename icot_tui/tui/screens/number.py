"""Asks for a number, says at once what is wrong with it, and what it would do."""

from collections.abc import Callable, Sequence

from textual import on
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Input, Static

from icot_tui.tui.screens.dialog import Dialog, text


def whole_number(least: int, most: int | None) -> Callable[[str], int]:
    """Reads a whole number within bounds; raises ValueError with a sentence."""

    def read(written: str) -> int:
        try:
            value = int(written.replace(",", ""))
        except ValueError:
            raise ValueError("Write a whole number, such as 1.") from None
        if value < least:
            raise ValueError(f"It must be {least} or more.")
        if most is not None and value > most:
            raise ValueError(f"It can be {most:,} at most: no more tokens are left.")
        return value

    return read


def positive_number(written: str) -> float:
    """Reads a number above 0; raises ValueError with a sentence."""
    try:
        value = float(written)
    except ValueError:
        raise ValueError("Write a number, such as 8, 0.5 or 5e-5.") from None
    if not 0 < value < float("inf"):
        raise ValueError("It must be above 0, and finite.")
    return value


class NumberDialog(Dialog[int | float]):
    """One line to write a number in; Enter sends it if it is right."""

    def __init__(
        self,
        title: str,
        intro: str,
        present: str,
        read: Callable[[str], int | float],
        about: Callable[[int | float], str],
    ) -> None:
        super().__init__()
        self.title_in_words = title
        self.hint = "enter does it, escape leaves"
        self._intro = intro
        self._present = present
        self._read = read
        self._about = about

    DEFAULT_CSS = """
    NumberDialog Input { width: 100%; height: 1; }
    NumberDialog #about { margin: 1 0 0 0; }
    NumberDialog #about.-wrong { color: $error; }
    """

    def content(self) -> Sequence[Widget]:
        """What is asked, the line, what the number would do."""
        field = Input(self._present, select_on_focus=True)
        field.cursor_blink = False
        return [text(self._intro), field, text("", id="about")]

    def on_mount(self) -> None:
        """Say what the present number means."""
        self._tell(self._present)

    @on(Input.Changed)
    def _changed(self, event: Input.Changed) -> None:
        self._tell(event.value)

    @on(Input.Submitted)
    def _send(self, event: Input.Submitted) -> None:
        try:
            value = self._read(event.value.strip())
        except ValueError:
            self.app.bell()
            return
        self.dismiss(value)

    def _tell(self, written: str) -> None:
        about = self.query_one("#about", Static)
        try:
            told, wrong = self._about(self._read(written.strip())), False
        except ValueError as error:
            told, wrong = str(error), True
        about.set_class(wrong, "-wrong")
        about.update(Content(told))
