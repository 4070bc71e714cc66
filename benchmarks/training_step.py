"""Training step against the obvious loop: same model, data, losses; steps alternate in one run.

    python benchmarks/training_step.py --tokenizer FOLDER-OR-NAME [--layers 3 --width 128]
        [--precision bfloat16-mixed] [--steps 10] [--device cpu]

GPT-2's 50,257 words, batch 32, 4x4 digits with the whole chain of thought (stage 0).
"""

import argparse
import copy
import statistics
import time

import torch
from accelerate import Accelerator
from plain_loop import PlainLoop

from icot_tui.config import check_run
from icot_tui.curriculum.removal import RemovalPlan, remove
from icot_tui.curriculum.schedule import Smoothing
from icot_tui.data.encoded import DataOrder
from icot_tui.data.load import load_data
from icot_tui.engine.loop.update import Padding, SkippingAdamW, Update
from icot_tui.models.build import build_model
from icot_tui.models.supervised import SupervisedLM


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

    config = check_run(
        {
            "data": {
                "task": "multiplication",
                "options": {"digits": "4x4"},
                "train_examples": 4000,
                "validation_examples": 10,
                "tokenizer": arguments.tokenizer,
            },
            "model": {
                "layers": arguments.layers,
                "heads": arguments.heads,
                "width": arguments.width,
                "precision": arguments.precision,
            },
            "train": {"max_steps": 1, "learning_rate": 5e-5, "weight_decay": 0.01},
        }
    )
    data = load_data(config.data)
    accelerator = Accelerator(
        cpu=arguments.device == "cpu",
        mixed_precision="bf16" if arguments.precision == "bfloat16-mixed" else "no",
    )
    lm = build_model(
        config.model, len(data.tokenizer), data.separator_id, data.train.max_length, seed=0
    )
    plain = PlainLoop(copy.deepcopy(lm).to(accelerator.device), 5e-5, data.separator_id)
    objective = SupervisedLM(lm)
    optimizer = SkippingAdamW(list(objective.parameters()), config.train)
    objective, _ = accelerator.prepare(objective, optimizer)
    multiple = 1 if accelerator.device.type == "cpu" else 16
    update = Update(
        objective=objective,
        optimizer=optimizer,
        accelerator=accelerator,
        config=config.train,
        padding=Padding(multiple, data.train.max_length, data.separator_id),
    )
    order, smoothing = DataOrder(len(data.train), 32, 0), Smoothing(4.0, 0)
    plan = RemovalPlan()

    def wait() -> None:
        if accelerator.device.type == "cuda":
            torch.cuda.synchronize()

    ours, theirs, differences = [], [], []
    for step in range(arguments.steps + 2):
        rows = order.rows(step)
        scheduled = arguments.stage + smoothing.offsets(step, len(rows))

        wait()
        began = time.perf_counter()
        batch = remove(data.train, rows, scheduled, plan, data.separator_id)
        loss, _ = update(batch, 5e-5)
        wait()
        seconds = time.perf_counter() - began

        examples = [
            torch.from_numpy(data.train.example(row)).to(accelerator.device) for row in rows
        ]
        wait()
        began = time.perf_counter()
        plain_loss = plain.step(examples, scheduled.tolist())
        wait()
        if step >= 2:  # the first ones warm up
            ours.append(seconds)
            theirs.append(time.perf_counter() - began)
            differences.append(abs(loss.item() - plain_loss) / plain_loss)
    ratios = [b / a for a, b in zip(ours, theirs, strict=True)]
    print(
        f"| {arguments.layers} x {arguments.width} | {arguments.precision} | stage "
        f"{arguments.stage} | {statistics.median(theirs) * 1e3:.0f} ms | "
        f"{statistics.median(ours) * 1e3:.0f} ms | {statistics.median(ratios):.2f}x "
        f"({min(ratios):.2f} to {max(ratios):.2f}) | {max(differences):.1e} |"
    )


if __name__ == "__main__":
    main()
