"""Carries out a prompted run: asks every question, reads the answers, and records the result.

A run that was stopped starts over but asks nothing twice: replies are kept on disk. Kept replies
count towards the budget like any other, so that the result does not depend on what was kept.
"""

import math
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field

import torch

from icot_tui.config import RunConfig
from icot_tui.data.examples import Example
from icot_tui.engine.evaluation.exact_match import wilson
from icot_tui.engine.evaluation.samples import Sample, write_samples
from icot_tui.engine.journal import events
from icot_tui.engine.journal.journal import Journal
from icot_tui.engine.loop.commands import CommandQueue, Stop
from icot_tui.engine.run_folder import RunFolder
from icot_tui.errors import UserError
from icot_tui.methods.prompted.config import PromptedConfig
from icot_tui.methods.prompted.endpoint import Endpoint, sent_openly
from icot_tui.methods.prompted.local import LocalModel
from icot_tui.methods.prompted.prompts import Questions, conversation, read_questions
from icot_tui.methods.prompted.replies import KeptReplies, Reply, Respondent, is_right, read_answer
from icot_tui.version import __version__

REPORT_SECONDS = 2.0
"""Time between reports of progress in the journal."""
SAMPLES = "step-00000000.jsonl"
"""File of all answers, among the samples."""


def run_prompted(
    folder: RunFolder,
    config: RunConfig,
    commands: CommandQueue,
    device: torch.device,
    listen: Callable[[events.Event], None] | None = None,
) -> events.RunEnded:
    """Ask all questions of a prompted run, except those answered before; only a stop is obeyed.

    `listen` is called with each event once it is in the journal.

    Raises:
        UserError: the model is not available or does not answer; earlier answers are kept.
    """
    with ExitStack() as ending:
        folder.lock()
        ending.callback(folder.unlock)
        prompted = config.section(PromptedConfig)
        model: Respondent = Endpoint(prompted) if prompted.endpoint else LocalModel(config, device)
        questions = read_questions(config.data, prompted, config.seed)
        journal = Journal(folder.journal)
        ending.callback(journal.close)

        def emit(event: events.Event) -> None:
            journal.write(event)
            if listen is not None:
                listen(event)

        asking = _Asking(
            prompted=prompted,
            model=model,
            questions=questions,
            commands=commands,
            emit=emit,
            displaced=journal.displaced,
        )
        asking.start(config.name)
        reason = asking.ask_all()
        if finished := not reason:
            asking.evaluate(folder)
            reason = asking.end()
        ended = events.RunEnded(step=0, reason=reason, finished=finished)
        emit(ended)
        return ended


@dataclass
class _Counts:
    """Answers and tokens so far, named as in `QuestionsAsked`."""

    right: int = 0
    unread: int = 0
    kept: int = 0
    prompt_tokens: int = 0
    written_tokens: int = 0


@dataclass(kw_only=True)
class _Asking:
    """The questions of a run, and the answers so far."""

    prompted: PromptedConfig
    model: Respondent
    questions: Questions
    commands: CommandQueue
    emit: Callable[[events.Event], None]
    displaced: Callable[[], str | None]
    samples: list[Sample] = field(default_factory=list)
    counts: _Counts = field(default_factory=_Counts)
    began: float = field(default_factory=time.monotonic)

    def start(self, name: str) -> None:
        """Announce the run."""
        prompted = self.prompted
        self.emit(
            events.RunStarted(
                step=0,
                name=name,
                method=f"{prompted.model} prompted, {prompted.shots}-shot" + " CoT" * prompted.cot,
                version=__version__,
                device=self.model.where,
                processes=1,
                parameters=0,
                train_examples=prompted.shots,
                validation_examples=len(self.questions.asked),
                steps_per_epoch=1,
                max_cot_tokens=0,
                schema=events.SCHEMA,
            )
        )
        if warning := sent_openly(prompted):
            self.emit(events.Warned(step=0, message=warning))

    def ask_all(self) -> str:
        """Ask as many questions as the budget allows; why it was stopped, if it was."""
        kept = KeptReplies(self.model.identity)
        limit = self.prompted.max_requests if self.prompted.endpoint else None
        asked, size, reported = self.questions.asked[:limit], self.prompted.batch_size, 0.0
        for begin in range(0, len(asked), size):
            if self._stop_requested():
                self._report()
                return "stopped by command, what was answered is kept"
            if self.displaced() or self._tokens_used_up():
                break
            self._ask(asked[begin : begin + size], kept)
            if time.monotonic() >= reported + REPORT_SECONDS:
                reported = time.monotonic()
                self._report()
        self._report()
        gone = self.displaced()
        return "" if gone is None else f"stopped, what was answered is kept: {gone}"

    def _stop_requested(self) -> bool:
        stop = False
        for command in self.commands.take():
            done = isinstance(command, Stop)
            stop |= done
            effect = "stopping" if done else "refused: a prompted run can only be stopped"
            self.emit(
                events.CommandDone(
                    step=0, id=command.id, command=command.name, done=done, effect=effect
                )
            )
        return stop

    def _tokens_used_up(self) -> bool:
        used = self.counts.prompt_tokens + self.counts.written_tokens
        return self.prompted.endpoint is not None and used >= self.prompted.max_tokens

    def _ask(self, examples: Sequence[Example], kept: KeptReplies) -> None:
        """Ask what was not asked before; each reply is kept as soon as it arrives."""
        shots, cot = self.questions.shots, self.prompted.cot
        asked = [conversation(shots, example.input, cot) for example in examples]
        replies = [kept.get(one) for one in asked]
        missing = [place for place, reply in enumerate(replies) if reply is None]
        self.counts.kept += len(asked) - len(missing)
        if missing:
            for number, reply in self.model.answer([asked[place] for place in missing]):
                place = missing[number]
                kept.keep(asked[place], reply)
                replies[place] = reply
        for example, answered in zip(examples, replies, strict=True):
            assert answered is not None, "a question without a reply is an error"
            self._judge(example, answered)

    def _judge(self, example: Example, reply: Reply) -> None:
        counts = self.counts
        answer = read_answer(reply.text, example.answer, reply.cut)
        right = is_right(answer, example.answer)
        counts.right += right
        counts.unread += answer is None
        counts.prompt_tokens += reply.prompt_tokens
        counts.written_tokens += reply.written_tokens
        self.samples.append(
            Sample(
                index=len(self.samples),
                kind="random",
                correct=right,
                loss=None,
                input=example.input,
                cot=example.cot,
                answer=example.answer,
                model_cot=reply.text,
                model_answer=answer,
                tokens=(),
                confidence=(),
            )
        )

    def _report(self) -> None:
        self.emit(
            events.QuestionsAsked(
                step=0,
                asked=len(self.samples),
                questions=len(self.questions.asked),
                seconds=time.monotonic() - self.began,
                **vars(self.counts),
            )
        )

    def evaluate(self, folder: RunFolder) -> None:
        """Write all answers to a file, and report how many are right."""
        try:
            write_samples(folder.samples / SAMPLES, self.samples)
        except OSError as error:
            raise UserError(f"the answers cannot be written: {error.strerror}", 1) from error
        asked, right = len(self.samples), self.counts.right
        if asked < len(self.questions.asked):
            self.emit(events.Warned(step=0, message=self.end()))
        share = right / max(asked, 1)
        low, high = wilson(right, asked)
        self.emit(
            events.Evaluated(
                step=0,
                stage=0,
                implicit=not self.prompted.cot,
                exact_match=share,
                low=low,
                high=high,
                examples=asked,
                loss=math.nan,
                token_accuracy=[],
                best=share,
                seconds=time.monotonic() - self.began,
                samples=SAMPLES,
            )
        )

    def end(self) -> str:
        """Why the run ended."""
        asked, questions = len(self.samples), len(self.questions.asked)
        if asked == questions:
            return f"all {questions:,} questions of the {self.questions.split} split were asked"
        which = "max_tokens" if self._tokens_used_up() else "max_requests"
        return (
            f"the budget prompted.{which} is used up, so the result rests on the first {asked:,} "
            f"of {questions:,} questions"
        )
