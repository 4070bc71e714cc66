"""The line in which one asks."""

from textual.binding import Binding
from textual.message import Message
from textual.widgets import Input

from icot_tui.tui.play.records import QuestionHistory

LONGEST = 4000


class QuestionField(Input):
    """Enter asks; up and down bring earlier questions back; escape goes to the answers."""

    BINDINGS = [
        Binding("up", "earlier", "earlier", show=False),
        Binding("down", "later", "later", show=False),
        Binding("escape", "leave_field", "answers", show=False),
    ]

    class Left(Message):
        """The user wants the keys."""

    def __init__(self) -> None:
        super().__init__(
            placeholder="a question, such as 12*34, and Enter", max_length=LONGEST, id="question"
        )
        self.cursor_blink = False
        self.history = QuestionHistory()

    def action_earlier(self) -> None:
        """The question before."""
        self._take(self.history.back(self.value))

    def action_later(self) -> None:
        """The question after."""
        self._take(self.history.forward(self.value))

    def _take(self, text: str) -> None:
        self.value = text
        self.cursor_position = len(text)

    def write(self, text: str) -> None:
        """Put a question there."""
        self._take(text)

    def action_leave_field(self) -> None:
        """Give the keys their meaning back."""
        self.post_message(self.Left())
