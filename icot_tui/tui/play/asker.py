"""The line for questions, and what puts them to the chosen checkpoints, one after another."""

import random
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from icot_tui.analysis.checkpoints import CheckpointEntry
from icot_tui.tui.actions.export import READ_SECONDS
from icot_tui.tui.actions.runner import Handler, notify_user
from icot_tui.tui.play.records import AskOptions, AskResult
from icot_tui.tui.play.worker import Job
from icot_tui.tui.screens.questions import InputDialog, whole_number

if TYPE_CHECKING:
    from icot_tui.tui.play.inspector import Inspector
    from icot_tui.tui.play.playground import Playground

NOT_MIXED = (
    "None of the chosen checkpoints was trained with mixed stages (curriculum.mixed_stages), so "
    "how many tokens they write can't be chosen: compare checkpoints of several stages instead."
)


class Asker:
    """Asks, and keeps what is asked and how.

    Attributes:
        text: the question, asked once there are checkpoints; may be empty.
        options: how it is asked.
    """

    def __init__(self, screen: "Playground", inspector: "Inspector", text: str) -> None:
        self.text = text
        self.options = AskOptions()
        self._screen = screen
        self._inspector = inspector
        self._hardest = 0
        self._dice = random.Random()

    def handlers(self) -> dict[str, Handler]:
        """By the actions' names."""
        screen = self._screen
        return {
            "ask": lambda: self.ask(screen.field.value),
            "earlier": screen.field.action_earlier,
            "keys": screen.answers.lines.focus,
            "pane": screen.list.focus,
            "write": screen.field.focus,
            "random": partial(self._pick, hardest=False),
            "hardest": partial(self._pick, hardest=True),
            "stages": screen.list.choose_stages,
            "alone": screen.list.choose_current,
            "sampled": self._toggle_sampled,
            "raw": self._toggle_raw,
            "budget": self._choose_budget,
        }

    def chosen(self) -> list[CheckpointEntry]:
        """The checkpoints that are asked; the user is told if there is none."""
        chosen = self._screen.list.chosen
        if not chosen:
            self._screen.warn("No checkpoint is chosen: Tab to the list, Space chooses.")
        return chosen

    def ask(self, text: str) -> None:
        """Put a question to all chosen checkpoints."""
        screen, text = self._screen, text.strip()
        there = bool(screen.list.entries)
        if not text:
            screen.warn("Write a question first, such as 12*34.")
            return
        if there and not self.chosen():
            return
        screen.field.history.add(text)
        self.text = text
        if not there:  # they are asked once they are there
            screen.answers.say("waiting for the checkpoints ...")
            return
        if self.options.sampled is not None:
            self.options = replace(self.options, sampled=self._dice.randrange(10**6))
        asked, options = screen.list.chosen, self.options

        def work(job: Job) -> None:
            for entry in asked:
                job.report(f"asking {entry.label}")
                result = screen.backend.ask(entry, text, options)
                screen.worker.deliver(job, self._add, result)

        screen.answers.clear("asking ...")
        screen.worker.submit("ask", work, lambda _: screen.update_header(), screen.answers.clear)

    def ask_again(self) -> None:
        """The same question, of other checkpoints or in another way."""
        self._screen.update_header()
        if self.text:
            self.ask(self.text)

    def write_and_ask(self, text: str) -> None:
        """Ask a question that the user did not write."""
        self._screen.field.write(text)
        self.ask(text)

    def _add(self, result: AskResult) -> None:
        answers = self._screen.answers
        answers.add(result)
        if len(answers.results) == 1 or answers.current is result:
            self._inspector.update()

    def _pick(self, hardest: bool) -> None:
        """Ask a random example, or the hardest one, then the next."""
        screen = self._screen
        entry = screen.list.current if screen.focused is screen.list else None
        entry = entry or next(iter(self.chosen()), None)
        if entry is None:
            return
        at, raw, asked = self._hardest, self.options.raw, self.text
        self._hardest = at + 1 if hardest else 0

        def work(job: Job) -> str:
            job.report("looking for the hardest examples" if hardest else "drawing an example")
            if hardest:
                found = screen.backend.hard_question(entry, at)
            else:
                found = screen.backend.random_question(entry, asked)
            return found.input if raw else found.shown

        screen.worker.submit("ask", work, self.write_and_ask, screen.warn)

    def _toggle_sampled(self) -> None:
        self.options = replace(self.options, sampled=0 if self.options.sampled is None else None)
        self.ask_again()

    def _toggle_raw(self) -> None:
        raw = not self.options.raw
        self.options = replace(self.options, raw=raw)
        self._screen.update_header()
        form = "the model's own form" if raw else "the usual form, such as 12*34"
        notify_user(self._screen, f"Questions are now read in {form}.")

    def _choose_budget(self) -> None:
        """Ask how many tokens are to be written, or say why that can't be chosen."""
        screen = self._screen
        mixed = [one for one in screen.list.chosen if one.mixed]
        if not mixed:
            screen.warn(NOT_MIXED, READ_SECONDS)
            return
        if self.options.written is not None:
            self.options = replace(self.options, written=None)
            notify_user(screen, "Each model again writes as many tokens as it was trained to.")
            self.ask_again()
            return
        most = max((one.greatest_stage or 0) for one in mixed) or None

        def chosen(number: int | float | None) -> None:
            if number is not None:
                self.options = replace(self.options, written=int(number))
                self.ask_again()

        dialog = InputDialog(
            "budget of thought",
            "How many tokens of its chain of thought may the model write? 0 asks for the answer "
            "alone. The same key removes the budget.",
            "" if most is None else f"The whole chain of thought has {most} tokens.",
            whole_number(0, most),
            lambda number: f"{number} written, the others hidden",
        )
        screen.app.push_screen(dialog, chosen)
