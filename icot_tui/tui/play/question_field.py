"""The line in which questions are written."""

from dataclasses import dataclass, field

from textual.binding import Binding
from textual.widgets import Input

MAX_LENGTH = 4000


@dataclass
class QuestionHistory:
    """Questions that were asked, for up and down."""

    asked: list[str] = field(default_factory=list)
    _at: int = 0
    _draft: str = ""

    def add(self, text: str) -> None:
        """Add a question, unless it is the same as the last."""
        if text and self.asked[-1:] != [text]:
            self.asked.append(text)
        self._at = len(self.asked)

    def back(self, now: str) -> str:
        """The previous one; what is being written is kept."""
        if self._at == len(self.asked):
            self._draft = now
        self._at = max(0, self._at - 1)
        return [*self.asked, self._draft][self._at]

    def forward(self, now: str) -> str:
        """The next one, and finally what was being written."""
        if self._at >= len(self.asked):
            return now
        self._at += 1
        return [*self.asked, self._draft][self._at]


class QuestionField(Input):
    """Enter asks; up and down bring earlier questions back; escape goes to the answers."""

    BINDINGS = [
        Binding("up", "earlier", "earlier", show=False),
        Binding("down", "later", "later", show=False),
        Binding("escape", "screen.perform('keys')", "answers", show=False),
    ]

    def __init__(self) -> None:
        super().__init__(
            placeholder="a question, such as 12*34, and Enter", max_length=MAX_LENGTH, id="question"
        )
        self.cursor_blink = False
        self.history = QuestionHistory()

    def action_earlier(self) -> None:
        self.write(self.history.back(self.value))

    def action_later(self) -> None:
        self.write(self.history.forward(self.value))

    def write(self, text: str) -> None:
        self.value = text
        self.cursor_position = len(text)
