"""An auxiliary loss on running sums (arXiv 2510.00184, section 6), alone or with ICoT-SI.

A product's digit c_k is ĉ_k mod 10, with ĉ_k = sum over i + j = k of a_i b_j, plus
floor(ĉ_(k-1) / 10). Where c_k is predicted, linear heads on some attention heads of one block
regress ĉ_k, and lead the model to what it would not find by itself. They are for the training
alone: what answers is an ordinary language model.
"""

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from icot_tui.config import Phase, RunConfig
from icot_tui.methods.base import Method
from icot_tui.methods.running_sums.config import RunningSumsConfig
from icot_tui.methods.stepwise import removal_of

if TYPE_CHECKING:
    from icot_tui.curriculum.removal import Batch
    from icot_tui.engine.loop.run_state import RunState
    from icot_tui.engine.loop.training import RunContext, Training
    from icot_tui.engine.loop.update import Update
    from icot_tui.methods.running_sums.targets import Products

HEADS = "running_sums/heads.safetensors"


def _training(context: "RunContext", phase: Phase, state: "RunState") -> "Training":
    from icot_tui.curriculum.removal import TokenFormat
    from icot_tui.engine.checkpoints.weights import ExtendedWeights
    from icot_tui.engine.loop.training import language_model_training, new_model
    from icot_tui.methods.running_sums.objective import RunningSumsLM
    from icot_tui.methods.running_sums.targets import Products

    data, lm = context.data, new_model(context, phase)
    training = language_model_training(context, phase, *removal_of(context, phase.config), lm)
    products = Products(TokenFormat(data.tokenizer, data.separator_id, training.plan), data.train)
    config = phase.config.section(RunningSumsConfig)
    objective = RunningSumsLM(lm, config, products.mean, products.spread, training.reads_rows)
    return replace(
        training,
        objective=objective,
        saved=lambda bare: ExtendedWeights(bare, HEADS),
        feed=lambda update, batch: arguments(products, update, batch),
        unit="nats a token and squared error",
    )


def arguments(products: "Products", update: "Update", batch: "Batch") -> tuple[Any, ...]:
    """The language model's arguments, and the running sums of its answers' digits."""
    from icot_tui.methods.running_sums.objective import Sums

    digits = products.read(batch)
    states = digits.row * update.padding.columns(batch) + digits.column - 1
    share = (batch.lengths - batch.prompt_lengths) / digits.counts.clip(min=1)
    sums = Sums(
        states=update.send(states),
        values=update.send(digits.sums),
        weights=update.send(share.astype("float32")[digits.row]),
    )
    return *update.tensors(batch), None, sums


def _check(config: RunConfig) -> None:
    if config.data.task not in (None, "multiplication"):
        raise ValueError(
            f"{config.method.name} knows the running sums of products only, "
            f'not of {config.data.task}: set data.task = "multiplication"'
        )


_HEADS = "Heads beside the model learn each digit's running sum"
_TEXT = f"{_HEADS}; the model writes the answer alone."
METHOD = Method(
    name="running_sums",
    title="running sums",
    description="no chain of thought, but heads that regress running sums (arXiv 2510.00184)",
    section=RunningSumsConfig,
    excludes=("train.compile", "model.gradient_checkpointing", "model.lora.rank"),
    check=_check,
    promise="you will read what running sums are",
    texts=(f"{_TEXT} The chain of thought is not used.", _TEXT, "running sums, no steps"),
    shardable=False,
    training=_training,
)
STEPWISE = replace(
    METHOD,
    name="running_sums_stepwise",
    title="running sums, ICoT-SI",
    description="heads that regress running sums, while the chain is removed step by step",
    removes_tokens=True,
    promise="you will see the chain of thought shrink while heads learn running sums",
    texts=(f"{_HEADS}, while its chain of thought is removed.", "running sums beside the chain"),
)
