"""How long asking and probing take.

    python benchmarks/analysis.py RUN [--control RUN] [--examples 4000] [--checkpoints 20]

Latencies are wall times in this process, after `warm_up`, as in a screen: the checkpoint is chosen,
opened, asked once, and asked again; then all of them are chosen again from the cache.
"""

import argparse
import time
from collections.abc import Callable
from statistics import median

import torch

from icot_tui.analysis.checkpoints import find_checkpoint, run_entries
from icot_tui.analysis.examples import load_examples
from icot_tui.analysis.loaded_model import LoadedModel
from icot_tui.analysis.model_cache import ModelCache, open_safely, warm_up
from icot_tui.analysis.probe_run import run_probes
from icot_tui.engine.run_folder import RunFolder, runs_folder
from icot_tui.models.device import silence_transformers


def seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def asking(run: RunFolder, most: int) -> None:
    entries = run_entries(run)[:most]
    kept = ModelCache()
    # Products of two digits, as in the demo.
    questions = [f"{a}*{b}" for a in range(12, 99, 7) for b in range(13, 99, 9)]
    opened, first, again, cached = [], [], [], []
    for entry in entries:
        opened.append(seconds(lambda path=entry.path: kept.open(path)))
        model = kept.open(entry.path)
        first.append(seconds(lambda r=model: r.ask(questions[0])))
        again += [seconds(lambda r=model, q=q: r.ask(q)) for q in questions[1:11]]
    for entry in entries * 2:
        cached.append(seconds(lambda path=entry.path: kept.open(path).ask(questions[1])))
    fresh = [a + b for a, b in zip(opened[1:], first[1:], strict=True)]
    size = sum(kept.open(entry.path).bytes for entry in entries)
    print(f"{len(entries)} checkpoints, {size / 1e6:.0f} MB")
    print("| what | median | worst |")
    print("|---|---|---|")
    for name, times in [
        ("open the first checkpoint and answer", [opened[0] + first[0]]),
        ("open another one (first time) and answer", fresh),
        ("next answers", again),
        ("back to one that is kept, and answer", cached),
    ]:  # fmt: skip
        print(f"| {name} | {median(times) * 1e3:.0f} ms | {max(times) * 1e3:.0f} ms |")


def probing(run: RunFolder, control: str | None, examples: int) -> None:
    model = LoadedModel(open_safely(run.path))
    other = None
    if control is not None:
        other = LoadedModel(open_safely(find_checkpoint(control, runs_folder())))
    found = load_examples(model, examples)
    cpu, began = time.process_time(), time.perf_counter()
    report = run_probes(model, found, other)
    cpu, wall = time.process_time() - cpu, time.perf_counter() - began
    targets, sites, columns = report.scores.shape
    print(
        f"probes: {targets} targets x {sites} sites x {columns} columns, {found.count} examples, "
        f"{len(report.controls)} controls, patching of {(report.patched >= 0).sum()} cells: "
        f"{wall:.1f} s, {cpu:.1f} s of CPU time"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run")
    parser.add_argument("--control")
    parser.add_argument("--examples", type=int, default=4000)
    parser.add_argument("--checkpoints", type=int, default=20)
    arguments = parser.parse_args()
    silence_transformers()
    run = RunFolder.find(runs_folder(), arguments.run)
    print(f"warm-up, beside a screen's first drawing: {seconds(warm_up):.1f} s")
    print(f"threads: {torch.get_num_threads()}")
    asking(run, arguments.checkpoints)
    probing(run, arguments.control, arguments.examples)


if __name__ == "__main__":
    main()
