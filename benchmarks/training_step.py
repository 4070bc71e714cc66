"""Training step against the obvious loop: same model, data, losses; steps alternate in one run.

    python benchmarks/training_step.py --tokenizer FOLDER-OR-NAME [--layers 3 --width 128]
        [--precision bfloat16-mixed] [--steps 10] [--device cpu]

Batch 32, 4x4 digits with the whole chain of thought (stage 0): the obvious loop and ours with the
tokenizer's whole vocabulary (GPT-2's 50,257 words), and ours with the vocabulary of the data.
"""

import argparse
import copy
import statistics
import time
from collections.abc import Callable
from typing import Any

import torch
from accelerate import Accelerator
from plain_loop import PlainLoop

from icot_tui.config import RunConfig, check_run
from icot_tui.config.sections import Vocabulary
from icot_tui.curriculum.removal import Batch, RemovalPlan, remove
from icot_tui.curriculum.smoothing import Smoothing
from icot_tui.data.encoded import DataOrder
from icot_tui.data.load import Data, load_data
from icot_tui.data.vocabulary import kept_tokens
from icot_tui.engine.loop.optimizers import SkippingAdamW
from icot_tui.engine.loop.update import Padding, Update
from icot_tui.models.attention import choose_attention
from icot_tui.models.build import build_model
from icot_tui.models.supervised import SupervisedLM

RATE = 5e-5
WARM_UP = 2
"""Steps before the clock starts."""


class Ours:
    """The engine's step, on a model of its own: of the tokenizer's words, or of so many."""

    def __init__(
        self,
        config: RunConfig,
        accelerator: Accelerator,
        vocabulary: Vocabulary = "all",
        words: int | None = None,
    ) -> None:
        self.data: Data = load_data(config.data, vocabulary=vocabulary)
        data, self.words = self.data, words or kept_tokens(self.data.tokenizer)
        longest = data.train.max_length
        self.lm = build_model(config.model, self.words, data.separator_id, longest, seed=0)
        self.initial = copy.deepcopy(self.lm)  # with the fused attention, for the obvious loop
        choose_attention(self.lm, config.model.precision, accelerator.device.type, longest)
        objective = SupervisedLM(self.lm)
        optimizer = SkippingAdamW(list(objective.parameters()), config.train)
        if config.train.compile:
            objective.compile()
        objective, _ = accelerator.prepare(objective, optimizer)
        default = 1 if accelerator.device.type == "cpu" else 16
        multiple = config.train.pad_to_multiple or default
        self.update = Update(
            objective=objective,
            optimizer=optimizer,
            accelerator=accelerator,
            config=config.train,
            padding=Padding(multiple, longest, data.separator_id),
        )

    def step(self, rows: Any, scheduled: Any) -> torch.Tensor:
        """One step on these rows of the training split; its loss."""
        loss = self.update(self.batch(rows, scheduled), RATE).loss
        return loss

    def batch(self, rows: Any, scheduled: Any) -> Batch:
        """These rows of the training split after removal."""
        data = self.data
        return remove(data.train, rows, scheduled, RemovalPlan(), data.separator_id)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tokenizer", required=True)
    parser.add_argument("--layers", type=int, default=3)
    parser.add_argument("--heads", type=int, default=4)
    parser.add_argument("--width", type=int, default=128)
    parser.add_argument("--precision", default="float32")
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--stage", type=int, default=0)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=0)
    arguments = parser.parse_args()
    if arguments.threads:
        torch.set_num_threads(arguments.threads)

    data = {
        "task": "multiplication",
        "options": {"digits": "4x4"},
        "train_examples": 4000,
        "validation_examples": 10,
        "tokenizer": arguments.tokenizer,
    }
    names = ("layers", "heads", "width", "precision")
    model = {name: getattr(arguments, name) for name in names}
    train = {"max_steps": 1, "learning_rate": RATE, "weight_decay": 0.01}
    config = check_run({"data": data, "model": model, "train": train})
    accelerator = Accelerator(
        cpu=arguments.device == "cpu",
        mixed_precision="bf16" if arguments.precision == "bfloat16-mixed" else "no",
    )
    whole, small = (Ours(config, accelerator, vocabulary) for vocabulary in ("all", "data"))
    separator = whole.data.separator_id
    plain = PlainLoop(whole.initial.to(accelerator.device), RATE, separator)
    order, smoothing = DataOrder(len(whole.data.train), 32, 0), Smoothing(4.0, 0)

    def timed(step: Callable[..., Any], rows: Any, scheduled: Any) -> tuple[float, float]:
        """(seconds, loss)"""
        wait(accelerator.device)
        began = time.perf_counter()
        loss = step(rows, scheduled)
        wait(accelerator.device)
        return time.perf_counter() - began, float(loss)

    seconds: list[list[float]] = []
    differences = []
    for number in range(arguments.steps + WARM_UP):
        rows = order.rows(number)
        scheduled = arguments.stage + smoothing.offsets(number, len(rows))
        tokens = [torch.from_numpy(whole.data.train.example(row)) for row in rows]
        examples = [one.to(accelerator.device) for one in tokens]
        theirs, expected = timed(plain.step, examples, scheduled.tolist())
        ours, loss = timed(whole.step, rows, scheduled)
        fewer, _ = timed(small.step, rows, scheduled)
        if number >= WARM_UP:
            seconds.append([theirs, ours, fewer])
            differences.append(abs(loss - expected) / expected)
    theirs, ours, fewer = (statistics.median(column) * 1e3 for column in zip(*seconds, strict=True))
    what = f"{arguments.layers} x {arguments.width} | {arguments.precision}"
    print(
        f"| {what} | stage {arguments.stage} | {theirs:.0f} ms | {ours:.0f} ms | {fewer:.1f} ms, "
        f"{small.words} words | {ratio(seconds, 0, 1)} | {ratio(seconds, 0, 2)} | "
        f"{ratio(seconds, 1, 2)} | {max(differences):.1e} |"
    )


def ratio(seconds: list[list[float]], slower: int, faster: int) -> str:
    """Median and range of the ratios of two columns."""
    ratios = [row[slower] / row[faster] for row in seconds]
    return f"{statistics.median(ratios):.2f}x ({min(ratios):.2f} to {max(ratios):.2f})"


def wait(device: torch.device) -> None:
    """Until a GPU has done all."""
    if device.type == "cuda":
        torch.cuda.synchronize()


if __name__ == "__main__":
    main()
