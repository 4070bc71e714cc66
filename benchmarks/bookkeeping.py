"""What a step costs beside forward, backward and update: removal, order, commands, spikes, journal.

    python benchmarks/bookkeeping.py [--steps 2000]

The demo's loop runs twice: as it is, and with an update that does nothing.
"""

import argparse
import tempfile
import time
from pathlib import Path

import torch

from icot_tui.config.loading import load_config
from icot_tui.engine.loop.commands import CommandQueue
from icot_tui.engine.loop.update import Update, Updated
from icot_tui.runs.new_run import create_run
from icot_tui.runs.session import run_training


def seconds_a_step(steps: int) -> float:
    changes = [
        f"train.max_steps={steps}",
        "evaluation.every_steps=1000000",
        "evaluation.samples=0",
        "data.validation_examples=1",
    ]
    config = load_config("demo", changes).config
    with tempfile.TemporaryDirectory() as runs:
        folder = create_run(config, Path(runs))
        trained = []

        def listen(event) -> None:
            if type(event).__name__ == "StepsTrained":
                trained.append(event.seconds)

        run_training(folder, CommandQueue(folder.control), listen)
    return sum(trained[1:]) / (steps - 10)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=2000)
    arguments = parser.parse_args()
    whole = seconds_a_step(min(arguments.steps, 300))
    loss, norm = torch.tensor(1.0), torch.tensor(1.0)
    original = Update.__call__
    Update.__call__ = lambda *_: Updated(loss, norm, {})
    empty = seconds_a_step(arguments.steps)
    Update.__call__ = original
    removing = time_removal()
    print("| demo step | beside the update | of that, removal and order | bookkeeping |")
    print("|---|---|---|---|")
    print(
        f"| {whole * 1e3:.1f} ms | {empty * 1e6:.0f} µs | {removing * 1e6:.0f} µs | "
        f"{(empty - removing) / whole:.2%} of a step |"
    )


def time_removal(repeats: int = 2000) -> float:
    from icot_tui.curriculum.removal import RemovalPlan, remove
    from icot_tui.curriculum.smoothing import Smoothing
    from icot_tui.data.encoded import DataOrder
    from icot_tui.data.load import load_data

    data = load_data(load_config("demo").config.data)
    order, smoothing = DataOrder(len(data.train), 64, 0), Smoothing(4.0, 0)
    began = time.perf_counter()
    for step in range(repeats):
        rows = order.rows(step)
        plan = RemovalPlan(keep_positions=True)
        remove(data.train, rows, smoothing.offsets(step, 64), plan, data.separator_id)
    return (time.perf_counter() - began) / repeats


if __name__ == "__main__":
    main()
