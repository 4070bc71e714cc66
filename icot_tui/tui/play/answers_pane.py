"""The pane of answers: up and down choose an answer, left and right a token of it."""

from textual.app import ComposeResult
from textual.binding import Binding
from textual.message import Message

from icot_tui.tui.frame.panel import Panel
from icot_tui.tui.panels.base import out_of_sight
from icot_tui.tui.panels.lines import Lines
from icot_tui.tui.panels.text import EMPTY, Line, clip, glyphs, line, wrapped
from icot_tui.tui.play.answer_lines import (
    all_lines,
    answer_lines,
    choosable,
    chosen_words,
    default_choice,
    summary_line,
)
from icot_tui.tui.play.records import AskResult, ChosenToken

HELP = (
    "Ask the model something: write a question such as 12*34 and press Enter.",
    "Escape leaves the line in which you write. Then r asks a random held-out example, h one that "
    "the model finds hard, a several stages side by side; l looks inside, and ? shows all keys.",
    "Tokens in [brackets] are hidden: the model no longer writes them, and what stands there is "
    "what the explicit chain of thought has.",
)


class AnswerLines(Lines):
    """The lines, with a cursor that goes from token to token."""

    BINDINGS = [
        Binding("left", "token(-1)", "token before", show=False),
        Binding("right", "token(1)", "next token", show=False),
        Binding("up", "answer(-1)", "answer before", show=False),
        Binding("down", "answer(1)", "next answer", show=False),
        Binding("enter", "screen.do('look')", "look inside", show=False),
    ]

    class Move(Message):
        """Another token or answer is wanted."""

        def __init__(self, tokens: int, answers: int) -> None:
            super().__init__()
            self.tokens = tokens
            self.answers = answers

    def action_token(self, by: int) -> None:
        """Go to another token."""
        self.post_message(self.Move(by, 0))

    def action_answer(self, by: int) -> None:
        """Go to another answer."""
        self.post_message(self.Move(0, by))


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
        self._said: tuple[str, ...] = HELP
        self._token: tuple[str, int] | None = None
        self._sum = False

    def compose(self) -> ComposeResult:
        """Nothing but lines."""
        yield self.lines

    # What is shown ------------------------------------------------------------------------------

    def clear(self, said: str) -> None:
        """A new question: nothing is answered yet."""
        self.results, self._said = [], (said,)
        self.draw()

    def say(self, said: str) -> None:
        """What is being done while there is no answer, or what went wrong."""
        if not self.results:
            self._said = (said,) if said else HELP
            self.draw()

    def add(self, result: AskResult) -> None:
        """One more answer; the cursor stays with its checkpoint."""
        before = self.current.entry.path if self.current is not None else None
        self.results.append(result)
        self.at = next(
            (at for at, one in enumerate(self.results) if one.entry.path == before), self.at
        )
        self.draw()

    @property
    def current(self) -> AskResult | None:
        """The answer under the cursor."""
        return self.results[min(self.at, len(self.results) - 1)] if self.results else None

    @property
    def chosen(self) -> ChosenToken | None:
        """The token under the cursor."""
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
        """The token that was chosen; where this answer has none such, the first hidden one."""
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
        """The running sum before a digit, or the digit; says why not."""
        chosen = self.chosen
        if chosen is None or chosen.part == "chain":
            return "Running sums stand before answer digits: choose one first."
        self._sum = not self._sum
        self._token = "answer", chosen.place
        self.draw()
        self.post_message(self.ChoiceChanged())
        return ""

    def on_answer_lines_move(self, event: AnswerLines.Move) -> None:
        """The arrow keys."""
        event.stop()
        self.move(event.tokens, event.answers)

    # Drawing ----------------------------------------------------------------------------------

    def draw(self) -> None:
        """Lines of all answers; in a small pane only those of the current one."""
        width, height = self.lines.size
        if not width:
            return
        glyph = glyphs(self.lines.ascii)
        chosen, current = self.chosen, self.current
        self.border_title = f"answers  {summary_line(self.results)}".rstrip()
        if current is None:
            made: list[Line] = []
            for sentence in self._said:
                made += [*wrapped(sentence, width), EMPTY]
            self.lines.show(made)
            return
        begin = 0
        if self.short and current.answer is not None:
            made = answer_lines(
                current, width, glyph, first=True, focused=self.lines.has_focus,
                chosen=chosen, short=True,
            )  # fmt: skip
            if len(made) > height:
                made = [*clip(made, width, 2), *_around_choice(made[2:], height - 2)]
        else:
            made, begin = all_lines(
                self.results, width, glyph, self.at, self.lines.has_focus, chosen
            )
            if chosen is not None and current.answer is not None:
                told = chosen_words(chosen, current.answer)
                made += [EMPTY, *wrapped(told, width, "accent")]
        self.lines.show(made)
        above = round(self.lines.scroll_y)
        if begin < above or begin + 4 > above + height:
            self.lines.scroll_to(y=begin, animate=False, force=True)

    def on_resize(self) -> None:
        """Break the lines anew."""
        self.call_after_refresh(self.draw)

    def on_descendant_focus(self) -> None:
        """The arrow before the current answer lights up."""
        self.draw()

    def on_descendant_blur(self) -> None:
        """And goes out."""
        self.draw()

    def on_lines_scrolled(self, event: Lines.Scrolled) -> None:
        """Say on the border how much is out of sight."""
        event.stop()
        self.set_border(subtitle=out_of_sight(self.lines))


def _around_choice(lines: list[Line], room: int) -> list[Line]:
    """So many of the lines that the chosen token is among them."""
    at = next(
        (n for n, each in enumerate(lines) if any("reverse" in style for _, style in each)), 0
    )
    first = min(max(0, at - room // 2), max(0, len(lines) - room))
    return lines[first : first + max(0, room)] or [line("")]
