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
from icot_tui.tui.play.records import AskOptions, AskResult, CheckpointEntry, ViewRequest

if TYPE_CHECKING:
    from icot_tui.analysis.aligned_examples import AlignedExamples
    from icot_tui.analysis.answer import Answer
    from icot_tui.analysis.budget import BudgetPoint
    from icot_tui.analysis.emulation import ThoughtComparison
    from icot_tui.analysis.loaded_model import LoadedModel
    from icot_tui.analysis.model_cache import ModelCache
    from icot_tui.analysis.questions import Question
    from icot_tui.data.encoded import EncodedSplit
    from icot_tui.tui.play.heat_map import HeatMap

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
        self._open: ModelCache | None = None
        self._splits: dict[Path, EncodedSplit] = {}
        self._aligned: dict[tuple[Path, int], AlignedExamples] = {}
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

        from icot_tui.analysis.model_cache import MEMORY_LIMIT, ModelCache, warm_up

        logging.disable_progress_bar()
        logging.set_verbosity_error()
        warm_up()
        self._open = ModelCache(self._memory_limit or MEMORY_LIMIT, self._device())

    def open(self, entry: CheckpointEntry) -> "LoadedModel":
        """A checkpoint, ready to answer.

        Raises:
            UserError: it cannot be opened.
        """
        assert self._open is not None, "load comes first"
        if not entry.path.is_dir():
            raise UserError(f"checkpoint {entry.path} is gone: take another one")
        return self._open.open(entry.path)

    # Asking -------------------------------------------------------------------------------------

    def ask(self, entry: CheckpointEntry, text: str, options: AskOptions) -> AskResult:
        """Put a question to one checkpoint; what goes wrong is told in the result."""
        from icot_tui.analysis.answer import Sampling

        began = time.perf_counter()
        try:
            model = self.open(entry)
            sampling = None if options.sampled is None else Sampling(seed=options.sampled)
            written = options.written if model.chooses_budget else None
            answer = model.ask(
                text,
                raw=options.raw,
                written=written,
                stage=_stage(model, written),
                sampling=sampling,
            )
        except UserError as error:
            return AskResult(entry, None, str(error), time.perf_counter() - began)
        seconds = time.perf_counter() - began
        return AskResult(entry, answer, "", seconds, _true_digits(model, answer))

    def ask_all(
        self, entry: CheckpointEntry, texts: Sequence[str], options: AskOptions, say: Say
    ) -> list[AskResult]:
        """Put many questions to one checkpoint; what goes wrong is told in their results."""
        results: dict[int, AskResult] = {}
        readable: list[tuple[int, Question]] = []
        try:
            model = self.open(entry)
        except UserError as error:
            return [AskResult(entry, None, str(error))] * len(texts)
        for place, text in enumerate(texts):
            try:
                readable.append((place, model.reader.read(text, options.raw)))
            except UserError as error:
                results[place] = AskResult(entry, None, str(error))
        for begin in range(0, len(readable), AT_ONCE):
            say(f"asking {entry.label}: {begin:,} of {len(readable):,}")
            part = readable[begin : begin + AT_ONCE]
            results |= self._ask_together(entry, model, part, options)
        return [results[place] for place in range(len(texts))]

    def _ask_together(
        self,
        entry: CheckpointEntry,
        model: "LoadedModel",
        asked: "Sequence[tuple[int, Question]]",
        options: AskOptions,
    ) -> dict[int, AskResult]:
        """Outcomes by place; where one question can't be answered, each is asked by itself."""
        from icot_tui.analysis.answer import Sampling

        sampling = None if options.sampled is None else Sampling(seed=options.sampled)
        written = options.written if model.chooses_budget else None
        stage = _stage(model, written)
        try:
            answers = model.answer(
                [question for _, question in asked], written=written, stage=stage, sampling=sampling
            )
        except UserError as error:
            if len(asked) == 1:
                return {asked[0][0]: AskResult(entry, None, str(error))}
            alone = [self._ask_together(entry, model, [one], options) for one in asked]
            return {place: result for found in alone for place, result in found.items()}
        return {
            place: AskResult(entry, answer, "", answer.seconds)
            for (place, _), answer in zip(asked, answers, strict=True)
        }

    # A budget of thought ------------------------------------------------------------------------

    def sweep(self, entry: CheckpointEntry, say: Say) -> "list[BudgetPoint]":
        """Accuracy and speed for each number of written tokens.

        Raises:
            UserError: it was not trained with mixed stages, or has no examples.
        """
        from icot_tui.analysis.budget import check_mixed, sweep

        model = self.open(entry)
        check_mixed(model)
        if entry.path not in self._sweeps:
            split = self.split(entry)
            few = split.only(np.arange(len(split)) < SWEPT)
            self._sweeps[entry.path] = sweep(model, few, say=say)
        return self._sweeps[entry.path]

    # Examples -----------------------------------------------------------------------------------

    def split(self, entry: CheckpointEntry) -> "EncodedSplit":
        """Held-out examples of the checkpoint's run, in its tokens.

        Raises:
            UserError: it belongs to no run, or the run's data is gone.
        """
        from icot_tui.analysis.examples import load_examples

        model = self.open(entry)
        if entry.path not in self._splits:
            if model.opened.config is None:
                raise UserError(
                    f"{entry.label} belongs to no run, so no examples of its task are known"
                )
            self._splits[entry.path] = load_examples(model, EXAMPLES).split(model)
        return self._splits[entry.path]

    def aligned(self, entry: CheckpointEntry, stage: int) -> "AlignedExamples":
        """The examples laid on one another at a stage."""
        from icot_tui.analysis.aligned_examples import AlignedExamples

        key = entry.path, stage
        if key not in self._aligned:
            self._aligned[key] = AlignedExamples.of(self.open(entry), self.split(entry), stage)
        return self._aligned[key]

    def random_question(self, entry: CheckpointEntry, asked: str) -> "Question":
        """A held-out example, another one than was asked last."""
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

    # Looking inside -----------------------------------------------------------------------------

    def thoughts(self, entry: CheckpointEntry) -> "ThoughtComparison":
        """A pair's emulator beside its teacher.

        Raises:
            UserError: it is no pair, or its teacher is not known.
        """
        from icot_tui.analysis.emulation import ThoughtComparison

        if entry.path not in self._compared:
            comparison = ThoughtComparison(self.open(entry))
            self._compared = {entry.path: comparison}  # two more models: only the last is kept
        return self._compared[entry.path]

    def look(self, looking: ViewRequest, answer: "Answer") -> "HeatMap":
        """The heat map that is wanted.

        Raises:
            UserError: this question, or this model, has none.
        """
        from icot_tui.tui.play import views

        return views.heat_map(self, looking, answer)


def _stage(model: "LoadedModel", written: int | None) -> int | None:
    """Where no run tells the stage, the whole chain of thought is asked for."""
    unknown = model.stage is None and written is None and not model.is_pair
    return 0 if unknown else None


def _true_digits(model: "LoadedModel", answer: "Answer") -> tuple[str, ...]:
    """Tokens of the true answer, as far as it is known."""
    from icot_tui.analysis.aligned_examples import AlignedExamples

    if answer.question.gold is None:
        return ()
    try:
        aligned = AlignedExamples.of(model, answer.question.gold, answer.stage)
    except UserError:  # too long to look inside
        return ()
    ids = aligned.tokens[0, aligned.answer : aligned.answer + aligned.digits].tolist()
    return tuple(map(model.token_text, ids))


def _ease(answer: "Answer") -> tuple[bool, float]:
    """Wrong answers come first, then those that the model was least sure of."""
    sure = min((token.probability for token in answer.tokens), default=0.0)
    return bool(answer.right), sure
