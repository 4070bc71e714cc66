"""ICoT-KD's token rates against ICoT-SI's, and the pair's speed against No CoT; all alternate.

    python benchmarks/distillation.py [--digits 2x2] [--layers 4 --width 128] [--steps 30]
        [--tokenizer character] [--precision float32] [--device cpu] [--threads 1] [--cpu-time]

A rate is tokens that run through a model's blocks, padding not counted, a second: in the coupled
training the question runs through the emulator and again through the student. The teacher's states
are read from the disk, where they were stored before the clock started.
"""

import argparse
import statistics
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from icot_tui.config import Phase, check_run
from icot_tui.data.load import load_data
from icot_tui.engine.checkpoints.checkpoint import list_checkpoints
from icot_tui.engine.evaluation.decoding import decode
from icot_tui.engine.evaluation.staged_examples import PositionShift, Prefixes
from icot_tui.engine.loop.build import build_trainer
from icot_tui.engine.loop.commands import CommandQueue
from icot_tui.engine.loop.control import Control
from icot_tui.engine.loop.run_state import RunState
from icot_tui.engine.loop.trainer import Trainer
from icot_tui.engine.loop.training import RunContext
from icot_tui.engine.processes import Processes
from icot_tui.methods import METHODS
from icot_tui.runs.new_run import create_run
from icot_tui.runs.session import build_accelerator, run_training

if TYPE_CHECKING:
    from transformers import PreTrainedModel

WARMUP = 3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--digits", default="2x2")
    parser.add_argument("--examples", type=int, default=2000)
    parser.add_argument("--layers", type=int, default=4)
    parser.add_argument("--heads", type=int, default=4)
    parser.add_argument("--width", type=int, default=128)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--tokenizer", default="character")
    parser.add_argument("--precision", default="float32")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--cpu-time", action="store_true", help="for busy machines; one thread")
    arguments = parser.parse_args()
    clock = time.process_time if arguments.cpu_time else time.perf_counter
    with tempfile.TemporaryDirectory(prefix="icot-tui-bench-") as runs:
        trainers = made(arguments, Path(runs))
        seconds: dict[str, list[float]] = {name: [] for name in trainers}
        for step in range(WARMUP + arguments.steps):
            for name, trainer in trainers.items():
                wait(trainer)
                began = clock()
                trainer._train_step()
                wait(trainer)
                if step >= WARMUP:
                    seconds[name].append(clock() - began)
    rates = {
        name: tokens(name, trainer) / statistics.median(seconds[name])
        for name, trainer in trainers.items()
    }
    for name, rate in rates.items():
        step_ms = statistics.median(seconds[name]) * 1e3
        ratios = " | ".join(f"{rate / rates[other]:.2f}" for other in ("stage 0", "all removed"))
        per_step = tokens(name, trainers[name])
        print(f"| {name} | {per_step:.0f} | {step_ms:.1f} ms | {rate:,.0f} | {ratios} |")
    pair = trainers["coupled"].validation.model.lm
    answering(pair, trainers["all removed"].validation.model.lm, trainers["coupled"])


def answering(pair: "PreTrainedModel", plain: "PreTrainedModel", trainer: Trainer) -> None:
    """One question at a time; untrained models, made to write as many tokens as an answer has."""
    split = trainer.validation.split
    taken: dict[str, list[float]] = {"pair": [], "no CoT": []}
    for place in range(2 * len(split)):
        row = split.example(place % len(split)).tolist()
        prompt, cot = int(split.prompt_lengths[0]), int(split.cot_lengths[0])
        nowhere = np.zeros(1, dtype=np.int64)
        for name, lm, length in (
            ("pair", pair, len(row) - prompt - cot - 1),
            ("no CoT", plain, len(row) - prompt - cot),  # it writes the second separator, too
        ):
            never, budget = np.full(1, -1000), np.full(1, length)
            shift = PositionShift(nowhere, nowhere)
            question = Prefixes.from_rows([row[:prompt]], shift, never, budget)
            began = time.perf_counter()
            decode(lm.eval(), question, trainer.token_format.separators)
            taken[name].append(time.perf_counter() - began)
    pair_s, plain_s = (statistics.median(taken[name][WARMUP:]) for name in ("pair", "no CoT"))
    print(
        f"answers a second, one by one: pair {1 / pair_s:.1f}, no CoT {1 / plain_s:.1f}, "
        f"ratio {plain_s / pair_s:.2f}"
    )


def made(arguments: argparse.Namespace, runs: Path) -> dict[str, Trainer]:
    """A trainer for each training, after a run of one step each to have the models."""
    raw = {
        "data": {
            "task": "multiplication",
            "options": {"digits": arguments.digits},
            "train_examples": arguments.examples,
            "validation_examples": 20,
            "tokenizer": arguments.tokenizer,
        },
        "model": {
            "layers": arguments.layers,
            "heads": arguments.heads,
            "width": arguments.width,
            "precision": arguments.precision,
        },
        "method": {"name": "distillation"},
        "train": {
            "max_steps": 1,
            "batch_size": arguments.batch,
            "device": arguments.device,
            "threads": arguments.threads,
        },
    }
    config = check_run(raw)
    folder = create_run(config, runs)
    run_training(folder, CommandQueue())
    last = list_checkpoints(folder.checkpoints)[-1].state()
    accelerator, data = build_accelerator(config), load_data(config.data)
    control = Control(CommandQueue(), None, Processes(accelerator), config.spikes, 10)
    context = RunContext(config, data, folder, accelerator, control, print)
    state = RunState(outcomes=last["run"]["outcomes"])
    distilling = METHODS["distillation"]
    trainings = {
        phase.name: distilling.training(context, phase, state)
        for phase in distilling.phases(config)[1:]
    }
    for name, method in (("stage 0", "explicit_cot"), ("all removed", "no_cot")):
        plain = check_run(raw | {"method": {"name": method}})
        trainings[name] = METHODS[method].training(context, Phase(config=plain), RunState())
    trainers = {}
    for name, training in trainings.items():
        trainers[name] = build_trainer(training, context)
        trainers[name].update.objective.train()
    return trainers


def tokens(name: str, trainer: Trainer) -> float:
    """Tokens of a mean batch that run through blocks."""
    split = trainer.split
    questions, whole = split.prompt_lengths.mean(), split.lengths.mean()
    answered = whole - split.cot_lengths.mean()
    each = {
        "student": answered - 1,
        "emulator": questions,
        "coupled": answered - 1 + questions,
        "stage 0": whole,
        "all removed": answered,
    }
    return float(each[name]) * trainer.config.train.batch_size


def wait(trainer: Trainer) -> None:
    if trainer.update.device.type == "cuda":
        torch.cuda.synchronize()


if __name__ == "__main__":
    main()
