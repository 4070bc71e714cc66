"""A dialog that asks for a number and says at once whether it is valid and what it would do."""

from collections.abc import Callable, Sequence

from textual import on
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Input, Static

from icot_tui.tui.screens.dialog import Dialog, text


def whole_number(least: int, most: int | None) -> Callable[[str], int]:
    """A parser of whole numbers within bounds; it raises ValueError with a sentence."""

    def parse(text: str) -> int:
        try:
            value = int(text.replace(",", ""))
        except ValueError:
            raise ValueError("Enter a whole number, such as 1.") from None
        if value < least:
            raise ValueError(f"It must be {least} or more.")
        if most is not None and value > most:
            raise ValueError(f"It can be {most:,} at most: no more tokens are left.")
        return value

    return parse


def positive_number(text: str) -> float:
    """Parses a number above 0; raises ValueError with a sentence."""
    try:
        value = float(text)
    except ValueError:
        raise ValueError("Enter a number, such as 8, 0.5 or 5e-5.") from None
    if not 0 < value < float("inf"):
        raise ValueError("It must be above 0, and finite.")
    return value


class NumberDialog(Dialog[int | float]):
    """An input line for a number; Enter accepts it if it is valid."""

    def __init__(
        self,
        title: str,
        intro: str,
        present: str,
        parse: Callable[[str], int | float],
        about: Callable[[int | float], str],
    ) -> None:
        super().__init__()
        self.title_in_words = title
        self.hint = "enter accepts, escape cancels"
        self._intro = intro
        self._present = present
        self._parse = parse
        self._about = about

    DEFAULT_CSS = """
    NumberDialog Input { width: 100%; height: 1; }
    NumberDialog #about { margin: 1 0 0 0; }
    NumberDialog #about.-wrong { color: $error; }
    """

    def content(self) -> Sequence[Widget]:
        """The question, the input line, and what the number would do."""
        field = Input(self._present, select_on_focus=True)
        field.cursor_blink = False
        return [text(self._intro), field, text("", id="about")]

    def on_mount(self) -> None:
        """Explain the present number."""
        self._explain(self._present)

    @on(Input.Changed)
    def _changed(self, event: Input.Changed) -> None:
        self._explain(event.value)

    @on(Input.Submitted)
    def _submitted(self, event: Input.Submitted) -> None:
        try:
            value = self._parse(event.value.strip())
        except ValueError:
            self.app.bell()
            return
        self.dismiss(value)

    def _explain(self, written: str) -> None:
        about = self.query_one("#about", Static)
        try:
            explanation, wrong = self._about(self._parse(written.strip())), False
        except ValueError as error:
            explanation, wrong = str(error), True
        about.set_class(wrong, "-wrong")
        about.update(Content(explanation))
