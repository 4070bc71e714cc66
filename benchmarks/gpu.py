"""One CUDA GPU, one table, about ten minutes: training step, evaluation, idle share, memory.

    python benchmarks/gpu.py [--output gpu.md]
    python benchmarks/gpu.py --device cpu --tiny        the same code in seconds, to try it

GPT-2 Small's sizes and 50,257 words with random weights, products of 4x4 and 9x9 digits with a
character a token, batch 32; nothing is downloaded.

Training: each way takes the same steps from the same weights, a sweep of stages from the whole
chain of thought to none of it: once to warm up, whose losses are compared with the plain loop's in
the same precision, then timed as a whole, so that nothing waits but what a way waits for itself.
The plain loop comes last again, to show the device's drift. MFU counts what is useful (forward and
backward: 6 operations a weight of the blocks and token, 12 layers x width x L^2 a row of L tokens,
the head for supervised tokens alone) over the rate of a large matrix product, measured in the same
precision. Idle is the share of the time in which no kernel runs, memory the peak of a sweep (of
the process on a CPU).

Evaluation: a model that has learnt the held-out products by heart, nothing written, answers them
with `evaluate` and with `generate`, 32 at a time, in turn.
"""

import argparse
import gc
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from cuda_graphs import Graphs
from device_time import Measured, measure, product_rate
from evaluation import times
from plain_loop import PlainLoop
from training_step import RATE, Ours

from icot_tui.config import RunConfig, check_run
from icot_tui.curriculum.removal import Batch, RemovalPlan, TokenFormat, remove
from icot_tui.curriculum.smoothing import Smoothing
from icot_tui.data.encoded import DataOrder
from icot_tui.engine.evaluation.held_out import PreparedModel
from icot_tui.models.device import silence_transformers
from icot_tui.runs.session import build_accelerator

BATCH = 32
ROUNDS = 5  # of evaluations
PLAIN, AGAIN, GRAPHS, COMPILED = "plain loop", "plain loop, again", "CUDA graphs", "torch.compile"
WAYS = {"float32": (PLAIN, "eager"), "bfloat16-mixed": (PLAIN, "eager", COMPILED, GRAPHS, AGAIN)}
COLUMNS = ("digits", "what", "precision", "time", "ratio", "MFU", "idle", "memory", "agreement")
NO_GPU = (
    "There is no CUDA GPU here, so nothing is measured: run this on a machine that has one, or try "
    "its code with --device cpu --tiny."
)

Show = Callable[..., None]
"""Prints a row of the table."""


@dataclass(frozen=True)
class Sizes:
    """What is measured."""

    layers: int
    heads: int
    width: int
    words: int
    digits: tuple[str, ...]
    train_examples: int
    steps: int  # of a sweep
    sweeps: int  # that are timed
    held_out: int  # examples to be evaluated
    lessons: int  # steps to learn them by heart
    lesson_rate: float
    product: int  # rows of the matrices whose product gives the device's rate
    left_out: tuple[str, ...] = ()  # ways of training


FULL = Sizes(12, 12, 768, 50_257, ("4x4", "9x9"), 4000, 30, 3, 512, 600, 3e-4, 8192)
TINY = Sizes(1, 2, 32, 9_000, ("2x2",), 200, 4, 1, 32, 60, 1e-2, 128, (COMPILED,))


class Training:
    """All ways to take the steps of one size and precision."""

    def __init__(self, sizes: Sizes, digits: str, precision: str, device: str) -> None:
        self.sizes, self.digits, self.precision, self.wanted = sizes, digits, precision, device

    def ours(self, compiled: bool = False) -> Ours:
        """A model with its first weights, and our step for it."""
        config = self._config(compiled)
        return Ours(config, build_accelerator(config), words=self.sizes.words)

    def measure(self, way: str) -> tuple[Measured, float]:
        """One way, and the useful operations of a sweep."""
        ours, sizes = self.ours(way == COMPILED), self.sizes
        train = ours.data.train
        order, smoothing = DataOrder(len(train), BATCH, 0), Smoothing(4.0, 0)
        numbers = range(sizes.steps)
        stages = [number * train.max_cot_tokens // (sizes.steps - 1) for number in numbers]
        rows = [order.rows(number) for number in numbers]
        scheduled = [stages[number] + smoothing.offsets(number, BATCH) for number in numbers]
        batches = map(ours.batch, rows, scheduled)
        operations = sum(useful(batch, sizes) for batch in batches)
        if way in (PLAIN, AGAIN):
            step = self._plain(ours, rows, scheduled)
        else:
            taken = Graphs(ours).step if way == GRAPHS else ours.step
            step = lambda number: taken(rows[number], scheduled[number])  # noqa: E731
        return measure(step, sizes.steps, sizes.sweeps, ours.update.device), operations

    def _plain(self, ours: Ours, rows: list[Any], scheduled: list[Any]) -> Callable[[int], float]:
        train, device = ours.data.train, ours.update.device
        ours.lm.to("cpu")  # whose memory is not the loop's
        loop = PlainLoop(ours.initial.to(device), RATE, ours.data.separator_id)
        whole = [[torch.from_numpy(train.example(row)).to(device) for row in one] for one in rows]

        def step(number: int) -> float:
            with torch.autocast(device.type, torch.bfloat16, self.precision != "float32"):
                return loop.step(whole[number], scheduled[number].tolist())

        return step

    def _config(self, compiled: bool) -> RunConfig:
        sizes = self.sizes
        data = {
            "task": "multiplication",
            "options": {"digits": self.digits},
            "separator": "eos",
            "train_examples": sizes.train_examples,
            "validation_examples": sizes.held_out,
        }
        model = {name: getattr(sizes, name) for name in ("layers", "heads", "width")}
        train = {
            **{"max_steps": 1, "batch_size": BATCH, "learning_rate": RATE, "weight_decay": 0.01},
            **{"device": self.wanted, "compile": compiled, "pad_to_multiple": 16},
        }
        sections = {"data": data, "model": model | {"precision": self.precision}, "train": train}
        return check_run(sections)


def useful(batch: Batch, sizes: Sizes) -> float:
    """Operations that forward and backward of a batch need, without padding."""
    inputs, depth, width = batch.lengths - 1, sizes.layers, sizes.width
    blocks = 6 * 12 * depth * width**2 * inputs + 12 * depth * width * inputs**2
    return float(blocks.sum()) + 6.0 * sizes.words * width * batch.supervised_tokens


def training_rows(training: Training, rate: float, show: Show) -> str:
    """A row for each way; returns which of ours is the fastest."""
    found: dict[str, Measured] = {}
    for way in WAYS[training.precision]:
        if way in training.sizes.left_out:
            continue
        begin = (training.digits, way, training.precision)
        try:
            one, operations = training.measure(way)
        except RuntimeError as error:  # what a device refuses must not cost the other rows
            show(*begin, f"refused: {str(error).splitlines()[0]}", *5 * ["–"])
            continue
        finally:
            gc.collect()
            torch.cuda.empty_cache()
        found[way] = one
        ratio = agreement = "unknown"
        if plain := found.get(PLAIN):
            ratio = f"{plain.seconds / one.seconds:.2f}x"
            pairs = zip(one.losses, plain.losses, strict=True)
            agreement = f"losses within {max(abs(a - b) / b for a, b in pairs):.1e}"
        show(
            *begin,
            f"{one.seconds / training.sizes.steps * 1e3:.1f} ms a step",
            ratio,
            f"{operations / one.seconds / rate:.1%}",
            "unknown" if one.idle is None else f"{one.idle:.0%}",
            f"{one.memory / 1e9:.2f} GB",
            agreement,
        )
    ours = {way: one for way, one in found.items() if way not in (PLAIN, AGAIN)}
    if not ours:
        return f"{training.digits}, {training.precision}: the device refuses all of ours."
    fastest = min(ours, key=lambda way: ours[way].seconds)
    return f"{training.digits}, {training.precision}: {fastest} is the fastest of ours."


def evaluation_rows(training: Training, device: str, show: Show) -> None:
    """Of a model that writes no thought and knows the answers."""
    ours, sizes = training.ours(), training.sizes
    data, split = ours.data, ours.data.validation
    plan, stage = RemovalPlan(), split.max_cot_tokens
    order = DataOrder(len(split), BATCH, 0)
    for lesson in range(sizes.lessons):
        ours.update(
            remove(split, order.rows(lesson), stage, plan, data.separator_id), sizes.lesson_rate
        )
    token_format = TokenFormat(data.tokenizer, data.separator_id, plan)
    prepared = PreparedModel(ours.lm.eval(), split, stage, token_format)
    result, seconds, same = times(prepared, device, ROUNDS, time.perf_counter)
    agreement = f"{result.exact_match:.1%} right, {'the same' if same else 'NOT THE SAME'} by all"
    for name, taken in zip(("evaluate", "generate", "own decoding"), seconds, strict=True):
        ratio = f"{seconds[1] / taken:.2f}x"
        show(training.digits, name, "float32", f"{taken:.3f} s", ratio, *3 * ["–"], agreement)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--tiny", action="store_true", help="a model and data for trying the code")
    parser.add_argument("--output", type=Path, help="file for the table, besides the screen")
    options = parser.parse_args()
    if options.device == "cuda" and not torch.cuda.is_available():
        print(NO_GPU, file=sys.stderr)
        return 2
    silence_transformers()
    sizes, lines, fastest = TINY if options.tiny else FULL, [], []

    def say(line: str) -> None:
        lines.append(line + "\n")
        print(line, flush=True)

    def show(*cells: str) -> None:
        say(f"| {' | '.join(cells)} |")

    began = time.monotonic()
    cuda = options.device == "cuda"
    say(f"{torch.cuda.get_device_name() if cuda else 'CPU'}, PyTorch {torch.__version__}")
    rates = {one: product_rate(sizes.product, one, options.device) for one in WAYS}
    say("matrix products: " + ", ".join(f"{one} {rates[one] / 1e12:.3g} TFLOPS" for one in WAYS))
    say("")
    show(*COLUMNS)
    say("|---" * len(COLUMNS) + "|")
    for digits in sizes.digits:
        for precision in WAYS:
            training = Training(sizes, digits, precision, options.device)
            fastest.append(training_rows(training, rates[precision], show))
        evaluation_rows(training, options.device, show)
    say("\n" + "\n".join(fastest))
    say(
        f"Ratios are to the plain loop in the same precision, or to generate. "
        f"{time.monotonic() - began:.0f} s in all."
    )
    if options.output:
        options.output.write_text("".join(lines))
    return 0


if __name__ == "__main__":
    sys.exit(main())
