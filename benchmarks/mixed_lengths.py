"""Steps on data of mixed lengths, batches whole and in parts of alike lengths, in turn in one run.

    python benchmarks/mixed_lengths.py [--layers 3 --width 128] [--digits 1-8x1-8] [--steps 30]
        [--saved 256] [--threads 1]

Products of 1 to 8 digits, equally many of each size, the whole chain of thought (stage 0).
"""

import argparse
import copy
import statistics
import time

import torch
from accelerate import Accelerator

from icot_tui.config import check_run
from icot_tui.curriculum.removal import RemovalPlan, remove
from icot_tui.data.encoded import DataOrder
from icot_tui.data.load import load_data
from icot_tui.engine.loop.optimizers import SkippingAdamW
from icot_tui.engine.loop.update import Padding, Update
from icot_tui.models.build import build_model
from icot_tui.models.supervised import SupervisedLM

BATCH = 32
WARM_UP = 3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--layers", type=int, default=3)
    parser.add_argument("--width", type=int, default=128)
    parser.add_argument("--digits", default="1-8x1-8")
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--saved", type=int, default=256)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    data_section = {
        "task": "multiplication",
        "options": {"digits": arguments.digits},
        "train_examples": 20_000,
        "validation_examples": 100,
    }
    model = {"layers": arguments.layers, "width": arguments.width}
    config = check_run({"data": data_section, "model": model, "train": {"max_steps": 1}})
    data = load_data(config.data)
    longest, separator = data.train.max_length, data.separator_id
    lm = build_model(config.model, len(data.tokenizer), separator, longest, seed=0)
    updates = []
    for saved in (None, arguments.saved):
        objective = SupervisedLM(copy.deepcopy(lm))
        updates.append(
            Update(
                objective=objective,
                optimizer=SkippingAdamW(list(objective.parameters()), config.train),
                accelerator=Accelerator(cpu=True),
                config=config.train,
                padding=Padding(1, longest, separator, saved),
            )
        )
    order, plan = DataOrder(len(data.train), BATCH, 0), RemovalPlan()
    seconds: list[list[float]] = []
    losses, parts = [], []
    for step in range(arguments.steps + WARM_UP):
        row: list[float] = []
        pair: list[float] = []
        for update in updates:
            began = time.perf_counter()
            batch = remove(data.train, order.rows(step), 0, plan, separator)
            loss = update(batch, 5e-5).loss
            pair.append(loss.item())
            row.append(time.perf_counter() - began)
        parts.append(len(updates[1].padding.parts(batch)))
        losses.append(abs(pair[0] - pair[1]) / pair[0])
        if step >= WARM_UP:
            seconds.append(row)
    whole, parted = (BATCH * len(seconds) / sum(column) for column in zip(*seconds, strict=True))
    ratios = [a / b for a, b in seconds]
    print(
        f"| {arguments.layers} x {arguments.width} | {whole:.0f} | {parted:.0f} | "
        f"{parted / whole:.2f}x (a step {min(ratios):.2f} to {max(ratios):.2f}, median "
        f"{statistics.median(ratios):.2f}) | {statistics.mean(parts):.1f} | {max(losses):.1e} |"
    )


if __name__ == "__main__":
    main()
