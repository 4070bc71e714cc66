"""Evaluates the model in training, records the result, and scores it."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch
from torch.distributed.fsdp import FSDPModule

from icot_tui.config import EvaluationConfig
from icot_tui.curriculum.removal import TokenFormat
from icot_tui.data.encoded import EncodedSplit
from icot_tui.engine.evaluation.evaluate import evaluate
from icot_tui.engine.evaluation.exact_match import EvaluationResult, merge
from icot_tui.engine.evaluation.samples import write_samples
from icot_tui.engine.journal.events import Evaluated, Event, ThoughtsCompared, Warned
from icot_tui.engine.loop.run_state import RunState
from icot_tui.engine.processes import Processes
from icot_tui.engine.run_folder import RunFolder
from icot_tui.errors import Check

if TYPE_CHECKING:
    from icot_tui.models.supervised import SupervisedLM

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


class Validation:
    """Held-out exact match of one training, computed by all processes together."""

    def __init__(
        self,
        model: "SupervisedLM",
        split: EncodedSplit,
        token_format: TokenFormat,
        config: EvaluationConfig,
        processes: Processes,
        folder: RunFolder,
        emit: Callable[[Event], None],
    ) -> None:
        self._model = model
        self._split = split
        self._token_format = token_format
        self._config = config
        self._processes = processes
        # A sharded model's layers are gathered by all processes together, so all of them must take
        # the same steps: each evaluates everything.
        alone = processes.count == 1 or processes.model_is_sharded
        self._shard = (0, 1) if alone else (processes.rank, processes.count)
        self._folder = folder
        self._emit = emit
        self._seconds = 0.0

    def run(self, stage: int, check: Check) -> EvaluationResult:
        """The result over all processes.

        Raises:
            Cancelled: `check` raised it.
        """
        began = time.perf_counter()
        with outermost_gathered(self._model):
            mine = evaluate(
                self._model, self._split, stage, self._token_format, self._config, check=check,
                shard=self._shard,
            )  # fmt: skip
        parts = self._processes.gather(mine) if self._shard[1] > 1 else [mine]
        self._seconds = time.perf_counter() - began
        return merge(parts)

    def report(self, result: EvaluationResult, state: RunState, stage: int, implicit: bool) -> None:
        """Write the samples, and emit the result."""
        if not self._processes.is_main:
            return
        name = f"step-{state.step:08d}.jsonl"
        try:
            write_samples(self._folder.samples / name, result.samples)
        except OSError as error:
            self._emit(
                Warned(step=state.step, message=f"samples could not be written: {error.strerror}")
            )
            name = ""
        self._emit(
            Evaluated(
                step=state.step,
                stage=stage,
                implicit=implicit,
                exact_match=result.exact_match,
                low=result.low,
                high=result.high,
                examples=result.examples,
                loss=result.loss,
                token_accuracy=result.token_accuracy,
                best=state.best.exact_match,
                seconds=self._seconds,
                samples=name,
            )
        )


@contextmanager
def outermost_gathered(model: "SupervisedLM") -> Iterator[None]:
    """A sharded model's own weights, those outside its sharded blocks, whole for a while.

    Blocks gather theirs whenever they are called; the outermost does so in its `forward` only,
    which scoring and decoding go past.
    """
    if not isinstance(model, FSDPModule):
        yield
        return
    token = torch.zeros(1, dtype=torch.int64, device=next(model.parameters()).device)
    with torch.no_grad():  # the first call of all must go through the outermost `forward`
        model(token[None], None, token, token)
    model.unshard()
    try:
        yield
    finally:
        model.reshard()
