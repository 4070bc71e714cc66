"""Opens checkpoints, asks them, picks examples; for one thread, the worker's.

It never draws from the process's random generators, which a trainer of the same process uses.
"""

import random
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from icot_tui.analysis.checkpoints import CheckpointEntry
from icot_tui.engine.checkpoints.opened import NOTHING_GIVEN, GivenRemoval
from icot_tui.errors import UserError
from icot_tui.tui.panels.example import lowest_first
from icot_tui.tui.play.records import AskOptions, AskResult

if TYPE_CHECKING:
    from icot_tui.analysis.answer import Answer
    from icot_tui.analysis.budget import BudgetPoint
    from icot_tui.analysis.emulation import ThoughtComparison
    from icot_tui.analysis.examples import AlignedExamples
    from icot_tui.analysis.hybrid import BudgetOutcome
    from icot_tui.analysis.loaded_model import LoadedModel
    from icot_tui.analysis.model_cache import ModelCache
    from icot_tui.analysis.questions import Question
    from icot_tui.data.encoded import EncodedSplit

EXAMPLES = 500
"""Examples that random ones and averages are taken from."""
AT_ONCE = 64
"""Questions of a file that are asked between two checks for cancellation."""
SWEPT = 200
"""Examples that each budget of thought is tried on."""
LOOKED_AT = 64
"""Examples among which the hardest are looked for."""


class Backend:
    """Opened checkpoints, and what was computed for them.

    All methods raise UserError, with a sentence, where a checkpoint, its run's data or the question
    does not allow what is asked for; only `ask` and `ask_all` put the sentence into the result.

    Args:
        device: says where models go; called once PyTorch is loaded.
        given: how tokens were removed, for checkpoints that don't say it.
    """

    def __init__(
        self, device: Callable[[], str] = lambda: "cpu", given: GivenRemoval = NOTHING_GIVEN
    ) -> None:
        self._device = device
        self._given = given
        self._open: ModelCache | None = None
        self._splits: dict[Path, EncodedSplit] = {}
        self._aligned: dict[tuple[Path, int], AlignedExamples] = {}
        self._hardest: dict[Path, list[Question]] = {}
        self._sweeps: dict[Path, tuple[list[BudgetPoint], list[BudgetOutcome]]] = {}
        self._compared: dict[Path, ThoughtComparison] = {}
        self._dice = random.Random()

    # Checkpoints --------------------------------------------------------------------------------

    def load(self, on_progress: Callable[[str], None]) -> None:
        """Import what the first question would otherwise wait for."""
        if self._open is not None:
            return
        on_progress("loading PyTorch")
        import torch  # noqa: F401

        on_progress("loading the model library")
        from transformers.utils import logging

        from icot_tui.analysis.model_cache import ModelCache, warm_up

        logging.disable_progress_bar()
        logging.set_verbosity_error()
        warm_up()
        self._open = ModelCache(device=self._device(), given=self._given)

    def open(self, entry: CheckpointEntry) -> "LoadedModel":
        """A checkpoint, ready to answer."""
        assert self._open is not None, "call load first"
        if not entry.path.is_dir():
            raise UserError(f"checkpoint {entry.path} is gone: choose another one")
        return self._open.open(entry.path)

    # Asking -------------------------------------------------------------------------------------

    def ask(self, entry: CheckpointEntry, text: str, options: AskOptions) -> AskResult:
        """Put a question to one checkpoint; problems are in the result."""
        began = time.perf_counter()
        try:
            model = self.open(entry)
            [answer] = _answers(model, [model.reader.read(text, options.raw)], options)
        except UserError as error:
            return AskResult(entry, None, str(error), time.perf_counter() - began)
        seconds = time.perf_counter() - began
        digits = _gold_digits(model, answer)
        return AskResult(entry, answer, "", seconds, digits, lowest_first(model.reader.task))

    def ask_all(
        self,
        entry: CheckpointEntry,
        texts: Sequence[str],
        options: AskOptions,
        on_progress: Callable[[str], None],
    ) -> list[AskResult]:
        """Put many questions to one checkpoint; problems are in the results."""
        try:
            model = self.open(entry)
        except UserError as error:
            return [AskResult(entry, None, str(error))] * len(texts)
        results: dict[int, AskResult] = {}
        readable: dict[int, Question] = {}
        for index, text in enumerate(texts):
            try:
                readable[index] = model.reader.read(text, options.raw)
            except UserError as error:
                results[index] = AskResult(entry, None, str(error))
        for begin in range(0, len(readable), AT_ONCE):
            on_progress(f"asking {entry.label}: {begin:,} of {len(readable):,}")
            part = list(readable)[begin : begin + AT_ONCE]
            asked = self._ask_together(entry, model, [readable[index] for index in part], options)
            results |= dict(zip(part, asked, strict=True))
        return [results[index] for index in range(len(texts))]

    def _ask_together(
        self,
        entry: CheckpointEntry,
        model: "LoadedModel",
        questions: "list[Question]",
        options: AskOptions,
    ) -> list[AskResult]:
        """Where one of the questions can't be answered, each is asked by itself."""
        try:
            answers = _answers(model, questions, options)
        except UserError as error:
            if len(questions) == 1:
                return [AskResult(entry, None, str(error))]
            alone = [self._ask_together(entry, model, [one], options) for one in questions]
            return [result for [result] in alone]
        return [AskResult(entry, answer, "", answer.seconds) for answer in answers]

    # A budget of thought ------------------------------------------------------------------------

    def sweep(
        self, entry: CheckpointEntry, on_progress: Callable[[str], None]
    ) -> "tuple[list[BudgetPoint], list[BudgetOutcome]]":
        """Accuracy and speed for each number of written tokens; what thresholds come to."""
        from icot_tui.analysis.budget import check_mixed, sweep
        from icot_tui.analysis.calibration import ask_with_all
        from icot_tui.analysis.hybrid import budget_ladder

        model = self.open(entry)
        check_mixed(model)
        if entry.path not in self._sweeps:
            split = self.split(entry)
            few = split.only(np.arange(len(split)) < SWEPT)
            questions = [model.reader.example(few, index) for index in range(len(few))]
            points = sweep(model, few, on_progress=on_progress)
            ladder = budget_ladder(model, questions)
            asked = ask_with_all(model, questions, ladder, on_progress)
            self._sweeps[entry.path] = points, asked.curve()
        return self._sweeps[entry.path]

    # Examples -----------------------------------------------------------------------------------

    def split(self, entry: CheckpointEntry) -> "EncodedSplit":
        """Held-out examples of the checkpoint's run, in its tokens."""
        from icot_tui.analysis.examples import load_examples

        model = self.open(entry)
        if entry.path not in self._splits:
            if model.opened.data is None:
                raise UserError(
                    f"{entry.label} lies in no run, so no examples of its task are known"
                )
            self._splits[entry.path] = load_examples(model, EXAMPLES).split(model)
        return self._splits[entry.path]

    def aligned(self, entry: CheckpointEntry, stage: int) -> "AlignedExamples":
        from icot_tui.analysis.examples import AlignedExamples

        key = entry.path, stage
        if key not in self._aligned:
            self._aligned[key] = AlignedExamples(self.open(entry), self.split(entry), stage)
        return self._aligned[key]

    def random_question(self, entry: CheckpointEntry, asked: str) -> "Question":
        """A random held-out example other than the one asked last."""
        split, reader = self.split(entry), self.open(entry).reader
        places = self._dice.sample(range(len(split)), len(split))
        drawn = (reader.example(split, place) for place in places)
        others = (one for one in drawn if asked not in (one.input, one.shown))
        return next(others, reader.example(split, 0))

    def hard_question(self, entry: CheckpointEntry, at: int) -> "Question":
        """The `at`-th of the examples that the checkpoint finds hardest."""
        if entry.path not in self._hardest:
            split = self.split(entry)
            model = self.open(entry)
            indices = range(min(LOOKED_AT, len(split)))
            questions = [model.reader.example(split, index) for index in indices]
            answers = model.answer(questions)
            order = sorted(indices, key=lambda index: _ease(answers[index]))
            self._hardest[entry.path] = [questions[index] for index in order]
        found = self._hardest[entry.path]
        return found[at % len(found)]

    def thoughts(self, entry: CheckpointEntry) -> "ThoughtComparison":
        """A pair's emulator beside its teacher."""
        from icot_tui.analysis.emulation import ThoughtComparison

        if entry.path not in self._compared:
            comparison = ThoughtComparison(self.open(entry))
            self._compared = {entry.path: comparison}  # of two more models
        return self._compared[entry.path]


def _answers(
    model: "LoadedModel", questions: "list[Question]", options: AskOptions
) -> "list[Answer]":
    """Where no run tells the stage, the whole chain of thought is asked for."""
    from icot_tui.analysis.answer import Sampling

    written = options.written if model.chooses_budget else None
    stage_unknown = model.stage is None and written is None and not model.is_pair
    return model.answer(
        questions,
        written=written,
        stage=0 if stage_unknown else None,
        sampling=None if options.sampled is None else Sampling(seed=options.sampled),
    )


def _gold_digits(model: "LoadedModel", answer: "Answer") -> tuple[str, ...]:
    """Tokens of the correct answer, as far as it is known."""
    from icot_tui.analysis.examples import AlignedExamples

    if answer.question.gold is None:
        return ()
    try:
        aligned = AlignedExamples(model, answer.question.gold, answer.stage)
    except UserError:  # too long to look inside
        return ()
    return tuple(map(model.token_text, aligned.tokens[0, aligned.answer :].tolist()))


def _ease(answer: "Answer") -> tuple[bool, float]:
    """Sorts wrong answers first, then those that the model was least sure of."""
    sure = min((token.probability for token in answer.tokens), default=0.0)
    return bool(answer.right), sure
