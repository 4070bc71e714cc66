"""What asks many questions at once: a file of them, and the sweep over budgets of thought."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from icot_tui.tui.actions.runner import Handler
from icot_tui.tui.play.asker import NOT_MIXED, Asker
from icot_tui.tui.play.budget_plot import BudgetPlot
from icot_tui.tui.play.context import PlayContext
from icot_tui.tui.play.question_file import MOST, FileAnswers, FileAnswersDialog, QuestionFileDialog
from icot_tui.tui.play.worker import Job

if TYPE_CHECKING:
    from icot_tui.analysis.budget import BudgetPoint


class BulkActions:
    """Asks on the worker's thread, and opens what came of it."""

    def __init__(self, context: PlayContext, asker: Asker) -> None:
        self._context = context
        self._asker = asker

    def handlers(self) -> dict[str, Handler]:
        """By the actions' names."""
        return {"file": self._ask_file, "budget-plot": self._plot_budget}

    def stop(self) -> bool:
        """Stop what is under way; was there anything?"""
        return any([self._context.worker.cancel(kind) for kind in ("batch", "budget")])

    def _ask_file(self) -> None:
        """Put the questions of a file to the chosen checkpoints, and list what came of them."""
        context, options = self._context, self._asker.options
        asked = context.chosen()
        if not asked:
            return

        def begin(path: str | None) -> None:
            if path:
                context.worker.submit("batch", lambda job: work(path, job), done, failed)

        def work(path: str, job: Job) -> FileAnswers:
            from icot_tui.analysis.questions import read_questions  # needs PyTorch

            questions = read_questions(Path(path).expanduser())[:MOST]
            ask_all = context.backend.ask_all
            return FileAnswers(
                questions, asked, [ask_all(one, questions, options, job.report) for one in asked]
            )

        def done(batch: FileAnswers) -> None:
            context.screen.app.push_screen(
                FileAnswersDialog(batch, context.answers.lines.ascii), again
            )

        def again(question: str | None) -> None:
            if question is not None:
                self._asker.write_and_ask(question)

        def failed(problem: str) -> None:
            context.notify(problem, "warning", 10.0)

        context.screen.app.push_screen(QuestionFileDialog(), begin)

    def _plot_budget(self) -> None:
        """Try every budget with the checkpoint under the cursor, or the first that allows it."""
        context, result = self._context, self._context.answers.current
        current = [] if result is None else [result.entry]
        entry = next((one for one in [*current, *context.list.chosen] if one.mixed), None)
        if entry is None:
            context.notify(NOT_MIXED, "warning", 10.0)
            return

        def work(job: Job) -> "Sequence[BudgetPoint]":
            job.report("trying budgets of thought")
            return context.backend.sweep(entry, job.report)

        def done(points: "Sequence[BudgetPoint]") -> None:
            plot = BudgetPlot(entry.label, points, context.answers.lines.ascii)
            context.screen.app.push_screen(plot)

        def failed(problem: str) -> None:
            context.notify(problem, "warning")

        context.worker.submit("budget", work, done, failed)
