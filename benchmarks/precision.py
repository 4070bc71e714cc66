"""Steps in float32 and in mixed bfloat16, with PyTorch's fused attention and with plain products.

    python benchmarks/precision.py [--threads 1] [--rounds 10] [--columns 41 25 16]
    python benchmarks/precision.py --rows 32 --columns 66 --words 50257  # a pretrained tokenizer's

The demo's model (3 x 128, 4 heads) and batch (64 rows of so many columns, eight of them a prompt).
All four alternate in one process; medians of the processor time of a step, and ratios of rounds.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from contextlib import nullcontext

import torch
from torch import nn

from icot_tui.config import ModelConfig
from icot_tui.models.build import build_model
from icot_tui.models.supervised import SupervisedLM

PROMPT = 8
WAYS = [(mixed, attention) for mixed in (False, True) for attention in ("sdpa", "eager")]


def stepper(mixed: bool, attention: str, rows: int, columns: int, words: int) -> Callable[[], None]:
    """A whole step: forward, backward, clipping, update."""
    config = ModelConfig(layers=3, heads=4, width=128, initializer_range=0.03)
    lm = build_model(config, words, 0, columns, seed=0)
    lm.set_attn_implementation(attention)
    objective = SupervisedLM(lm)
    optimizer = torch.optim.AdamW(objective.parameters(), lr=1e-3, fused=True)
    ids = torch.randint(words, (rows, columns), generator=torch.Generator().manual_seed(0))
    states = torch.arange(ids.numel()).view(ids.shape)[:, PROMPT - 1 : -1].flatten()
    targets = ids.flatten()[states + 1]

    def step() -> None:
        with torch.autocast("cpu", torch.bfloat16) if mixed else nullcontext():
            loss = objective(ids, None, states, targets)
        (loss / len(states)).backward()
        nn.utils.clip_grad_norm_(objective.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    return step


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--columns", type=int, nargs="+", default=[41, 25, 16])
    parser.add_argument("--rows", type=int, default=64)
    parser.add_argument("--words", type=int, default=20)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    print("| columns | way | ms a step | of the first (range) |")
    print("|---|---|---|---|")
    for columns in given.columns:
        steps = {way: stepper(*way, given.rows, columns, given.words) for way in WAYS}
        taken: dict[tuple[bool, str], list[float]] = {way: [] for way in WAYS}
        for number in range(given.rounds + 1):  # the first warms up
            for way, step in steps.items():
                began = time.process_time()
                for _ in range(3):
                    step()
                if number:
                    taken[way].append((time.process_time() - began) / 3 * 1e3)
        first = taken[WAYS[0]]
        for (mixed, attention), found in taken.items():
            ratios = [one / of for one, of in zip(found, first, strict=True)]
            print(
                f"| {columns} | {'bfloat16-mixed' if mixed else 'float32'}, {attention} "
                f"| {statistics.median(found):.1f} | {statistics.median(ratios):.2f} "
                f"({min(ratios):.2f} to {max(ratios):.2f}) |",
                flush=True,
            )


if __name__ == "__main__":
    main()
