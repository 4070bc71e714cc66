"""Carries out a prompted run: asks every question, reads the answers, writes down what came of it.

A run that was stopped begins anew and asks nothing again: replies are kept on disk. Those count
towards the budget like any other, so that the result does not depend on what was kept.
"""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch

from icot_tui.config import RunConfig
from icot_tui.data.examples import Example
from icot_tui.engine.evaluation.exact_match import wilson
from icot_tui.engine.evaluation.samples import Sample, write_samples
from icot_tui.engine.journal.events import (
    SCHEMA,
    CommandDone,
    Evaluated,
    Event,
    QuestionsAsked,
    RunEnded,
    RunStarted,
    Warned,
)
from icot_tui.engine.journal.journal import Journal
from icot_tui.engine.loop.commands import CommandQueue, Stop
from icot_tui.engine.run_folder import RunFolder
from icot_tui.errors import UserError
from icot_tui.methods.prompted.config import PromptedConfig
from icot_tui.methods.prompted.endpoint import Endpoint
from icot_tui.methods.prompted.local import LocalModel
from icot_tui.methods.prompted.prompts import Questions, conversation, read_questions
from icot_tui.methods.prompted.replies import KeptReplies, Reply, Respondent, is_right, read_answer
from icot_tui.version import __version__

TELL_SECONDS = 2.0
"""How often the journal hears of the answers so far."""
SAMPLES = "step-00000000.jsonl"
"""File of all answers, among the samples."""


def run_prompted(
    folder: RunFolder,
    config: RunConfig,
    commands: CommandQueue,
    device: torch.device,
    listen: Callable[[Event], None] | None = None,
) -> RunEnded:
    """Ask all questions of a prompted run, from its folder; what was answered is not asked again.

    Args:
        folder: an existing run folder.
        config: its configuration.
        commands: wishes; only a stop is obeyed.
        device: of a local model.
        listen: called with each event after it was journaled.

    Raises:
        UserError: the model can't be had or doesn't answer; what was answered is kept.
    """
    folder.lock()
    journal: Journal | None = None
    try:
        prompted = config.section(PromptedConfig)
        local = prompted.endpoint is None
        model: Respondent = LocalModel(config, device) if local else Endpoint(prompted)
        questions = read_questions(config.data, prompted, config.seed)
        journal = Journal(folder.journal)
        written = journal

        def emit(event: Event) -> None:
            written.write(event)
            if listen is not None:
                listen(event)

        ended = _Prompting(
            config=config,
            prompted=prompted,
            model=model,
            questions=questions,
            folder=folder,
            commands=commands,
            emit=emit,
        ).run()
        emit(ended)
        return ended
    finally:
        if journal is not None:
            journal.close()
        folder.unlock()


@dataclass
class _Tally:
    """What came of the questions so far."""

    samples: list[Sample] = field(default_factory=list)
    right: int = 0
    unread: int = 0
    kept: int = 0
    prompt_tokens: int = 0
    written_tokens: int = 0

    @property
    def tokens(self) -> int:
        """Read and written."""
        return self.prompt_tokens + self.written_tokens


class _Prompting:
    """The steps of a prompted run; `run` reads from top to bottom."""

    def __init__(
        self,
        config: RunConfig,
        prompted: PromptedConfig,
        model: Respondent,
        questions: Questions,
        folder: RunFolder,
        commands: CommandQueue,
        emit: Callable[[Event], None],
    ) -> None:
        self._config = config
        self._prompted = prompted
        self._model = model
        self._kept = KeptReplies(model.identity)
        self._questions = questions
        self._folder = folder
        self._commands = commands
        self._emit = emit
        self._tally = _Tally()
        self._began = time.monotonic()

    def run(self) -> RunEnded:
        """All of it."""
        self._start()
        asked, size, told = self._affordable(), self._prompted.batch_size, 0.0
        for begin in range(0, len(asked), size):
            if self._told_to_stop():
                self._tell()
                return RunEnded(
                    step=0, reason="stopped by command, what was answered is kept", finished=False
                )
            if self._tokens_used_up():
                break
            self._ask(asked[begin : begin + size])
            if time.monotonic() >= told + TELL_SECONDS:
                told = time.monotonic()
                self._tell()
        self._tell()
        self._report()
        return RunEnded(step=0, reason=self._reason(), finished=True)

    def _start(self) -> None:
        config, prompted = self._config, self._prompted
        title = f"{prompted.model} prompted, {prompted.shots}-shot" + " CoT" * prompted.cot
        held_out = len(self._questions.asked)
        version = __version__
        where = self._model.where
        self._emit(
            RunStarted(
                step=0,
                name=config.name,
                method=title,
                version=version,
                device=where,
                processes=1,
                parameters=0,
                train_examples=prompted.shots,
                validation_examples=held_out,
                steps_per_epoch=1,
                max_cot_tokens=0,
                schema=SCHEMA,
            )
        )

    # Asking -----------------------------------------------------------------------------------

    def _affordable(self) -> Sequence[Example]:
        """As many questions as the budget of requests allows."""
        limit = None if self._prompted.endpoint is None else self._prompted.max_requests
        return self._questions.asked[:limit]

    def _tokens_used_up(self) -> bool:
        limit = None if self._prompted.endpoint is None else self._prompted.max_tokens
        return limit is not None and self._tally.tokens >= limit

    def _told_to_stop(self) -> bool:
        stop = False
        for command in self._commands.take():
            wanted = isinstance(command, Stop)
            stop |= wanted
            effect = "stopping" if wanted else "refused: a prompted run can only be stopped"
            self._emit(
                CommandDone(step=0, id=command.id, command=command.name, done=wanted, effect=effect)
            )
        return stop

    def _ask(self, examples: Sequence[Example]) -> None:
        """Ask what was not asked before; each reply is kept as soon as it is there."""
        asked = [
            conversation(self._questions.shots, example.input, self._prompted.cot)
            for example in examples
        ]
        replies = {place: self._kept.get(one) for place, one in enumerate(asked)}
        missing = [place for place, reply in replies.items() if reply is None]
        if missing:
            for number, reply in self._model.answer([asked[place] for place in missing]):
                place = missing[number]
                self._kept.keep(asked[place], reply)
                replies[place] = reply
        self._tally.kept += len(asked) - len(missing)
        for example, answered in zip(examples, replies.values(), strict=True):
            assert answered is not None, "a question without a reply is an error"
            self._note(example, answered)

    def _note(self, example: Example, reply: Reply) -> None:
        """Judge a reply."""
        tally = self._tally
        answer = read_answer(reply.text, example.answer, reply.cut)
        right = is_right(answer, example.answer)
        tally.right += right
        tally.unread += answer is None
        tally.prompt_tokens += reply.prompt_tokens
        tally.written_tokens += reply.written_tokens
        tally.samples.append(
            Sample(
                index=len(tally.samples),
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

    # Telling ----------------------------------------------------------------------------------

    def _tell(self) -> None:
        tally = self._tally
        self._emit(
            QuestionsAsked(
                step=0,
                asked=len(tally.samples),
                questions=len(self._questions.asked),
                right=tally.right,
                unread=tally.unread,
                kept=tally.kept,
                prompt_tokens=tally.prompt_tokens,
                written_tokens=tally.written_tokens,
                seconds=time.monotonic() - self._began,
            )
        )

    def _report(self) -> None:
        """Write down all answers, and say how many are right."""
        tally = self._tally
        try:
            write_samples(self._folder.samples / SAMPLES, tally.samples)
        except OSError as error:
            raise UserError(f"the answers cannot be written: {error.strerror}", 1) from error
        if len(tally.samples) < len(self._questions.asked):
            self._emit(Warned(step=0, message=self._reason()))
        asked = len(tally.samples)
        share = tally.right / max(asked, 1)
        low, high = wilson(tally.right, asked)
        self._emit(
            Evaluated(
                step=0,
                stage=0,
                implicit=not self._prompted.cot,
                exact_match=share,
                low=low,
                high=high,
                examples=asked,
                loss=math.nan,
                token_accuracy=[],
                best=share,
                seconds=time.monotonic() - self._began,
                samples=SAMPLES,
            )
        )

    def _reason(self) -> str:
        """Why it ended."""
        asked, of = len(self._tally.samples), len(self._questions.asked)
        if asked == of:
            return f"all {of:,} questions of the {self._questions.split} split were asked"
        which = "max_tokens" if self._tokens_used_up() else "max_requests"
        return (
            f"the budget prompted.{which} is used up, so the result rests on the first {asked:,} "
            f"of {of:,} questions"
        )
