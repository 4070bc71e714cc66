"""A step of continuous thoughts (forward and backward) against plain loops, in turn, in one run.

    python benchmarks/latents.py [--words 50257] [--thoughts 6] [--rows 32] [--rounds 7]

passes    the k + 1 passes over one cache and the loss, nothing else: the arithmetic that is needed
ours      the objective of a run, from ids to gradients
cached    a loop as Coconut's paper describes it: one cache, but the embeddings are put together
          row by row, and every pass makes the logits of all that it reads
again     the shortest loop: each thought reads all that precedes it again
"""

import argparse
import time
from statistics import median

import torch
from torch.nn.functional import cross_entropy
from transformers import DynamicCache

from icot_tui.config import ModelConfig
from icot_tui.models.build import build_model
from icot_tui.models.latent_lm import latent_lm
from icot_tui.models.latents import ThoughtCounts
from icot_tui.models.supervised import CHUNKED_VOCABULARY, ChunkedCrossEntropy, SupervisedLM

SEP = 0


class Sides:
    """One model and one batch of questions of unequal lengths, read in four ways."""

    def __init__(self, options: argparse.Namespace) -> None:
        sizes = ModelConfig(layers=options.layers, heads=4, width=options.width)
        self.k = options.thoughts
        plain = build_model(sizes, options.words, SEP, 128, 0)
        self.lm = latent_lm(plain, SEP, lambda stage: self.k, self.k)
        self.objective = SupervisedLM(self.lm)
        draw = torch.Generator().manual_seed(1)
        self.prompts = torch.randint(20, 31, (options.rows,), generator=draw)
        width = 30 + options.answer
        self.ids = torch.randint(1, options.words, (options.rows, width), generator=draw)
        self.ids.scatter_(1, self.prompts[:, None] - 1, SEP)
        at = self.prompts[:, None] - 1 + torch.arange(options.answer)
        self.states = (torch.arange(options.rows)[:, None] * width + at).flatten()
        self.targets = self.ids.gather(1, at + 1).flatten()
        self.answer = options.answer
        longest = int(self.prompts.max())
        source = self.prompts[:, None] - longest + torch.arange(longest)
        self.question = self.ids.gather(1, source.clamp(min=0))
        self.mask = torch.nn.functional.pad((source >= 0).long(), (0, 1), value=1)
        self.rest = self.ids.gather(1, at + 1)

    def ours(self) -> torch.Tensor:
        extent = int(self.prompts.min()), int(self.prompts.max())
        told = {"thoughts": ThoughtCounts(self.k, None, extent)}
        return self.objective(self.ids, None, self.states, self.targets, told)

    def embedded(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Of each question with START, and of END with the answer."""
        words, marks = self.lm.get_input_embeddings(), next(self.lm.parts["marks"].parameters())
        start, end = marks[:1].expand(len(self.ids), 1, -1), marks[1:].expand(len(self.ids), 1, -1)
        both = words(torch.cat([self.question, self.rest], 1))
        question, rest = both.split([self.question.shape[1], self.answer], 1)
        return torch.cat([question, start], 1), torch.cat([end, rest], 1)

    def passes(self, as_published: bool = False) -> torch.Tensor:
        lm, base, cache = self.lm.lm, self.lm.lm.base_model, DynamicCache()
        (pending, rest), mask = self.embedded(), self.mask
        logits, whole = [], pending
        for _ in range(self.k):
            hidden = base(
                inputs_embeds=pending, use_cache=True, **self._next(cache, pending, mask)
            )[0]
            if as_published:
                logits.append(lm.lm_head(hidden))
            pending = hidden[:, -1:]
            if as_published:  # the whole batch is put together anew, token by token
                rows = [
                    [*question, *thought] for question, thought in zip(whole, pending, strict=True)
                ]
                whole = torch.stack([torch.stack(row) for row in rows])
                pending = whole[:, -1:]
        last = torch.cat([pending, rest], 1)
        hidden = base(inputs_embeds=last, use_cache=True, **self._next(cache, last, mask))[0]
        if as_published:
            logits.append(lm.lm_head(hidden))
            found = torch.cat(logits, 1)[:, -self.answer - 1 : -1]
            return cross_entropy(found.flatten(0, 1), self.targets, reduction="sum")
        wanted = hidden[:, -self.answer - 1 : -1].flatten(0, 1)
        if lm.lm_head.weight.shape[0] < CHUNKED_VOCABULARY:
            return cross_entropy(lm.lm_head(wanted), self.targets, reduction="sum")
        return ChunkedCrossEntropy.apply(wanted, lm.lm_head.weight, self.targets)

    def _next(self, cache: DynamicCache, pending: torch.Tensor, mask: torch.Tensor) -> dict:
        begin = cache.get_seq_length()
        seen = torch.nn.functional.pad(mask, (0, self.k + self.answer + 1), value=1)
        places = (seen.cumsum(1) - 1).clamp(min=0)
        end = begin + pending.shape[1]
        return {
            "attention_mask": seen[:, :end],
            "position_ids": places[:, begin:end],
            "past_key_values": cache,
        }

    def cached(self) -> torch.Tensor:
        return self.passes(as_published=True)

    def again(self) -> torch.Tensor:
        (before, rest), mask = self.embedded(), self.mask
        for _ in range(self.k):
            thought = self._whole(self.lm.lm.base_model, before, mask)[0][:, -1:]
            before = torch.cat([before, thought], 1)
        logits = self._whole(self.lm.lm, torch.cat([before, rest], 1), mask).logits
        return cross_entropy(
            logits[:, -self.answer - 1 : -1].flatten(0, 1), self.targets, reduction="sum"
        )

    def _whole(self, model, embedded: torch.Tensor, mask: torch.Tensor):
        more = embedded.shape[1] - mask.shape[1]
        seen = torch.nn.functional.pad(mask, (0, more), value=1)
        places = (seen.cumsum(1) - 1).clamp(min=0)
        return model(
            inputs_embeds=embedded, attention_mask=seen, position_ids=places, use_cache=False
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    for name, value in {
        "words": 50257, "thoughts": 6, "rows": 32, "layers": 4, "width": 128, "answer": 8,
        "rounds": 7, "threads": 1,
    }.items():  # fmt: skip
        parser.add_argument(f"--{name}", type=int, default=value)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    sides = Sides(options)
    ways = {
        "passes": sides.passes,
        "ours": sides.ours,
        "cached": sides.cached,
        "again": sides.again,
    }
    taken: dict[str, list[float]] = {name: [] for name in ways}
    losses: dict[str, float] = {}
    for _ in range(options.rounds + 1):
        for name, way in ways.items():
            sides.objective.zero_grad(set_to_none=True)
            began = time.process_time()
            loss = way()
            loss.backward()
            taken[name].append(time.process_time() - began)
            losses[name] = loss.item()
    for name, seconds in taken.items():
        ratio = median(a / b for a, b in zip(seconds[1:], taken["ours"][1:], strict=True))
        print(
            f"{name:7} {median(seconds[1:]) * 1e3:8.1f} ms of the processor, {ratio:.2f} of ours, "
            f"loss {losses[name]:.4f}"
        )


if __name__ == "__main__":
    main()
