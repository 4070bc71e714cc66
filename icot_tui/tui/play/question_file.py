"""Questions of a file: put to all chosen checkpoints, and listed with their answers."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rich.cells import cell_len, set_cell_size
from textual import on
from textual.binding import Binding
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Input, OptionList
from textual.widgets.option_list import Option

from icot_tui.analysis.checkpoints import CheckpointEntry
from icot_tui.formatting import plain
from icot_tui.tui.actions.export import READ_SECONDS, save_files
from icot_tui.tui.panels.text import Glyphs, glyphs
from icot_tui.tui.play.records import AskResult, score
from icot_tui.tui.play.worker import Job
from icot_tui.tui.screens.dialog import Dialog, text
from icot_tui.tui.screens.lists import SafeOptionList

if TYPE_CHECKING:
    from icot_tui.tui.play.asker import Asker
    from icot_tui.tui.play.playground import Playground

MOST = 1000
"""Questions of one file."""
QUESTION_WIDTH, ANSWER_WIDTH = 28, 14


def ask_file(screen: "Playground", asker: "Asker") -> None:
    """Put the questions of a file to the chosen checkpoints, and list what came of them."""
    asked, options = asker.chosen(), asker.options
    if not asked:
        return

    def begin(path: str | None) -> None:
        if path:
            screen.worker.submit("batch", lambda job: work(path, job), done, failed)

    def work(path: str, job: Job) -> FileAnswers:
        from icot_tui.analysis.questions import read_questions  # needs PyTorch

        questions = read_questions(Path(path).expanduser())[:MOST]
        ask_all = screen.backend.ask_all
        return FileAnswers(
            questions, asked, [ask_all(one, questions, options, job.report) for one in asked]
        )

    def done(found: FileAnswers) -> None:
        screen.app.push_screen(FileAnswersDialog(found, screen.answers.lines.ascii), again)

    def again(question: str | None) -> None:
        if question is not None:
            asker.write_and_ask(question)

    def failed(problem: str) -> None:
        screen.warn(problem, READ_SECONDS)

    screen.app.push_screen(QuestionFileDialog(), begin)


@dataclass(frozen=True)
class FileAnswers:
    """[Q] questions of a file, and [Q] results of each of [C] checkpoints."""

    questions: Sequence[str]
    checkpoints: Sequence[CheckpointEntry]
    results: Sequence[Sequence[AskResult]]

    def scores(self) -> list[str]:
        return [
            f"{plain(entry.label)}: {_score(mine)}"
            for entry, mine in zip(self.checkpoints, self.results, strict=True)
        ]

    def as_lines(self) -> str:
        """A line of JSON for each question, as `icot-tui ask --file --json` prints them."""
        lines = []
        for question, *results in zip(self.questions, *self.results, strict=True):
            answers = [result.as_json() for result in results]
            lines.append(json.dumps({"question": question, "answers": answers}) + "\n")
        return "".join(lines)


class QuestionFileDialog(Dialog[str]):
    """Asks for the file's path."""

    title_in_words = "questions from a file"
    hint = "enter asks them, escape closes"

    def content(self) -> Sequence[Widget]:
        field = Input(placeholder="questions.txt")
        field.cursor_blink = False
        prompt = f"One question a line, or whole examples; {MOST:,} at most. Where is the file?"
        return [text(prompt), field]

    @on(Input.Submitted)
    def _send(self, event: Input.Submitted) -> None:
        if event.value.strip():
            self.dismiss(event.value.strip())


class FileAnswersDialog(Dialog[str]):
    """A line for each question; Enter asks it again, to see the whole answer."""

    BINDINGS = [Binding("w", "write", "write", show=False)]
    title_in_words = "questions of the file"
    hint = "enter asks one, w writes a file, escape closes"
    DEFAULT_CSS = """
    FileAnswersDialog OptionList {
        height: auto; max-height: 60vh; text-wrap: nowrap; text-overflow: clip;
    }
    """

    def __init__(self, batch: FileAnswers, ascii_only: bool) -> None:
        super().__init__()
        self.found = batch
        self._glyphs = glyphs(ascii_only)
        # As wide as a line of the list: with marks, gaps and the box.
        self.width = QUESTION_WIDTH + (ANSWER_WIDTH + 3) * len(batch.checkpoints) + 10

    def content(self) -> Sequence[Widget]:
        prompts = [
            _row(question, found, self._glyphs)
            for question, *found in zip(self.found.questions, *self.found.results, strict=True)
        ]
        questions = SafeOptionList(*map(Option, prompts), markup=False)
        return [text("\n".join(self.found.scores())), questions]

    @on(OptionList.OptionSelected)
    def _take(self, event: OptionList.OptionSelected) -> None:
        self.dismiss(self.found.questions[event.option_index])

    def action_write(self) -> None:
        """All answers, as JSON lines."""
        save_files(self.app, "answers", [("batch", "jsonl", self.found.as_lines())])


def _score(results: Sequence[AskResult]) -> str:
    problems = sum(result.answer is None for result in results)
    right = score(results) or "correct answers unknown"
    return right + (f", {problems:,} could not be asked" if problems else "")


def _row(question: str, results: Sequence[AskResult], glyph: Glyphs) -> Content:
    parts: list[tuple[str, str]] = [(_cut(question, QUESTION_WIDTH, glyph), "bold")]
    for result in results:
        answer = result.answer
        right = None if answer is None else answer.right
        mark = {True: glyph.right, False: glyph.wrong, None: " "}[right]
        shown = result.problem if answer is None else answer.shown or "no answer"
        style = {True: "$success", False: "$error", None: "$warning"}[right]
        parts += [(f" {mark} ", style), (_cut(shown, ANSWER_WIDTH, glyph), "")]
    return Content.assemble(*parts)


def _cut(words: str, width: int, glyph: Glyphs) -> str:
    """Cut or padded to so many cells, with control characters made visible."""
    words = plain(words)
    if cell_len(words) > width:
        return set_cell_size(words, width - 1) + glyph.ellipsis
    return set_cell_size(words, width)
