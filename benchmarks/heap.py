"""What settled memory gives a training step on the CPU (icot_tui/engine/loop/memory.py).

    python benchmarks/heap.py [CONFIG] [--rounds 5] [--seconds 8]

Trains a recipe at its first stage with and without, in turns, each in a process of its own; prints
steps a second, processor time and pages asked for a step, and the ratio.
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import nullcontext
from pathlib import Path

HELD = (
    "curriculum.min_steps=100000000",
    "curriculum.max_steps=100000000",
    "evaluation.every_steps=100000000",
)
FIRST = 3
"""Lines of the journal that are left out: the first steps are slower."""


def measure(config: str, settled: bool, seconds: float) -> dict[str, float]:
    """Train for so long in this process."""
    from icot_tui.config import dump_toml, load_config
    from icot_tui.engine.journal.events import Event, StepsTrained
    from icot_tui.engine.loop.commands import CommandQueue, Stop
    from icot_tui.engine.run_folder import RunFolder
    from icot_tui.runs import session
    from icot_tui.runs.session import run_training

    if not settled:
        session.settled_heap = nullcontext  # type: ignore[assignment]
    seen = []

    def listen(event: Event) -> None:
        if isinstance(event, StepsTrained):
            used = resource.getrusage(resource.RUSAGE_SELF)
            busy = used.ru_utime + used.ru_stime
            seen.append((time.perf_counter(), event.step, busy, used.ru_minflt))
            if len(seen) > FIRST and seen[-1][0] - seen[FIRST][0] > seconds:
                commands.put(Stop(save=False))

    with tempfile.TemporaryDirectory() as runs:
        folder = RunFolder.create(Path(runs), "heap", dump_toml(load_config(config, HELD).config))
        commands = CommandQueue(folder.control)
        run_training(folder, commands, listen)
    first, last = seen[FIRST], seen[-1]
    took, steps, busy, pages = (after - before for before, after in zip(first, last, strict=True))
    return {"rate": steps / took, "busy": busy / steps, "pages": pages / steps}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("config", nargs="?", default="demo")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=8.0)
    parser.add_argument("--only", choices=["settled", "usual"], help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.only:
        print(json.dumps(measure(given.config, given.only == "settled", given.seconds)))
        return
    ratios = []
    for number in range(given.rounds):
        found = {}
        for which in ("usual", "settled") if number % 2 else ("settled", "usual"):
            command = [sys.executable, __file__, given.config, "--only", which]
            command += ["--seconds", str(given.seconds)]
            found[which] = json.loads(subprocess.check_output(command).splitlines()[-1])
        ratios.append(found["usual"]["busy"] / found["settled"]["busy"])
        words = "; ".join(
            f"{which} {each['rate']:.1f} steps/s, {1000 * each['busy']:.1f} ms of the processor "
            f"and {each['pages']:.0f} pages a step"
            for which, each in found.items()
        )
        print(f"round {number + 1}: {words}; ratio {ratios[-1]:.3f}", flush=True)
    print(
        f"processor time without / with: {statistics.median(ratios):.3f} "
        f"({min(ratios):.3f} to {max(ratios):.3f})"
    )


if __name__ == "__main__":
    main()
