"""A recipe and its No-CoT control with as many steps, over seeds; whole processes, wall clock.

A seed is that of the weights and of the split: each has held-out problems of its own.

python benchmarks/internalize.py demo --control demo-no-cot --seeds 0 1 2
python benchmarks/internalize.py mult-3x3-cpu --control mult-3x3-cpu-no-cot --seeds 0
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from icot_tui.engine.journal.events import Evaluated, RunEnded, TokenRemoved
from icot_tui.engine.journal.journal import JournalReader
from icot_tui.engine.run_folder import RunFolder


def train(config: str, runs: Path, changes: list[str]) -> tuple[list, float]:
    """Events of a whole run, and its seconds from the command to its end."""
    flags = [part for change in changes for part in ("--set", change)]
    began = time.monotonic()
    command = [sys.executable, "-m", "icot_tui", "train", config, "--quiet", "--runs", str(runs)]
    subprocess.run([*command, *flags], check=True, stdout=subprocess.DEVNULL)
    seconds = time.monotonic() - began
    events = [event for _, event in JournalReader(RunFolder.find(runs, None).journal).events()]
    return events, seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("config")
    parser.add_argument("--control")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--set", action="append", default=[], dest="changes")
    arguments = parser.parse_args()
    print("| seed | all removed at | steps | exact match, nothing written | time | No CoT |")
    print("|---|---|---|---|---|---|", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        for seed in arguments.seeds:
            seeds = [f"seed={seed}", f"data.seed={seed}"]
            changes = [*seeds, *arguments.changes]
            events, seconds = train(arguments.config, Path(folder), changes)
            last = [event for event in events if isinstance(event, Evaluated)][-1]
            ended = next(event for event in events if isinstance(event, RunEnded))
            removed = [e.step for e in events if isinstance(e, TokenRemoved) and e.everything]
            control = "–"
            if arguments.control:
                same = [*changes, f"train.max_steps={ended.step}"]
                other, _ = train(arguments.control, Path(folder), same)
                found = [event for event in other if isinstance(event, Evaluated)][-1]
                control = f"{found.exact_match:.3f} ({found.low:.3f} to {found.high:.3f})"
            print(
                f"| {seed} | {removed[-1] if removed else 'never'} | {ended.step} | "
                f"{last.exact_match:.3f} ({last.low:.3f} to {last.high:.3f}) at stage {last.stage} "
                f"| {seconds / 60:.1f} min | {control} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
