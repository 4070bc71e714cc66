"""The worker's hands: opens checkpoints, asks them, picks examples. Only one thread uses it.

Random generators of the process are left alone: a trainer of the same process draws from them.
"""

import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from icot_tui.errors import UserError
from icot_tui.tui.play.data import Listed, Looking, Outcome, Wish

if TYPE_CHECKING:
    from icot_tui.analysis.answer import Answer
    from icot_tui.analysis.asking import Respondent
    from icot_tui.analysis.cache import Respondents
    from icot_tui.analysis.layout import Layout
    from icot_tui.analysis.questions import Question
    from icot_tui.data.encoded import EncodedSplit
    from icot_tui.tui.play.heat import HeatMap

Say = Callable[[str], None]
EXAMPLES = 500
"""Examples that means are taken over, and among which a random one is drawn."""
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

    def open(self, listed: Listed) -> "Respondent":
        """A checkpoint, ready to answer.

        Raises:
            UserError: it cannot be opened.
        """
        assert self._open is not None, "load comes first"
        if not listed.path.is_dir():
            raise UserError(f"checkpoint {listed.path} is gone: take another one")
        return self._open.open(listed.path)

    # Asking -------------------------------------------------------------------------------------

    def ask(self, listed: Listed, text: str, wish: Wish) -> Outcome:
        """Put a question to one checkpoint; what goes wrong is told in the outcome."""
        from icot_tui.analysis.answer import Sampling

        began = time.perf_counter()
        try:
            respondent = self.open(listed)
            sampling = None if wish.sampled is None else Sampling(seed=wish.sampled)
            written = wish.written if respondent.chooses_budget else None
            stage = 0 if respondent.stage is None and written is None else None
            answer = respondent.ask(
                text, raw=wish.raw, written=written, stage=stage, sampling=sampling
            )
        except UserError as error:
            return Outcome(listed, None, str(error), time.perf_counter() - began)
        seconds = time.perf_counter() - began
        return Outcome(listed, answer, "", seconds, _true_digits(respondent, answer))

    # Examples -----------------------------------------------------------------------------------

    def split(self, listed: Listed) -> "EncodedSplit":
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

    def layout(self, listed: Listed, stage: int) -> "Layout":
        """The examples laid on one another at a stage."""
        from icot_tui.analysis.layout import Layout

        key = listed.path, stage
        if key not in self._layouts:
            self._layouts[key] = Layout.of(self.open(listed), self.split(listed), stage)
        return self._layouts[key]

    def random_question(self, listed: Listed) -> "Question":
        """A held-out example."""
        split = self.split(listed)
        return self.open(listed).reader.example(split, self._dice.randrange(len(split)))

    def hard_question(self, listed: Listed, at: int) -> "Question":
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

    def look(self, looking: Looking, answer: "Answer") -> "HeatMap":
        """The heat map that is wanted.

        Raises:
            UserError: this question, or this model, has none.
        """
        from icot_tui.tui.play import views

        return views.heat_map(self, looking, answer)


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
