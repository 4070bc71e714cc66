"""Evaluation against plain greedy decoding of every example: same result, how much faster?

    python benchmarks/evaluation.py runs/demo RUN_OR_CHECKPOINT... [--data FILE] [--stage N]
    python benchmarks/evaluation.py            (trains two small models for a minute first)

Compared are, each on the whole held-out split:

- `evaluate` as a training run calls it: its default batch size, samples and all;
- `generate` of transformers with its key-value cache, 32 examples at a time, as the papers' code
  evaluates (where the inputs of a batch differ in length, that code goes one by one; so does this);
- our own batched decoding of every example from its input on, at `evaluate`'s batch size.

All are measured in turn, round after round; the table has medians.
"""

import argparse
import random
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch

from icot_tui.config import EvaluationConfig, ModelConfig
from icot_tui.curriculum.removal import RemovalPlan, remove
from icot_tui.data.encoding import Encoder
from icot_tui.data.examples import Chunk
from icot_tui.data.tokenizing import character_tokenizer, separator_id
from icot_tui.engine.evaluation.answers import AnswerReader
from icot_tui.engine.evaluation.decoding import decode
from icot_tui.engine.evaluation.evaluate import evaluate, position_table
from icot_tui.engine.evaluation.exact_match import EvaluationResult
from icot_tui.engine.evaluation.held_out import PreparedModel, examples_of, prepare
from icot_tui.engine.evaluation.staged_examples import StagedExamples
from icot_tui.models.build import build_model
from icot_tui.models.device import silence_transformers
from icot_tui.models.supervised import SupervisedLM
from icot_tui.runs.opening import open_checkpoint

PAPERS_BATCH = 32
COLUMNS = (
    *("model", "removed", "exact match", "had to be decoded", "evaluate", "generate, 32"),
    *("own decoding, 256", "faster than generate", "faster than own decoding", "same results"),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("checkpoints", nargs="*", help="runs or checkpoint folders")
    parser.add_argument("--data", type=Path, help="file of examples (default: the run's)")
    parser.add_argument("--stage", type=int, help="removed tokens (default: the checkpoint's)")
    parser.add_argument("--examples", type=int, help="only the first so many")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument(
        "--cpu-time", action="store_true", help="count CPU seconds: fairer on a busy machine"
    )
    parser.add_argument("--threads", type=int, help="CPU threads of the tensor library")
    options = parser.parse_args()
    silence_transformers()
    if options.threads:
        torch.set_num_threads(options.threads)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    clock = time.process_time if options.cpu_time else time.perf_counter
    counted = "CPU time" if options.cpu_time else "wall time"
    print(f"{_machine(device)}, {counted}, median of {options.rounds} rounds\n")
    print(f"| {' | '.join(COLUMNS)} |\n|{'---|' * len(COLUMNS)}")
    with TemporaryDirectory() as scratch:
        asked = [(name, Path(name), options.data, options.stage) for name in options.checkpoints]
        for name, path, data, stage in asked or train_small_ones(Path(scratch)):
            opened = open_checkpoint(path)
            text = examples_of(opened, data, options.examples)
            prepared = prepare(opened, stage, text, device)
            row = compare(name, prepared, device, options.rounds, clock)
            print(row, flush=True)


def compare(name, prepared: PreparedModel, device: str, rounds: int, clock) -> str:
    """A row of the table."""
    found, medians, same = times(prepared, device, rounds, clock)
    ours, generated, own = medians
    split = prepared.split
    cells = (
        name,
        f"{prepared.stage} of {split.max_cot_tokens}",
        f"{found.exact_match:.1%}",
        f"{found.decoded:,} of {len(split):,}",
        *(f"{taken:.3f} s" for taken in (ours, generated, own)),
        *(f"{taken / ours:.1f} times" for taken in (generated, own)),
        "yes" if same else "NO",
    )
    return f"| {' | '.join(cells)} |"


def times(
    prepared: PreparedModel, device: str, rounds: int, clock
) -> tuple[EvaluationResult, list[float], bool]:
    """What `evaluate` finds; median seconds of it, `generate` and own decoding; do all agree?"""
    model, config = SupervisedLM(prepared.lm).eval(), EvaluationConfig()
    stage, token_format, split = prepared.stage, prepared.token_format, prepared.split
    table = position_table(prepared.lm)
    examples = StagedExamples.of(token_format, split, np.arange(len(split)), stage, None, table)
    answers = AnswerReader(token_format)

    def fast():
        found.append(evaluate(model, split, stage, token_format, config))
        return found[-1].right.tolist()

    def by_generate():
        return judge(examples, answers, generate(prepared, examples, device))

    def by_own_decoding():
        prompts = examples.prefixes(examples.index, np.zeros_like(examples.index))
        ends, size = token_format.separators, config.batch_size
        written = decode(prepared.lm, prompts, ends, batch_size=size)
        return judge(examples, answers, [written.row(row) for row in range(len(split))])

    found: list[EvaluationResult] = []
    ways = [fast, by_generate, by_own_decoding]
    results = [measure(way, clock)[0] for way in ways]  # warm-up
    seconds: list[list[float]] = [[] for _ in ways]
    for _ in range(rounds):
        for way, taken in zip(ways, seconds, strict=True):
            taken.append(measure(way, clock)[1])
    same = all(result == results[0] for result in results)
    return found[0], [statistics.median(taken) for taken in seconds], same


def measure(way: Callable[[], list[bool]], clock) -> tuple[list[bool], float]:
    began = clock()
    result = way()  # fetches its results, and so waits for the device
    return result, clock() - began


def judge(examples: StagedExamples, answers: AnswerReader, written: list[list[int]]) -> list[bool]:
    """Right or wrong by the texts of all answers."""
    right = []
    for row, tokens in enumerate(written):
        section = answers.section(tokens)
        text = None if section is None else answers.text(section)
        right.append(text is not None and text == answers.text(examples.answer_section(row)))
    return right


def generate(prepared: PreparedModel, examples: StagedExamples, device: str) -> list[list[int]]:
    """What the papers' code does: batches in the file's order, one by one where lengths differ.

    With kept positions `generate` counts on from the prompt's last id, as side "left" needs it.
    """
    plan, sep = prepared.token_format.plan, prepared.token_format.separator_id
    kept, written = plan.keep_positions, []
    assert not kept or plan.side == "left", "generate can't leave a gap further on"
    for begin in range(0, len(examples), PAPERS_BATCH):
        rows = np.arange(begin, min(begin + PAPERS_BATCH, len(examples)))
        lengths = examples.prompt_lengths[rows]
        alike = (lengths == lengths[0]).all()
        for batch in [rows] if alike else np.split(rows, len(rows)):
            prompt = examples.batch(batch).ids[:, : int(examples.prompt_lengths[batch[0]])]
            ids = torch.from_numpy(np.ascontiguousarray(prompt)).to(device)
            positions = torch.from_numpy(examples.shift.rows(batch).positions(ids.shape[1]))

            def closed(tokens, scores, prompt=ids.shape[1], **options):
                return (tokens[:, prompt:] == sep).sum(dim=1) >= 2

            out = prepared.lm.generate(
                input_ids=ids,
                attention_mask=torch.ones_like(ids),
                **({"position_ids": positions.to(device)} if kept else {}),
                do_sample=False,
                max_new_tokens=int(examples.budgets[batch].min()),
                eos_token_id=None,
                pad_token_id=sep,
                stopping_criteria=[closed],
            )
            written += out[:, ids.shape[1] :].tolist()
    return written


def train_small_ones(folder: Path):
    """Two models that copy digits backwards and then add 1 to each: half and fully internalized."""
    tokenizer = character_tokenizer("0123456789")
    encoder, sep = Encoder(tokenizer), separator_id(tokenizer)
    train = encoder.encode(Chunk(reversed_digits(20_000, seed=1), "small", 1))
    data = folder / "held-out.txt"
    data.write_bytes(reversed_digits(1_000, seed=2))
    for stage, steps in ((3, 240), (6, 700)):
        config = ModelConfig(layers=2, heads=4, width=128)
        lm = build_model(config, len(tokenizer), sep, train.max_length + 8, seed=0)
        model, rng = SupervisedLM(lm), np.random.default_rng(0)
        optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
        for _ in range(steps):
            rows = rng.integers(0, len(train), 64)
            batch = remove(train, rows, stage, RemovalPlan(), sep)
            states, targets = map(torch.from_numpy, batch.supervised())
            loss = model(torch.from_numpy(batch.ids), None, states, targets) / len(targets)
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
        name = f"copies backwards, {steps} steps"
        lm.save_pretrained(folder / str(stage))
        tokenizer.save_pretrained(folder / str(stage))
        yield name, folder / str(stage), data, stage


def reversed_digits(count: int, seed: int) -> bytes:
    rng, lines = random.Random(seed), []
    for _ in range(count):
        digits = [rng.randrange(10) for _ in range(6)]
        spans = (digits, reversed(digits), ((digit + 1) % 10 for digit in digits))
        x, z, y = (" ".join(map(str, span)) for span in spans)
        lines.append(f"{x}||{z} #### {y}\n")
    return "".join(lines).encode()


def _machine(device: str) -> str:
    if device == "cuda":
        return torch.cuda.get_device_name()
    return f"CPU, {torch.get_num_threads()} threads"


if __name__ == "__main__":
    main()
