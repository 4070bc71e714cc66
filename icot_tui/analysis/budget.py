"""A budget of thought: accuracy and speed against how many chain-of-thought tokens are written."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from icot_tui.analysis.asking import Respondent
from icot_tui.config import EvaluationConfig
from icot_tui.data.encoded import EncodedSplit
from icot_tui.engine.evaluation import evaluate
from icot_tui.engine.speed import Contestant, measure_speed
from icot_tui.models.supervised import SupervisedLM


@dataclass(frozen=True)
class BudgetPoint:
    """One choice of the budget.

    written              chain-of-thought tokens to write, of the longest chain
    stage                tokens removed
    exact_match          on the examples; low, high: its 95 % interval
    examples_per_second  one at a time; None where it was not measured
    """

    written: int
    stage: int
    exact_match: float
    low: float
    high: float
    examples_per_second: float | None


def sweep(
    respondent: Respondent,
    split: EncodedSplit,
    stages: Sequence[int] | None = None,
    speed_seconds: float = 0.0,
    should_stop: Callable[[], bool] | None = None,
) -> list[BudgetPoint]:
    """Evaluate one model at several stages, from the most written tokens to none.

    Speeds are measured side by side: every question is asked at all stages before the next one.
    Every stage is asked as in training (see `asking`); a run without mixed stages has forgotten
    most of them, and the curve shows it.

    Args:
        respondent: the checkpoint.
        split: held-out examples in its tokens.
        stages: tokens removed; None: every stage.
        speed_seconds: measure the speed for about so long in all; 0: not at all.
        should_stop: asked between batches.

    Raises:
        EvaluationStopped: `should_stop` turned true.
        UserError: the tokenizer does not give `####` back.
    """
    longest = split.max_cot_tokens
    stages = sorted(range(longest + 1) if stages is None else stages)
    config = (
        EvaluationConfig()
        if respondent.opened.config is None
        else respondent.opened.config.evaluation
    )
    results = [
        evaluate(
            SupervisedLM(respondent.lm).eval(),
            split,
            stage,
            respondent.plan,
            respondent.opened.tokenizer,
            respondent.separator_id,
            config.model_copy(update={"samples": 0}),
            respondent.device,
            should_stop,
        )
        for stage in stages
    ]
    speeds = _speeds(respondent, split, stages, speed_seconds)
    return [
        BudgetPoint(max(longest - stage, 0), stage, one.exact_match, one.low, one.high, speed)
        for stage, one, speed in zip(stages, results, speeds, strict=True)
    ]


def _speeds(
    respondent: Respondent, split: EncodedSplit, stages: Sequence[int], seconds: float
) -> Sequence[float | None]:
    if not seconds:
        return [None] * len(stages)
    contestants = [
        Contestant(respondent.lm, split, stage, respondent.plan, respondent.separator_id)
        for stage in stages
    ]
    speeds = measure_speed(contestants, respondent.device, seconds)
    return [speed.examples_per_second for speed in speeds]
