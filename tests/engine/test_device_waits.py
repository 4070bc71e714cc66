"""Between two looks at the losses no step asks for a value, for which a device had to be waited."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from icot_tui.engine.loop.trainer import Trainer
from tests.tiny import tiny, train_new

FETCHING = {"__bool__", "__float__", "__int__", "__index__", "__array__", "tolist", "numpy", "cpu"}
"""Methods that bring values to the CPU. Of a tensor that is there they call no operation."""
SIZED_BY_VALUES = {
    *("_local_scalar_dense", "item", "is_nonzero", "equal", "nonzero", "nonzero_static"),
    *("masked_select", "_unique", "_unique2", "unique_dim", "unique_consecutive", "bincount"),
    *("argwhere", "repeat_interleave", "_assert_async"),
}
"""Operations that give the CPU a value, or whose result has as many elements as values say."""
INDEXING = {"index", "index_put", "index_put_", "_index_put_impl_"}


class WaitError(AssertionError):
    """Something would have waited for the device."""


class NoFetching(TorchFunctionMode):
    """Refuses Python's ways to a tensor's values; the run's own device is never a string."""

    def __torch_function__(self, func, types, args=(), kwargs=None):
        name, given = getattr(func, "__name__", ""), (*args[1:], *(kwargs or {}).values())
        if name in FETCHING or (name == "to" and any(isinstance(one, str) for one in given)):
            raise WaitError(f"Tensor.{name}")
        return func(*args, **(kwargs or {}))


class NoWaiting(TorchDispatchMode):
    """Refuses operations that wait, also those within others and those of the backward pass."""

    def __init__(self) -> None:
        super().__init__()
        self.operations = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.operations += 1
        name = func._schema.name.removeprefix("aten::")
        if name in SIZED_BY_VALUES or (name in INDEXING and any(map(is_mask, args[1]))):
            raise WaitError(f"aten::{name}")
        return func(*args, **(kwargs or {}))


def is_mask(index: Any) -> bool:
    return index is not None and index.dtype in (torch.bool, torch.uint8)


@contextmanager
def no_waiting() -> Iterator[NoWaiting]:
    with NoWaiting() as mode, NoFetching():
        yield mode


X = torch.arange(4.0, requires_grad=True)


@pytest.mark.parametrize(
    "waits",
    [
        *(X.sum().item, X.tolist, X.detach().numpy, X.nonzero, X.unique, X.cpu),
        *(lambda: X[X > 1], lambda: bool(X.sum() > 1), lambda: float(X.sum()), lambda: X.to("cpu")),
        *(lambda: torch.equal(X, X), lambda: torch.where(X > 1), lambda: X.masked_select(X > 1)),
        lambda: X[torch.arange(2)].clone().masked_fill_(X[:2] > 0, 0.0)[X[:2] > 0],
    ],
)
def test_what_waits_is_refused(waits: Callable[[], Any]) -> None:
    with pytest.raises(WaitError), no_waiting():
        waits()


def test_what_does_not_wait_is_let_through() -> None:
    with no_waiting() as mode:
        loss = torch.where(X > 1, X, 0.0)[torch.tensor([1, 2])].sum()
        loss.backward()
    assert mode.operations > 5
    assert X.grad is not None and X.grad.tolist() == [0, 0, 1, 0]


STEPWISE = {"curriculum": {"smoothing": 1.0}}
AT_STAGE = {"curriculum": {"smoothing": 0.5, "gate_rows": "scheduled"}}
KEPT = {"curriculum": {"keep_positions": True}, "train": {"pad_to_multiple": 16}}
COCONUT = {
    "method": {"name": "coconut"},
    "coconut": {"thoughts_per_step": 1},
    "curriculum": {"unit": "step", "remove_all_beyond": 3},
    "data": {"task": "graph", "options": {"hops": 3, "names": 10}},
}
CODI = {"method": {"name": "codi"}, "codi": {"thoughts": 2}}
PAUSE = {"method": {"name": "pause"}}
DISTILLATION = {
    "method": {"name": "distillation"},
    "distillation": {"mixture_components": 2},
    "model": {"layers": 2},
}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("sections", "masked"),
    [
        *((STEPWISE, False), (AT_STAGE, False), (PAUSE, False), (DISTILLATION, False)),
        *((CODI, False), (KEPT, True), (COCONUT, True)),
    ],
    ids=[
        *("stepwise", "rows at the stage", "pause", "distillation"),
        *("codi", "kept positions", "coconut"),
    ],
)
def test_no_step_waits_for_the_device(sections, masked, tmp_path, monkeypatch) -> None:
    """But for transformers, which looks whether a mask that it is given hides anything."""
    stages, operations, looks = set(), [], []
    step = Trainer._train_step

    def watched(trainer: Trainer) -> None:
        stages.add(trainer.curriculum.stage)
        with no_waiting() as mode, pytest.MonkeyPatch.context() as patch:
            patch.setattr("transformers.masking_utils.fast_all", look)
            step(trainer)
        operations.append(mode.operations)

    def look(mask: torch.Tensor) -> bool:
        looks.append(mask.shape)
        return False

    monkeypatch.setattr(Trainer, "_train_step", watched)
    limits = {"max_steps": 8, "decay_steps": 2, "warmup_steps": 1} | sections.get("train", {})
    evaluation = {"every_steps": 100, "samples": 0}
    train_new(tmp_path, tiny(**{**sections, "train": limits, "evaluation": evaluation}))
    assert len(operations) >= 8 and min(operations) > 100
    assert "method" in sections or len(stages) > 2
    assert bool(looks) == masked
