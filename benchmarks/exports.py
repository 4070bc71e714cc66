"""The same checkpoints wherever they are asked: in their run, moved, and in other programs.

    python benchmarks/exports.py RUN [--questions 1000] [--rounds 5]

Of a run that keeps a checkpoint for each stage (`checkpoints.keep_every_stages = 1`), three are
taken: with nothing, half and all of the chain of thought removed. Each is asked the run's held-out
questions in its run, copied elsewhere under another name with no run beside it, and in
transformers, llama.cpp and EleutherAI's harness. The exports refuse to be written where a single
answer differs from icot-tui's own, so that their exact match can only be the same.

Speed: the card's own program, plain transformers, against icot-tui's decoding of the same
questions, one at a time, in turn, one thread; the median ratio over the rounds.
"""

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from icot_tui.engine.checkpoints.checkpoint import list_checkpoints
from icot_tui.engine.evaluation.held_out import measure_speed
from icot_tui.engine.run_folder import RunFolder
from icot_tui.exporting.hf import run_snippet, snippet, write_model
from icot_tui.exporting.portable import make_portable
from icot_tui.exporting.source import read_source

PROGRAMS = ("hf", "gguf", "lm-eval")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("--questions", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    kept = sorted(list_checkpoints(RunFolder(arguments.run).checkpoints), key=lambda one: one.step)
    stages = {one.stage: one.path for one in kept}
    most = max(stages)
    print(f"| tokens removed | in its run | moved | {' | '.join(PROGRAMS)} | transformers' speed |")
    print("|---" * (4 + len(PROGRAMS)) + "|", flush=True)
    for stage in (0, most // 2, most):
        with TemporaryDirectory() as folder:
            print(row(stages[stage], stage, Path(folder), arguments), flush=True)


def row(checkpoint: Path, stage: int, folder: Path, arguments: argparse.Namespace) -> str:
    questions = str(arguments.questions)
    moved = folder / "moved"
    shutil.copytree(checkpoint, moved)
    asked = ["--examples", questions, "--no-speed"]
    cells = [icot_tui("eval", str(path), *asked) for path in (checkpoint, moved)]
    for program in PROGRAMS:
        out = ["--to", program, "--out", str(folder / program), "--questions", questions]
        cells.append(icot_tui("export", str(moved), *out))
    return f"| {stage} | {' | '.join(cells)} | {speed(moved, folder, arguments.rounds):.2f} |"


def icot_tui(*words: str) -> str:
    """How many of the questions a command found to be answered right, or why it did not."""
    command = [sys.executable, "-m", "icot_tui", *words, "--json"]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        return done.stderr.strip().splitlines()[-1]
    found = json.loads(done.stdout)
    return f"{found['correct']:,} of {found.get('questions') or found['examples']:,}"


def speed(checkpoint: Path, folder: Path, rounds: int) -> float:
    """Questions a second of the card's program over those of icot-tui."""
    own, other = read_source(checkpoint, None, 200), read_source(checkpoint, None, 200)
    portable = make_portable(other)
    write_model(portable, folder / "model")
    code = snippet(portable, other.texts[0].input, folder / "model")
    answer, _ = run_snippet(code, folder / "model")
    ratios = []
    for _ in range(rounds):
        (ours,) = measure_speed([own.prepared], 1.0)
        began = time.perf_counter()
        for text in other.texts:
            answer(text.input)
        seconds = time.perf_counter() - began
        ratios.append(len(other.texts) / seconds / ours.examples_per_second)
    return statistics.median(ratios)


if __name__ == "__main__":
    main()
