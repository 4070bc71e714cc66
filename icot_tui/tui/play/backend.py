"""The worker's hands: opens checkpoints, asks them, picks examples. Only one thread uses it.

Random generators of the process are left alone: a trainer of the same process draws from them.
"""

import random
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from icot_tui.errors import UserError
from icot_tui.tui.play.messages import AskOptions, CheckpointEntry, Looking, Outcome

if TYPE_CHECKING:
    from icot_tui.analysis.answer import Answer
    from icot_tui.analysis.asking import Respondent
    from icot_tui.analysis.budget import BudgetPoint
    from icot_tui.analysis.cache import Respondents
    from icot_tui.analysis.emulation import ThoughtComparison
    from icot_tui.analysis.layout import Layout
    from icot_tui.analysis.questions import Question
    from icot_tui.data.encoded import EncodedSplit
    from icot_tui.tui.play.heat import HeatMap

Say = Callable[[str], None]
EXAMPLES = 500
"""Examples that means are taken over, and among which a random one is drawn."""
AT_ONCE = 64
"""Questions of a file that are asked before the next look at whether they are still wanted."""
SWEPT = 200
"""Examples that each budget of thought is tried on."""
LOOKED_AT = 64
"""Examples among which the hardest are looked for."""


class Backend:
    """What is kept between two questions.

    Args:
        device: says where models go; asked once PyTorch is there.
        memory_limit: bytes of parameters that are kept; None: the usual.
    """

    def __init__(
        self, device: Callable[[], str] = lambda: "cpu", memory_limit: int | None = None
    ) -> None:
        self._device = device
        self._memory_limit = memory_limit
        self._open: Respondents | None = None
        self._splits: dict[Path, EncodedSplit] = {}
        self._layouts: dict[tuple[Path, int], Layout] = {}
        self._hardest: dict[Path, list[Question]] = {}
        self._sweeps: dict[Path, list[BudgetPoint]] = {}
        self._compared: dict[Path, ThoughtComparison] = {}
        self._dice = random.Random()

    # Checkpoints --------------------------------------------------------------------------------

    def load(self, say: Say) -> None:
        """Import what the first question would otherwise wait for.

        Raises:
            UserError: there is no such device.
        """
        if self._open is not None:
            return
        say("loading PyTorch")
        import torch  # noqa: F401

        say("loading the model library")
        from transformers.utils import logging

        from icot_tui.analysis.cache import MEMORY_LIMIT, Respondents, warm_up

        logging.disable_progress_bar()
        logging.set_verbosity_error()
        warm_up()
        self._open = Respondents(self._memory_limit or MEMORY_LIMIT, self._device())

    def open(self, listed: CheckpointEntry) -> "Respondent":
        """A checkpoint, ready to answer.

        Raises:
            UserError: it cannot be opened.
        """
        assert self._open is not None, "load comes first"
        if not listed.path.is_dir():
            raise UserError(f"checkpoint {listed.path} is gone: take another one")
        return self._open.open(listed.path)

    # Asking -------------------------------------------------------------------------------------

    def ask(self, listed: CheckpointEntry, text: str, options: AskOptions) -> Outcome:
        """Put a question to one checkpoint; what goes wrong is told in the outcome."""
        from icot_tui.analysis.answer import Sampling

        began = time.perf_counter()
        try:
            respondent = self.open(listed)
            sampling = None if options.sampled is None else Sampling(seed=options.sampled)
            written = options.written if respondent.chooses_budget else None
            answer = respondent.ask(
                text,
                raw=options.raw,
                written=written,
                stage=_stage(respondent, written),
                sampling=sampling,
            )
        except UserError as error:
            return Outcome(listed, None, str(error), time.perf_counter() - began)
        seconds = time.perf_counter() - began
        return Outcome(listed, answer, "", seconds, _true_digits(respondent, answer))

    def ask_all(
        self, listed: CheckpointEntry, texts: Sequence[str], options: AskOptions, say: Say
    ) -> list[Outcome]:
        """Put many questions to one checkpoint; what goes wrong is told in their outcomes."""
        outcomes: dict[int, Outcome] = {}
        readable: list[tuple[int, Question]] = []
        try:
            respondent = self.open(listed)
        except UserError as error:
            return [Outcome(listed, None, str(error))] * len(texts)
        for place, text in enumerate(texts):
            try:
                readable.append((place, respondent.reader.read(text, options.raw)))
            except UserError as error:
                outcomes[place] = Outcome(listed, None, str(error))
        for begin in range(0, len(readable), AT_ONCE):
            say(f"asking {listed.label}: {begin:,} of {len(readable):,}")
            part = readable[begin : begin + AT_ONCE]
            outcomes |= self._ask_together(listed, respondent, part, options)
        return [outcomes[place] for place in range(len(texts))]

    def _ask_together(
        self,
        listed: CheckpointEntry,
        respondent: "Respondent",
        asked: "Sequence[tuple[int, Question]]",
        options: AskOptions,
    ) -> dict[int, Outcome]:
        """Outcomes by place; where one question can't be answered, each is asked by itself."""
        from icot_tui.analysis.answer import Sampling

        sampling = None if options.sampled is None else Sampling(seed=options.sampled)
        written = options.written if respondent.chooses_budget else None
        stage = _stage(respondent, written)
        try:
            answers = respondent.answer(
                [question for _, question in asked], written=written, stage=stage, sampling=sampling
            )
        except UserError as error:
            if len(asked) == 1:
                return {asked[0][0]: Outcome(listed, None, str(error))}
            alone = [self._ask_together(listed, respondent, [one], options) for one in asked]
            return {place: outcome for found in alone for place, outcome in found.items()}
        return {
            place: Outcome(listed, answer, "", answer.seconds)
            for (place, _), answer in zip(asked, answers, strict=True)
        }

    # A budget of thought ------------------------------------------------------------------------

    def sweep(self, listed: CheckpointEntry, say: Say) -> "list[BudgetPoint]":
        """Accuracy and speed for each number of written tokens.

        Raises:
            UserError: it was not trained with mixed stages, or has no examples.
        """
        from icot_tui.analysis.budget import check_mixed, sweep

        respondent = self.open(listed)
        check_mixed(respondent)
        if listed.path not in self._sweeps:
            split = self.split(listed)
            few = split.only(np.arange(len(split)) < SWEPT)
            self._sweeps[listed.path] = sweep(respondent, few, say=say)
        return self._sweeps[listed.path]

    # Examples -----------------------------------------------------------------------------------

    def split(self, listed: CheckpointEntry) -> "EncodedSplit":
        """Held-out examples of the checkpoint's run, in its tokens.

        Raises:
            UserError: it belongs to no run, or the run's data is gone.
        """
        from icot_tui.analysis.examples import gather

        respondent = self.open(listed)
        if listed.path not in self._splits:
            if respondent.opened.config is None:
                raise UserError(
                    f"{listed.label} belongs to no run, so no examples of its task are known"
                )
            self._splits[listed.path] = gather(respondent, EXAMPLES).split(respondent)
        return self._splits[listed.path]

    def layout(self, listed: CheckpointEntry, stage: int) -> "Layout":
        """The examples laid on one another at a stage."""
        from icot_tui.analysis.layout import Layout

        key = listed.path, stage
        if key not in self._layouts:
            self._layouts[key] = Layout.of(self.open(listed), self.split(listed), stage)
        return self._layouts[key]

    def random_question(self, listed: CheckpointEntry, asked: str) -> "Question":
        """A held-out example, another one than was asked last."""
        split, reader = self.split(listed), self.open(listed).reader
        places = self._dice.sample(range(len(split)), len(split))
        drawn = (reader.example(split, place) for place in places)
        others = (one for one in drawn if asked not in (one.input, one.shown))
        return next(others, reader.example(split, 0))

    def hard_question(self, listed: CheckpointEntry, at: int) -> "Question":
        """The `at`-th of the examples that the checkpoint finds hardest."""
        if listed.path not in self._hardest:
            split = self.split(listed)
            respondent = self.open(listed)
            indices = range(min(LOOKED_AT, len(split)))
            questions = [respondent.reader.example(split, index) for index in indices]
            answers = respondent.answer(questions)
            order = sorted(indices, key=lambda index: _ease(answers[index]))
            self._hardest[listed.path] = [questions[index] for index in order]
        found = self._hardest[listed.path]
        return found[at % len(found)]

    # Looking inside -----------------------------------------------------------------------------

    def thoughts(self, listed: CheckpointEntry) -> "ThoughtComparison":
        """A pair's emulator beside its teacher.

        Raises:
            UserError: it is no pair, or its teacher is not known.
        """
        from icot_tui.analysis.emulation import ThoughtComparison

        if listed.path not in self._compared:
            comparison = ThoughtComparison(self.open(listed))
            self._compared = {listed.path: comparison}  # two more models: only the last is kept
        return self._compared[listed.path]

    def look(self, looking: Looking, answer: "Answer") -> "HeatMap":
        """The heat map that is wanted.

        Raises:
            UserError: this question, or this model, has none.
        """
        from icot_tui.tui.play import views

        return views.heat_map(self, looking, answer)


def _stage(respondent: "Respondent", written: int | None) -> int | None:
    """Where no run tells the stage, the whole chain of thought is asked for."""
    unknown = respondent.stage is None and written is None and not respondent.is_pair
    return 0 if unknown else None


def _true_digits(respondent: "Respondent", answer: "Answer") -> tuple[str, ...]:
    """Tokens of the true answer, as far as it is known."""
    from icot_tui.analysis.layout import Layout

    if answer.question.gold is None:
        return ()
    try:
        layout = Layout.of(respondent, answer.question.gold, answer.stage)
    except UserError:  # too long to look inside
        return ()
    ids = layout.tokens[0, layout.answer : layout.answer + layout.digits].tolist()
    return tuple(map(respondent.token_text, ids))


def _ease(answer: "Answer") -> tuple[bool, float]:
    """Wrong answers come first, then those that the model was least sure of."""
    sure = min((token.probability for token in answer.tokens), default=0.0)
    return bool(answer.right), sure
