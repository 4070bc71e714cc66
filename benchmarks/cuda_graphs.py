"""Our training step with CUDA graphs, for `gpu.py` to compare with."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from training_step import Ours


class Graphs:
    """Our step with forward and backward as one CUDA graph for each padded shape.

    Without CUDA, what would be captured runs as it is.
    """

    def __init__(self, ours: Ours) -> None:
        self._ours, self._update = ours, ours.update
        self._parameters = list(ours.update.objective.parameters())
        self._gradients = [torch.zeros_like(one) for one in self._parameters]
        for parameter, gradient in zip(self._parameters, self._gradients, strict=True):
            parameter.grad = gradient  # at one address: every graph adds to it
        self._captured: dict[Any, tuple[Callable[[], object], list[torch.Tensor]]] = {}
        self._loss = torch.zeros((), device=ours.update.device)
        self._pool = torch.cuda.graph_pool_handle() if ours.update.device.type == "cuda" else None

    def step(self, rows: Any, scheduled: Any) -> torch.Tensor:
        """As `Ours.step`."""
        update, batch = self._update, self._ours.batch(rows, scheduled)
        ids, _, states, targets = update.tensors(batch)
        share = update.send(np.array([1 / batch.supervised_tokens], dtype=np.float32))
        given, shape = [ids, states, targets, share], update.shape(batch)
        if shape not in self._captured:
            inputs = [tensor.clone() for tensor in given]
            self._captured[shape] = self._capture(inputs), inputs
        replay, inputs = self._captured[shape]
        for kept, new in zip(inputs, given, strict=True):
            kept.copy_(new)
        replay()
        norm = torch.nn.utils.clip_grad_norm_(self._parameters, update.config.clip_norm)
        skip = ~(torch.isfinite(norm) & torch.isfinite(self._loss))
        update.optimizer.step_unless(skip, update.config.learning_rate)
        return self._loss.clone()

    def _capture(self, inputs: list[torch.Tensor]) -> Callable[[], object]:
        ids, states, targets, share = inputs

        def run() -> None:
            torch._foreach_zero_(self._gradients)
            loss = self._update.objective(ids, None, states, targets) * share[0]
            loss.backward()
            self._loss.copy_(loss.detach())

        if self._pool is None:
            return run
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(3):  # libraries choose their kernels, which can't be captured
                run()
        torch.cuda.current_stream().wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, pool=self._pool):
            run()
        return graph.replay
