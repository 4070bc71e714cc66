"""Evaluates the model in training, and records the result."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch.distributed.fsdp import FSDPModule

from icot_tui.config import EvaluationConfig
from icot_tui.curriculum.removal import TokenFormat
from icot_tui.data.encoded import EncodedSplit
from icot_tui.engine.evaluation.evaluate import evaluate
from icot_tui.engine.evaluation.exact_match import EvaluationResult, merge
from icot_tui.engine.evaluation.samples import write_samples
from icot_tui.engine.journal.events import Evaluated, Event, Warned
from icot_tui.engine.loop.run_state import RunState
from icot_tui.engine.processes import Processes
from icot_tui.engine.run_folder import RunFolder
from icot_tui.errors import Check, disk_reason

if TYPE_CHECKING:
    from icot_tui.models.supervised import SupervisedLM


@dataclass(kw_only=True, eq=False)
class Validation:
    """Held-out exact match of one training, computed by all processes together."""

    model: "SupervisedLM"
    split: EncodedSplit
    token_format: TokenFormat
    config: EvaluationConfig
    processes: Processes
    folder: RunFolder
    emit: Callable[[Event], None]
    _seconds: float = 0.0

    def run(self, stage: int, check: Check) -> EvaluationResult:
        """The result over all processes; `check` may raise `Cancelled`."""
        began = time.perf_counter()
        processes = self.processes
        # A sharded model's layers are gathered by all processes together, so all of them must take
        # the same steps: each evaluates everything.
        alone = processes.count == 1 or processes.model_is_sharded
        shard = (0, 1) if alone else (processes.rank, processes.count)
        with _outermost_gathered(self.model):
            arguments = self.model, self.split, stage, self.token_format, self.config
            mine = evaluate(*arguments, check=check, shard=shard)
        result = mine if alone else merge(processes.gather(mine))
        self._seconds = time.perf_counter() - began
        return result

    def report(self, result: EvaluationResult, state: RunState, implicit: bool) -> None:
        """Write the samples, and emit the result."""
        if not self.processes.is_main:
            return
        name = f"step-{state.step:08d}.jsonl"
        try:
            write_samples(self.folder.samples / name, result.samples)
        except OSError as error:
            message = f"samples could not be written: {disk_reason(error)}"
            self.emit(Warned(step=state.step, message=message))
            name = ""
        self.emit(
            Evaluated(
                step=state.step,
                stage=result.stage,
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
def _outermost_gathered(model: "SupervisedLM") -> Iterator[None]:
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
