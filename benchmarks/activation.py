"""A step of a model with GPT-2's GELU written out, as transformers has it, and in one operation.

    python benchmarks/activation.py [--layers 2] [--width 768] [--threads 1] [--rounds 8]

A model of GPT-2's architecture, 32 rows of 66 tokens, 18 words. Forward and backward of both
alternate in one process, in float32 and in mixed bfloat16 with the attention that each trains with;
medians of the processor time, and ratios of rounds.
"""

import argparse
import copy
import statistics
import time
from contextlib import nullcontext

import torch
from transformers import GPT2Config, GPT2LMHeadModel

from icot_tui.models.activation import fuse_gelu
from icot_tui.models.attention import choose_attention
from icot_tui.models.supervised import SupervisedLM

ROWS, COLUMNS, WORDS = 32, 66, 18
WAYS = ("written out", "one operation")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--layers", type=int, default=2)
    parser.add_argument("--width", type=int, default=768)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=8)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    torch.manual_seed(0)
    sizes = {"n_layer": given.layers, "n_embd": given.width, "n_head": given.width // 64}
    config = GPT2Config(
        **sizes, n_positions=COLUMNS, vocab_size=WORDS, bos_token_id=0, eos_token_id=0
    )
    ids = torch.randint(WORDS, (ROWS, COLUMNS), generator=torch.Generator().manual_seed(0))
    states = torch.arange(ids.numel()).view(ids.shape)[:, :-1].flatten()
    targets = ids.flatten()[states + 1]
    print("| precision | written out | one operation | ratio (range) | difference of losses |")
    print("|---|---|---|---|---|")
    for precision in ("float32", "bfloat16-mixed"):
        plain = GPT2LMHeadModel(config)
        choose_attention(plain, precision, "cpu", COLUMNS)
        fused = copy.deepcopy(plain)
        fuse_gelu(fused)
        models = dict(zip(WAYS, map(SupervisedLM, (plain.eval(), fused.eval())), strict=True))
        taken: dict[str, list[float]] = {way: [] for way in WAYS}
        losses: dict[str, float] = {}
        for number in range(given.rounds + 1):  # the first warms up
            for way, model in models.items():
                began = time.process_time()
                mixed = precision == "bfloat16-mixed"
                with torch.autocast("cpu", torch.bfloat16) if mixed else nullcontext():
                    loss = model(ids, None, states, targets) / len(states)
                loss.backward()
                model.zero_grad(set_to_none=True)
                losses[way] = loss.item()
                if number:
                    taken[way].append((time.process_time() - began) * 1e3)
        ratios = [one / other for other, one in zip(*taken.values(), strict=True)]
        medians = " | ".join(f"{statistics.median(found):.0f} ms" for found in taken.values())
        apart = abs(losses[WAYS[0]] - losses[WAYS[1]])
        print(
            f"| {precision} | {medians} | {statistics.median(ratios):.3f} ({min(ratios):.3f} to "
            f"{max(ratios):.3f}) | {apart:.1e} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
