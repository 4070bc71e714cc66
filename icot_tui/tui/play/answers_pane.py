"""The pane of answers: up and down choose an answer, left and right a token of it."""

from textual.app import ComposeResult
from textual.binding import Binding
from textual.message import Message

from icot_tui.tui.frame.panel import Panel
from icot_tui.tui.panels.base import Lines
from icot_tui.tui.panels.text import EMPTY, Line, glyphs, line, paragraph
from icot_tui.tui.play.answer_lines import answer_lines, choosable, chosen_words, default_choice
from icot_tui.tui.play.records import AskResult, ChosenToken, score

HELP = (
    "Ask the model something: write a question such as 12*34 and press Enter.",
    "Escape leaves the question field. Then r asks a random held-out example, h one that "
    "the model finds hard, a several stages side by side; l looks inside, and ? shows all keys.",
    "Tokens in [brackets] are hidden: the model no longer writes them; shown are those of "
    "the whole chain of thought, as it is written at stage 0.",
)


class AnswerLines(Lines):
    """The lines, with a cursor that goes from token to token."""

    BINDINGS = [
        Binding("left", "move(-1, 0)", "token before", show=False),
        Binding("right", "move(1, 0)", "next token", show=False),
        Binding("up", "move(0, -1)", "answer before", show=False),
        Binding("down", "move(0, 1)", "next answer", show=False),
        Binding("enter", "screen.perform('look')", "look inside", show=False),
    ]

    def action_move(self, tokens: int, answers: int) -> None:
        assert isinstance(self.parent, AnswersPane)
        self.parent.move(tokens, answers)


class AnswersPane(Panel):
    """All answers to one question."""

    label = "answers"

    class ChoiceChanged(Message):
        """Another token is looked at."""

    def __init__(self) -> None:
        super().__init__(id="answers")
        self.lines = AnswerLines()
        self.results: list[AskResult] = []
        self.at = 0
        self.short = False
        self._message: tuple[str, ...] = HELP
        self._token: tuple[str, int] | None = None
        self._sum = False

    def compose(self) -> ComposeResult:
        yield self.lines

    def clear(self, message: str) -> None:
        """Remove all answers, and show a message instead."""
        self.results, self._message = [], (message,)
        self.draw()

    def say(self, message: str) -> None:
        """Show a message, or the help if it is empty, while there are no answers."""
        if not self.results:
            self._message = (message,) if message else HELP
            self.draw()

    def add(self, result: AskResult) -> None:
        """One more answer; the cursor stays with its checkpoint."""
        if self.results:
            self.at = min(self.at, len(self.results) - 1)
        self.results.append(result)
        self.draw()

    @property
    def current(self) -> AskResult | None:
        return self.results[min(self.at, len(self.results) - 1)] if self.results else None

    @property
    def chosen(self) -> ChosenToken | None:
        choices = self._choices()
        if not choices:
            return None
        chosen = choices[self._index(choices)]
        if self._sum and chosen.part == "answer":
            return ChosenToken("sum", chosen.place, chosen.text)
        return chosen

    def _choices(self) -> list[ChosenToken]:
        result = self.current
        return [] if result is None else choosable(result)

    def _index(self, choices: list[ChosenToken]) -> int:
        """The chosen token's index; the first hidden one if this answer lacks that token."""
        for at, chosen in enumerate(choices):
            if (chosen.part, chosen.place) == self._token:
                return at
        return default_choice(choices)

    def move(self, tokens: int, answers: int) -> None:
        """Choose another token or answer."""
        if answers and len(self.results) > 1:
            self.at = min(max(self.at + answers, 0), len(self.results) - 1)
        elif answers:
            self.lines.scroll_relative(y=answers, animate=False)
            return
        choices = self._choices()
        if tokens and choices:
            at = min(max(self._index(choices) + tokens, 0), len(choices) - 1)
            self._token = choices[at].part, choices[at].place
        self.draw()
        self.post_message(self.ChoiceChanged())

    def toggle_sum(self) -> str:
        """Switch between a digit and the running sum before it; returns why it can't."""
        chosen = self.chosen
        if chosen is None or chosen.part == "chain":
            return "Only answer digits have a running sum: choose one first."
        self._sum = not self._sum
        self._token = "answer", chosen.place
        self.draw()
        self.post_message(self.ChoiceChanged())
        return ""

    def draw(self) -> None:
        """Show all answers; in a small pane only the current one."""
        width, height = self.lines.size
        if not width:
            return
        current, begin = self.current, 0
        several = len(self.results) > 1
        self.border_title = f"answers  {score(self.results) if several else ''}".rstrip()
        if current is None:
            lines = [each for text in self._message for each in (*paragraph(text, width), EMPTY)]
        elif self.short and current.answer is not None:
            lines = self._answer_lines(current, width)
            if len(lines) > height:
                lines = [*lines[:2], *_around_choice(lines[2:], height - 2)]
        else:
            lines, begin = self._all_lines(width)
        self.lines.show(lines)
        above = round(self.lines.scroll_y)
        if current is not None and (begin < above or begin + 4 > above + height):
            self.lines.scroll_to(y=begin, animate=False, force=True)

    def _answer_lines(self, result: AskResult, width: int) -> list[Line]:
        first = result is self.current
        return answer_lines(
            result,
            width,
            glyphs(self.lines.ascii),
            first=first,
            focused=self.lines.has_focus,
            chosen=self.chosen if first else None,
            short=self.short and first and result.answer is not None,
        )

    def _all_lines(self, width: int) -> tuple[list[Line], int]:
        """All answers, the chosen token in words, and the line at which the current one begins."""
        lines: list[Line] = []
        begin = 0
        for result in self.results:
            if lines:
                lines.append(EMPTY)
            if result is self.current:
                begin = len(lines)
            lines += self._answer_lines(result, width)
        current, chosen = self.current, self.chosen
        if chosen is not None and current is not None and current.answer is not None:
            lines += [EMPTY, *paragraph(chosen_words(chosen, current), width, "accent")]
        return lines, begin

    def on_resize(self) -> None:
        self.call_after_refresh(self.draw)

    def on_descendant_focus(self) -> None:
        """Highlight the arrow before the current answer."""
        self.draw()

    on_descendant_blur = on_descendant_focus

    def on_lines_scrolled(self, event: Lines.Scrolled) -> None:
        """Show on the border how much is out of sight."""
        event.stop()
        self.set_border(subtitle=self.lines.out_of_view)


def _around_choice(lines: list[Line], room: int) -> list[Line]:
    """As many lines as there is room for, the chosen token's among them."""
    at = next(
        (n for n, each in enumerate(lines) if any("reverse" in style for _, style in each)), 0
    )
    first = min(max(0, at - room // 2), max(0, len(lines) - room))
    return lines[first : first + max(0, room)] or [line("")]
