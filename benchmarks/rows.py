"""Time and memory of making GSM8K-Aug-like rows ready: text, JSON and Parquet, and the next start.

    python benchmarks/rows.py [--tokenizer FOLDER] [--unit step]

The rows (question, cot, answer) are written first, the same in all formats, and a thousand to
validate on. Each line of the table is a fresh process, with a cache of its own for each format;
the seconds are those of `load_data`: on the clock, and of the processor, which the load of a shared
machine changes less.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from icot_tui.data.convert import SUFFIXES, Form, convert
from icot_tui.data.reading import ExampleReader

THINGS = ("apples", "books", "coins", "eggs", "jars", "marbles", "pens", "stamps", "tickets")
VALIDATION = "validation.json"
NAMES = ("Amy", "Ben", "Cara", "Dan", "Eva", "Finn", "Gia", "Hugo", "Ida", "Jon", "Kim", "Leo")


def rows(count: int, seed: int = 0) -> Iterator[dict[str, str]]:
    """Word problems of one to five calculations, as GSM8K-Aug has them; the questions differ."""
    rng = np.random.default_rng(seed)
    for number in range(count):
        name, thing = NAMES[rng.integers(len(NAMES))], THINGS[rng.integers(len(THINGS))]
        value = int(rng.integers(2, 90))
        told, steps = [f"{name} {number} has {value} {thing}."], []
        for _ in range(int(rng.integers(1, 6))):
            by, grows = int(rng.integers(2, 12)), bool(rng.integers(2))
            other = NAMES[rng.integers(len(NAMES))]
            told.append(
                f"Then {other} gives {by} {thing} more to the pile on the table."
                if grows
                else f"After that there are {by} times as many {thing} as before."
            )
            result = value + by if grows else value * by
            steps.append(f"<<{value}{'+' if grows else '*'}{by}={result}>>")
            value = result
        question = f"{' '.join(told)} How many {thing} are there in the end?"
        yield {"question": question, "cot": " ".join(steps), "answer": str(value)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tokenizer", default="character", help="folder, hub name or character")
    parser.add_argument("--unit", choices=("token", "step"), default="token")
    parser.add_argument("--examples", type=int, default=385_620)
    parser.add_argument("--measure", metavar="FILE", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        print(json.dumps(measure(arguments.measure, arguments.tokenizer, arguments.unit)))
        return
    print(
        "| format | start | tokens | seconds | processor (s) | of the text's | peak memory (GB) |"
    )
    print("|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        lines = Path(folder, "rows.json")
        with open(lines, "w", encoding="utf-8") as file:
            file.writelines(json.dumps(row) + "\n" for row in rows(arguments.examples))
        with open(Path(folder, VALIDATION), "w", encoding="utf-8") as file:
            file.writelines(json.dumps(row) + "\n" for row in rows(1000, seed=1))
        formats: tuple[Form, ...] = ("text", "jsonl", "parquet")
        first = 0.0
        for form in formats:
            path = Path(folder, f"rows{SUFFIXES[form]}")
            convert(ExampleReader(str(lines)), form, path)
            environment = {**os.environ, "ICOT_TUI_CACHE": f"{folder}/cache-{form}"}
            for start in ("first", "from the cache"):
                done = subprocess.run(
                    [sys.executable, *sys.argv, "--measure", str(path)],
                    env=environment,
                    check=True,
                    capture_output=True,
                    text=True,
                )
                values = json.loads(done.stdout.splitlines()[-1])
                first = first or values["processor"]
                ratio = f"{values['processor'] / first:.2f}" if start == "first" else ""
                print(
                    f"| {form} | {start} | {values['tokens']:,} | {values['seconds']:.1f} "
                    f"| {values['processor']:.1f} | {ratio} | {values['peak_gb']:.2f} |",
                    flush=True,
                )


def measure(path: str, tokenizer: str, unit: str) -> dict[str, float]:
    from transformers import AutoTokenizer  # noqa: F401  imports are no part of the seconds

    from icot_tui.config import DataConfig
    from icot_tui.data.load import load_data

    validation = str(Path(path).with_name(VALIDATION))
    config = DataConfig(train=path, validation=validation, tokenizer=tokenizer)
    begin, before = time.perf_counter(), time.process_time()
    data = load_data(config, "step" if unit == "step" else "token")
    seconds, processor = time.perf_counter() - begin, time.process_time() - before
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return {
        "tokens": len(data.train.tokens),
        "seconds": seconds,
        "processor": processor,
        "peak_gb": peak / 1e9,
    }


if __name__ == "__main__":
    main()
