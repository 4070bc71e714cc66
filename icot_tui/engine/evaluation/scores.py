"""By what the best checkpoint of a training is chosen; higher is better."""

from collections.abc import Callable

from icot_tui.engine.evaluation.exact_match import EvaluationResult
from icot_tui.engine.journal.events import Event, ThoughtsCompared

Score = Callable[[EvaluationResult, int], float]
"""From an evaluation at a step."""
TIE = 1e-9
"""What a nat per token is worth in exact match, where the loss decides between equal ones."""


def exact_match_score(result: EvaluationResult, step: int) -> float:
    """The exact match; of equal ones the earlier stays the best."""
    return result.exact_match


def exact_match_then_loss(result: EvaluationResult, step: int) -> float:
    """The exact match; of equal ones that with the smaller loss is better."""
    return result.exact_match - TIE * result.loss


def emulation_score(errors: Callable[[], list[float]], emit: Callable[[Event], None]) -> Score:
    """How near an emulator's thoughts are to the teacher's: their `errors` by block are emitted."""

    def score(result: EvaluationResult, step: int) -> float:
        blocks = errors()
        emit(ThoughtsCompared(step=step, loss=sum(blocks), blocks=list(blocks)))
        return -sum(blocks)

    return score
