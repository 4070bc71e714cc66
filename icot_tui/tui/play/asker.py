"""Puts questions to the chosen checkpoints, one after another."""

import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

from icot_tui.analysis.checkpoints import CheckpointEntry
from icot_tui.tui.actions.runner import Handler
from icot_tui.tui.play.context import PlayContext
from icot_tui.tui.play.records import AskOptions, AskResult
from icot_tui.tui.play.worker import Job
from icot_tui.tui.screens.questions import NumberDialog, whole_number

NOT_MIXED = (
    "None of the chosen checkpoints was trained with mixed stages (curriculum.mixed_stages), so "
    "how many tokens they write can't be chosen: compare checkpoints of several stages instead."
)


class Asker:
    """Asks, and keeps what is asked and how.

    Attributes:
        text: the question; empty before the first.
        options: how it is asked.
    """

    def __init__(
        self,
        context: PlayContext,
        text: str,
        answered: Callable[[], None],
        changed: Callable[[], None],
    ) -> None:
        """Ask nothing yet.

        Args:
            context: the parts of the playground.
            text: the first question, asked once there are checkpoints.
            answered: called when the answer under the cursor has come.
            changed: called when something that the header says has changed.
        """
        self.text = text
        self.options = AskOptions()
        self._context = context
        self._answered = answered
        self._changed = changed
        self._hardest = 0
        self._dice = random.Random()

    def handlers(self) -> dict[str, Handler]:
        """By the actions' names."""
        context = self._context
        return {
            "ask": lambda: self.ask(context.field.value),
            "earlier": context.field.action_earlier,
            "keys": context.answers.lines.focus,
            "pane": context.list.focus,
            "write": context.field.focus,
            "random": partial(self._pick, hardest=False),
            "hardest": partial(self._pick, hardest=True),
            "stages": context.list.choose_stages,
            "alone": context.list.choose_current,
            "sampled": self._toggle_sampled,
            "raw": self._toggle_raw,
            "budget": self._choose_budget,
        }

    def ask(self, text: str) -> None:
        """Put a question to all chosen checkpoints."""
        context, text = self._context, text.strip()
        there = bool(context.list.entries)
        if not text:
            context.notify("Write a question first, such as 12*34.", "warning")
            return
        if there and not context.chosen():
            return
        context.field.history.add(text)
        self.text = text
        if not there:  # they are asked once they are there
            context.answers.say("waiting for the checkpoints ...")
            return
        if self.options.sampled is not None:
            self.options = replace(self.options, sampled=self._dice.randrange(10**6))
        context.answers.clear("asking ...")
        work = partial(self._ask, context.list.chosen, text, self.options)
        context.worker.submit("ask", work, lambda _: self._changed(), context.answers.clear)

    def ask_again(self) -> None:
        """The same question, of other checkpoints or in another way."""
        self._changed()
        if self.text:
            self.ask(self.text)

    def write_and_ask(self, text: str) -> None:
        """Ask a question that the user did not write."""
        self._context.field.write(text)
        self.ask(text)

    def _ask(
        self, asked: Sequence[CheckpointEntry], text: str, options: AskOptions, job: Job
    ) -> None:
        """On the worker's thread."""
        for entry in asked:
            job.report(f"asking {entry.label}")
            result = self._context.backend.ask(entry, text, options)
            self._context.worker.deliver(job, self._add, result)

    def _add(self, result: AskResult) -> None:
        answers = self._context.answers
        answers.add(result)
        if len(answers.results) == 1 or answers.current is result:
            self._answered()

    def _pick(self, hardest: bool) -> None:
        """Ask a random example, or the hardest one, then the next."""
        context = self._context
        entry = context.list.current if context.screen.focused is context.list else None
        entry = entry or next(iter(context.chosen()), None)
        if entry is None:
            return
        at, raw, asked = self._hardest, self.options.raw, self.text
        self._hardest = at + 1 if hardest else 0

        def work(job: Job) -> str:
            job.report("looking for the hardest examples" if hardest else "drawing an example")
            if hardest:
                found = context.backend.hard_question(entry, at)
            else:
                found = context.backend.random_question(entry, asked)
            return found.input if raw else found.shown

        def failed(problem: str) -> None:
            context.notify(problem, "warning")

        context.worker.submit("ask", work, self.write_and_ask, failed)

    # How ----------------------------------------------------------------------------------------

    def _toggle_sampled(self) -> None:
        self.options = replace(self.options, sampled=0 if self.options.sampled is None else None)
        self.ask_again()

    def _toggle_raw(self) -> None:
        raw = not self.options.raw
        self.options = replace(self.options, raw=raw)
        self._changed()
        form = "the model's own form" if raw else "a person's form, such as 12*34"
        self._context.notify(f"Questions are read in {form} now.")

    def _choose_budget(self) -> None:
        """Ask how many tokens are to be written, or say why that can't be chosen."""
        context = self._context
        mixed = [one for one in context.list.chosen if one.mixed]
        if not mixed:
            context.notify(NOT_MIXED, "warning", 10.0)
            return
        if self.options.written is not None:
            self.options = replace(self.options, written=None)
            context.notify("Each model writes as many tokens as it was trained to again.")
            self.ask_again()
            return
        most = max((one.max_cot_tokens or 0) for one in mixed) or None

        def chosen(number: int | float | None) -> None:
            if number is not None:
                self.options = replace(self.options, written=int(number))
                self.ask_again()

        dialog = NumberDialog(
            "budget of thought",
            "How many tokens of its chain of thought may the model write? 0 asks for the answer "
            "alone. The same key takes the budget away.",
            "" if most is None else f"The whole chain of thought has {most} tokens.",
            whole_number(0, most),
            lambda number: f"{number} written, the others hidden",
        )
        context.screen.app.push_screen(dialog, chosen)
