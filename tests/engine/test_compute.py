"""How much a step computes: as counted by hand, at every stage, and the training is left alone."""

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import GPT2Config, GPT2LMHeadModel
from transformers.integrations import moe

from icot_tui.engine.journal.events import (
    ComputeCounted,
    Event,
    PhaseBegan,
    RolledBack,
    StepsTrained,
)
from icot_tui.engine.journal.summary import RunSummary
from icot_tui.engine.loop.commands import CommandQueue, Rollback, Stop
from icot_tui.engine.loop.compute import flops_of
from icot_tui.engine.loop.trainer import Trainer
from icot_tui.models.supervised import SupervisedLM
from icot_tui.runs.new_run import create_run
from tests.events import STARTED, trained
from tests.families.configs import tiny_model
from tests.tiny import assert_same, final_tensors, news, tiny, train, train_new

WORDS, WIDTH, LAYERS, HEADS, ROWS, COLUMNS = 12, 32, 3, 2, 4, 10


@pytest.mark.parametrize(("attention", "products"), [("sdpa", 2 + 5), ("eager", 2 + 4)])
def test_the_products_are_counted_as_by_hand(attention: str, products: int) -> None:
    """Backward takes twice the forward pass; a fused attention works its scores out again."""
    config = GPT2Config(
        vocab_size=WORDS, n_positions=16, n_embd=WIDTH, n_layer=LAYERS, n_head=HEADS,
        attn_pdrop=0.0, attn_implementation=attention,
    )  # fmt: skip
    model = SupervisedLM(GPT2LMHeadModel(config))
    ids = torch.arange(ROWS * COLUMNS).remainder(WORDS).reshape(ROWS, COLUMNS)
    states, targets = torch.tensor([3, 7, 12]), torch.tensor([1, 2, 3])
    found = flops_of(lambda: model(ids, None, states, targets).backward())
    blocks = LAYERS * 12 * WIDTH**2 * ROWS * COLUMNS
    head = WORDS * WIDTH * len(states)
    pairs = LAYERS * ROWS * COLUMNS**2 * WIDTH
    assert found == 2 * (3 * (blocks + head) + products * pairs)


@pytest.mark.parametrize("family", ["mixtral", "gpt_oss"])
@pytest.mark.parametrize("kind", ["grouped_mm", "batched_mm", "grouped_mm without a kernel"])
def test_experts_are_counted_however_they_are_computed(
    family: str, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One expert after another, in plain products, is what PyTorch's counter knows."""
    kind, _, without = kind.partition(" ")
    if without:
        monkeypatch.setattr(moe, "_can_use_grouped_mm", lambda *_, **__: False)

    def counted(experts: str) -> int:
        model = tiny_model(family)
        model.set_experts_implementation(experts)
        ids = torch.arange(ROWS * COLUMNS).remainder(WORDS).reshape(ROWS, COLUMNS)
        return flops_of(lambda: model(ids).logits.sum().backward())

    assert counted(kind) == counted("eager")


@pytest.mark.slow
def test_every_stage_is_counted_once_and_nothing_is_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tiny(model={"dropout": 0.1})
    counted = train_new(tmp_path / "counted", config)
    lines = [line for line in news(counted) if line["event"] in ("ComputeCounted", "TokenRemoved")]
    kinds = [line["event"] for line in lines]
    assert kinds == ["ComputeCounted"] + 8 * ["TokenRemoved", "ComputeCounted"]
    flops = [line["flops"] for line in lines if line["event"] == "ComputeCounted"]
    assert flops[0] > flops[-1] > 0  # shorter rows
    monkeypatch.setattr(Trainer, "_counts", False)
    uncounted = train_new(tmp_path / "uncounted", config)
    assert_same(final_tensors(counted), final_tensors(uncounted))
    assert not any(line["event"] == "ComputeCounted" for line in news(uncounted))


@pytest.mark.slow
def test_a_stage_to_which_a_run_goes_back_is_counted_again(tmp_path: Path) -> None:
    """Also where it is stopped before the first step there."""
    queue: CommandQueue | None = None

    def go_back_and_stop(event: Event) -> None:
        assert queue is not None
        if isinstance(event, StepsTrained) and event.step == 12:
            queue.put(Rollback(step=0))
        if isinstance(event, RolledBack):
            queue.put(Stop(save=False))

    folder = create_run(tiny(checkpoints={"keep": 1000}), tmp_path)
    queue = CommandQueue(folder.control)
    train(folder, queue, go_back_and_stop)
    went_back = [line for line in news(folder) if line["event"] == "RolledBack"]
    assert len(went_back) == 1
    train(folder)
    lines = news(folder)
    back = next(at for at, line in enumerate(lines) if line["event"] == "RolledBack")
    after = next(
        line for line in lines[back:] if line["event"] in ("ComputeCounted", "TokenRemoved")
    )
    assert after["event"] == "ComputeCounted" and after["flops"] == _first_count(lines)


def _first_count(lines: list[dict[str, Any]]) -> int:
    return next(line["flops"] for line in lines if line["event"] == "ComputeCounted")


def test_a_run_adds_up_its_steps() -> None:
    began = PhaseBegan(
        step=10, phase="student", number=2, phases=2, title="t", unit="u", parameters=1,
        steps_per_epoch=1,
    )  # fmt: skip
    counted = [
        ComputeCounted(step=0, flops=100),
        trained(2, losses=[1.0, 1.0]),
        trained(4, losses=[1.0, None]),
        ComputeCounted(step=4, flops=10),
        trained(10, stage=1, losses=[1.0] * 6),
    ]
    known = RunSummary.of((0.0, event) for event in (STARTED, *counted))
    assert known.metrics.flops == 4 * 100 + 6 * 10
    assert RunSummary.of([(0.0, STARTED)]).metrics.flops == 0
    unknown = RunSummary.of((0.0, event) for event in (STARTED, *counted, began, trained(11)))
    assert unknown.metrics.flops is None  # the second training's steps were not counted
