"""Time and memory of making and encoding the papers' largest data set, and of the next start.

    python benchmarks/data.py --tokenizer FOLDER

Each row is a fresh process with a cache of its own; the seconds are those of `load_data`, those
of the whole process include the imports.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tokenizer", default="character", help="folder, hub name or character")
    parser.add_argument("--digits", default="9x9")
    parser.add_argument("--examples", type=int, default=808_000)
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        print(json.dumps(measure(arguments.digits, arguments.examples, arguments.tokenizer)))
        return
    print("| start | examples | tokens | seconds | whole process (s) | peak memory (GB) |")
    print("|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as cache:
        environment = {**os.environ, "ICOT_TUI_CACHE": cache}
        for start in ("first", "from the cache"):
            begin = time.perf_counter()
            done = subprocess.run(
                [sys.executable, *sys.argv, "--child"],
                env=environment,
                check=True,
                capture_output=True,
                text=True,
            )
            whole = time.perf_counter() - begin
            values = json.loads(done.stdout.splitlines()[-1])
            print(
                f"| {start} | {values['examples']:,} | {values['tokens']:,} "
                f"| {values['seconds']:.1f} | {whole:.1f} | {values['peak_gb']:.2f} |",
                flush=True,
            )


def measure(digits: str, examples: int, tokenizer: str) -> dict[str, float]:
    from transformers import AutoTokenizer  # noqa: F401  imports are no part of the seconds

    from icot_tui.config import DataConfig
    from icot_tui.data.load import load_data

    config = DataConfig(
        task="multiplication",
        options={"digits": digits},
        train_examples=examples,
        test_examples=1000,
        tokenizer=tokenizer,
    )
    begin = time.perf_counter()
    data = load_data(config)
    seconds = time.perf_counter() - begin
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return {
        "examples": len(data.train),
        "tokens": len(data.train.tokens),
        "seconds": seconds,
        "peak_gb": peak / 1e9,
    }


if __name__ == "__main__":
    main()
