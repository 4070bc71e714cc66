"""What it costs to attach to a run with a long journal, and to follow it from then on.

    python benchmarks/attach.py [--lines 1000000] [--keep FOLDER]

Makes the journal of a run that goes on for ten million steps (losses and gradient norms of ten
steps a line, removals with resets and spikes, evaluations, checkpoints), and follows it as a view
does: in polls of 50 ms, each followed by a look at the newest loss.
"""

import argparse
import json
import math
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from icot_tui.config.loading import dump_toml, load_config
from icot_tui.engine.journal.events import (
    CheckpointSaved,
    Evaluated,
    Event,
    LossSpike,
    OptimizerReset,
    RunStarted,
    SpikeRecovered,
    StepsTrained,
    TokenRemoved,
)
from icot_tui.engine.journal.journal import encode_line
from icot_tui.engine.run_folder import RunFolder

PER_LINE = 10
TOKENS = 256
"""Of the chain of thought; each stage is as long."""
EVALUATE_LINES, SAVE_LINES = 100, 500


def journaled(values: np.ndarray) -> list[float | None]:
    """Numbers as the trainer journals them."""
    return [float(f"{value:.9g}") for value in values.astype(np.float32)]


def make(folder: RunFolder, lines: int) -> None:
    chance = np.random.default_rng(0)
    with open(folder.journal, "wb") as file:

        def write(event) -> None:
            file.write(encode_line(when, event))

        when, stage, stage_lines, best = 1.79e9, 0, lines // (TOKENS + 1), 0.0
        write(
            RunStarted(
                step=0,
                name="long",
                method="ICoT-SI",
                version="1",
                device="cpu",
                processes=1,
                parameters=10**7,
                train_examples=10**6,
                validation_examples=1000,
                steps_per_epoch=10**4,
                max_cot_tokens=TOKENS,
            )
        )
        block = 1000
        written = 1
        line = 0
        while written < lines:
            if line % block == 0:
                since = np.arange(block * PER_LINE) / (stage_lines * PER_LINE)
                noise = chance.normal(0, 0.3, block * PER_LINE)
                losses = journaled(np.exp(-4 + 2 * np.exp(-5 * since) + noise))
                norms = journaled(chance.lognormal(0, 0.6, block * PER_LINE))
                seconds = chance.uniform(0.1, 0.2, block).round(6).tolist()
            at = line % block
            part = slice(at * PER_LINE, at * PER_LINE + PER_LINE)
            first, step = line * PER_LINE + 1, (line + 1) * PER_LINE
            line += 1
            when += seconds[at]
            some = [None if chance.random() < 1e-3 else value for value in losses[part]]
            events: list[Event] = [
                StepsTrained(
                    step=step,
                    first=first,
                    losses=some,
                    gradient_norms=norms[part],
                    stage=stage,
                    learning_rate=5e-4,
                    supervised_tokens=4794,
                    dropped_rows=0,
                    seconds=seconds[at],
                )
            ]
            if line % stage_lines == 0 and stage < TOKENS:
                stage += 1
                events += [
                    TokenRemoved(
                        step=step,
                        before=stage - 1,
                        stage=stage,
                        cause="on schedule",
                        everything=stage == TOKENS,
                    ),
                    OptimizerReset(step=step, cause=f"removal {stage}"),
                    LossSpike(step=step + 5, spike=stage, removal=stage, baseline=0.02, loss=0.9),
                    SpikeRecovered(step=step + 9, spike=stage, removal=stage, height=1.2, steps=9),
                ]
            if line % EVALUATE_LINES == 0:
                exact = 0.5 + 0.5 * chance.random()
                best = max(best, exact)
                digits = (0.5 + 0.5 * chance.random(9)).tolist()
                name = f"step-{step:08d}.jsonl"
                implicit = stage == TOKENS
                events.append(
                    Evaluated(
                        step=step,
                        stage=stage,
                        implicit=implicit,
                        exact_match=exact,
                        low=exact - 0.01,
                        high=min(1.0, exact + 0.01),
                        examples=1000,
                        loss=0.3,
                        token_accuracy=digits,
                        best=best,
                        seconds=1.5,
                        samples=name,
                    )
                )
            if line % SAVE_LINES == 0:
                events.append(
                    CheckpointSaved(
                        step=step, path=f"step-{step:08d}", stage=stage, bytes=10**8, seconds=0.5
                    )
                )
            for event in events:
                write(event)
            written += len(events)


def follow(path: Path) -> dict[str, float]:
    """Attach in this process, as a view does."""
    began = time.perf_counter()
    from icot_tui.watch.source import RunFollower

    imported, busy = time.perf_counter(), time.process_time()
    follower = RunFollower(RunFolder(path))
    longest, first_drawn = 0.0, None
    while not follower.caught_up:
        poll = time.perf_counter()
        follower.poll(0.05)
        longest = max(longest, time.perf_counter() - poll)
    caught_up, busy = time.perf_counter(), time.process_time() - busy
    losses = follower.history.losses
    last = losses.last_step or 0
    losses.window(0, last, 200)
    first_drawn = time.perf_counter() - caught_up
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    drawn = typical(lambda: losses.window(0, last, 200))
    idle = typical(follower.poll)
    with open(path / "journal.jsonl", "rb") as file:
        file.seek(-4096, os.SEEK_END)
        line = file.read().splitlines(keepends=True)[-1]
    template = json.loads(line)

    def one_more() -> None:
        template["first"], template["step"] = template["step"] + 1, template["step"] + PER_LINE
        text = json.dumps(template, separators=(",", ":")).encode() + b"\n"
        with open(path / "journal.jsonl", "ab") as file:
            file.write(text)
        began = time.perf_counter()
        follower.poll()
        news.append(time.perf_counter() - began)

    news: list[float] = []
    if template["event"] == "StepsTrained":
        for _ in range(100):
            one_more()
    return {
        "import s": imported - began,
        "attach s": caught_up - imported,
        "of that CPU s": busy,
        "longest poll ms": longest * 1e3,
        "peak MB": peak,
        "first draw ms": first_drawn * 1e3,
        "draw ms": drawn * 1e3,
        "idle poll ms": idle * 1e3,
        "poll with news ms": float(np.median(news)) * 1e3 if news else math.nan,
    }


def typical(work) -> float:
    times = []
    for _ in range(100):
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return float(np.median(times))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lines", type=int, default=1_000_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--keep", type=Path, help="make the run here once, and use it again")
    parser.add_argument("--follow", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.follow:
        print(json.dumps(follow(arguments.follow)))
        return
    with tempfile.TemporaryDirectory() as temporary:
        runs = arguments.keep or Path(temporary)
        path = runs / "long"
        if not path.exists():
            folder = RunFolder.create(runs, "long", dump_toml(load_config("demo").config))
            make(folder, arguments.lines)
        size = (path / "journal.jsonl").stat().st_size
        print(f"{size / 1e6:.0f} MB, {arguments.lines:,} lines")
        command = [sys.executable, __file__, "--follow", str(path)]
        rows = [
            json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
            for _ in range(arguments.repeats)
        ]
    print("| " + " | ".join(rows[0]) + " |")
    print("|" + "---|" * len(rows[0]))
    for row in rows:
        print("| " + " | ".join(f"{value:.3g}" for value in row.values()) + " |")


if __name__ == "__main__":
    main()
