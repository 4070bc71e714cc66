"""What it costs to list many runs, to show a long one, and to export it.

    python benchmarks/many_runs.py [--runs 500] [--keep FOLDER]

Makes runs of a few hundred journal lines each, and two long ones (200,000 and 1,000,000 lines),
from a seed. Commands are timed as whole processes; beside the export stands the plain way, which
reads event by event and writes row by row.
"""

import argparse
import csv
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import attach

from icot_tui.config.loading import dump_toml, load_config
from icot_tui.engine.journal.events import Evaluated, StepsTrained
from icot_tui.engine.journal.journal import JournalReader
from icot_tui.engine.journal.rewind import effective
from icot_tui.engine.run_folder import RunFolder

LONG = {"long-200k": 200_000, "long-1m": 1_000_000}


def make(runs: Path, count: int) -> None:
    for number in range(count):
        changes = [f"seed={number}", f"curriculum.smoothing={1 + number % 7}"]
        config = dump_toml(load_config("demo", changes).config)
        attach.make(RunFolder.create(runs, f"short-{number}", config), 300 + number % 200)
    for name, lines in LONG.items():
        attach.make(RunFolder.create(runs, name, dump_toml(load_config("demo").config)), lines)


def export_plainly(run: RunFolder, out: Path) -> None:
    """The reference: events are read one by one, and rows written one by one."""
    rows: dict[int, list[object]] = {}
    for when, event in effective(JournalReader(run.journal).events()):
        if isinstance(event, StepsTrained):
            pairs = zip(event.losses, event.gradient_norms, strict=True)
            for step, (loss, norm) in enumerate(pairs, event.first):
                row = [run.name, step, when, event.stage, "", loss, norm, event.learning_rate]
                rows[step] = [*row, None, None, None, None]
        elif isinstance(event, Evaluated):
            shares = event.token_accuracy[:-1]
            found = [event.exact_match, sum(shares) / len(shares), event.loss, event.implicit]
            empty = [run.name, event.step, when, event.stage, "", None, None, None]
            rows[event.step] = [*rows.get(event.step, empty)[:8], *found]
    with open(out, "w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(rows[step] for step in sorted(rows))


def timed(what: str, command: list[str], **environment: str) -> float:
    """Print a row with the wall-clock and processor seconds of a process; returns the latter."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(
        command, check=True, stdout=subprocess.DEVNULL, env={**os.environ, **environment}
    )
    wall, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    busy = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(f"| {what} | {wall:.2f} | {busy:.2f} | {after.ru_maxrss / 1024:.0f} |", flush=True)
    return busy


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=500)
    parser.add_argument("--keep", type=Path, help="make the runs here once, and use them again")
    parser.add_argument("--plain", type=Path, nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.plain:
        run, out = arguments.plain
        export_plainly(RunFolder(run), out)
        return
    with tempfile.TemporaryDirectory() as temporary:
        runs = arguments.keep or Path(temporary) / "runs"
        if not runs.exists():
            make(runs, arguments.runs - len(LONG))
        cache = {"ICOT_TUI_CACHE": str(Path(temporary) / "cache")}
        command = [sys.executable, "-m", "icot_tui", "runs"]
        where = ["--runs", str(runs)]
        size = sum(path.stat().st_size for path in runs.glob("*/journal.jsonl"))
        print(f"{len(RunFolder.all(runs))} runs, {size / 1e6:,.0f} MB of journals\n")
        print("| what | s | processor s | peak MB so far |\n|---|---|---|---|")
        timed("`--help`", [sys.executable, "-m", "icot_tui", "--help"])
        timed(
            "show, a million lines, nothing known", [*command, "show", "long-1m", *where], **cache
        )
        timed("list, only that one known", [*command, "list", *where], **cache)
        for again in ("list", "list, again"):
            timed(again, [*command, "list", "--sort", "accuracy", *where], **cache)
        timed("show, a million lines", [*command, "show", "long-1m", *where], **cache)
        out = Path(temporary) / "steps.csv"
        long = runs / "long-200k"
        bulk = timed("export, 200,000 lines", [*command, "export", str(long), "--out", str(out)])
        reference = [sys.executable, __file__, "--plain", str(long), str(out)]
        plain = timed("the same, event by event", reference)
        print(f"\nexport: {plain / bulk:.1f} times less processor time than event by event")


if __name__ == "__main__":
    main()
