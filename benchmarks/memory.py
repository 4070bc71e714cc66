"""Does the memory of trainer and viewer grow? Slopes, with their 95 % intervals.

    PYTHONPATH=. python benchmarks/memory.py [--minutes 70] [--skip 10] [--every 30] [--keys]
    PYTHONPATH=. python benchmarks/memory.py --forward 10 [--minutes 10] [--skip 2] [--every 5]

Trains the demo without its end in `icot-tui launch`, which is trainer and screen in one process,
and shows the same run in `icot-tui attach` in another terminal. The memory of both is read now and
then, without the files that Linux keeps for them and takes away where it is short; after the first
minutes a line is fitted to each. `--keys` also presses a key that opens another view each time.

`--forward` trains nothing: a journal grows so many times as fast as the demo's (30,000 steps an
hour, every 250th with an evaluation and a checkpoint), and `icot-tui attach` shows it, redrawing so
many times as often. Hours are then the demo's.
"""

import argparse
import json
import random
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from pathlib import Path

from icot_tui.engine.journal.events import CheckpointSaved, StepsTrained
from tests.screens.panel_run import Told, a_sample
from tests.session.screen import PROGRAM, Screen

HERE = Path(__file__).resolve().parents[1]
KEYS = ("?", "\x1b", "v", "\x1b", "[", "]", "/", "\x1b", "s", "\x1b")
T95 = 1.98
"""Of Student's distribution with about a hundred degrees of freedom."""
STEPS_AN_HOUR = 30_000
"""Of the demo, on two cores that were busy with other work as well."""
SOONER = """
import sys
from icot_tui.cli.app import main
from icot_tui.tui.app import redraw_rate as rate
rate.SHARE *= {0}
rate.SHORTEST, rate.LONGEST = rate.SHORTEST / {0}, rate.LONGEST / {0}
main(sys.argv[1:])
"""
"""`icot-tui` that redraws so many times as often."""
BLOCK = 250
"""Steps between its evaluations."""


def resident(pid: int) -> float:
    """MB of memory that a process holds for itself: not files, which can be read again any time."""
    status = dict(
        line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines()
    )
    return int(status["RssAnon"].split()[0]) * 1024 / 1e6


def slope(hours: list[float], megabytes: list[float]) -> tuple[float, float]:
    """MB an hour, and half of the 95 % interval (neighbours taken as independent)."""
    fitted = statistics.linear_regression(hours, megabytes)
    middle = statistics.fmean(hours)
    left = [y - fitted.slope * x - fitted.intercept for x, y in zip(hours, megabytes, strict=True)]
    spread = (sum(one**2 for one in left) / (len(left) - 2)) ** 0.5
    return fitted.slope, T95 * spread / sum((x - middle) ** 2 for x in hours) ** 0.5


def endless_demo(folder: Path) -> Path:
    """The demo, which goes on after all is removed, whatever its accuracy."""
    lines = (HERE / "sample_configs" / "demo.toml").read_text().splitlines()
    kept = [line for line in lines if not line.startswith(("target_accuracy", "decay_steps"))]
    ours = [
        "steps_after_removal = 100000000" if line.startswith("steps_after") else line
        for line in kept
    ]
    path = folder / "demo.toml"
    path.write_text("\n".join(ours))
    return path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=70.0)
    parser.add_argument("--skip", type=float, default=10.0, help="minutes that are left out")
    parser.add_argument("--every", type=float, default=30.0, help="seconds between two readings")
    parser.add_argument("--keys", action="store_true")
    parser.add_argument("--forward", type=float, help="hours of the demo in one of ours")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        if given.forward:
            forward(folder, given)
            return
        config = endless_demo(folder)
        launched = Screen([*PROGRAM, "launch", str(config), "--name", "tiny"], folder, (120, 40))
        attached = None
        try:
            launched.wait_for_step(1)
            attached = Screen([*PROGRAM, "attach", "tiny"], folder, (120, 40))
            pids = {"trainer and screen": launched.trainer()}
            pids["attached screen"] = attached.process.pid
            watch(pids, (launched, attached), given)
            print(f"step {launched.events()[-1].step:,}")
        finally:
            for screen in (attached, launched):
                if screen is not None:
                    screen.close()


def forward(folder: Path, given: argparse.Namespace) -> None:
    """Show a journal that grows faster than a training."""
    told = Told(folder / "runs", name="tiny").start()
    for _ in range(told.tokens):
        told.train(100, 1.1).remove()
    program = [sys.executable, "-c", SOONER.format(given.forward)]
    attached = Screen([*program, "attach", "tiny"], folder, (120, 40))
    ended = threading.Event()
    feeder = threading.Thread(target=feed, args=(told, STEPS_AN_HOUR * given.forward, ended))
    feeder.start()
    try:
        watch({"attached screen": attached.process.pid}, (attached,), given)
    finally:
        ended.set()
        feeder.join()
        attached.close()
    print(f"step {told.step:,}")


def feed(told: Told, steps_an_hour: float, ended: threading.Event) -> None:
    """Tell what a trainer does after all is removed, in steps that pass with the clock."""
    chance, began, first = random.Random(0), time.monotonic(), told.step
    while not ended.wait(0.1):
        due = first + (time.monotonic() - began) * steps_an_hour / 3600
        while told.step + 10 <= due:
            losses: list[float | None] = [chance.lognormvariate(-3, 0.5) for _ in range(10)]
            told.step += 10
            told.tell(
                StepsTrained(
                    step=told.step,
                    first=told.step - 9,
                    losses=losses,
                    gradient_norms=losses,
                    stage=told.stage,
                    learning_rate=1e-3,
                    supervised_tokens=4000,
                    dropped_rows=0,
                    seconds=chance.uniform(1.1, 1.2),
                )
            )
            if told.step % BLOCK == 0:
                name = f"step-{told.step:08d}"
                told.tell(
                    CheckpointSaved(
                        step=told.step, path=name, stage=told.stage, bytes=10**6, seconds=0.1
                    )
                )
                digits = [chance.random() for _ in range(4)]
                told.evaluate(chance.uniform(0.9, 1.0), digits, a_sample("0 7 5 0"))


def watch(pids: Mapping[str, int], screens: tuple[Screen, ...], given: argparse.Namespace) -> None:
    """Read the memory of each now and then, then print the slopes."""
    began, readings = time.monotonic(), []
    number = 0
    while time.monotonic() < began + 60 * given.minutes:
        time.sleep(given.every)
        for screen in screens:
            screen.pieces.clear()
            if given.keys:
                screen.type(KEYS[number % len(KEYS)])
        number += 1
        hours = (time.monotonic() - began) / 3600 * (given.forward or 1.0)
        readings.append((hours, *(resident(pid) for pid in pids.values())))
        print(json.dumps([round(value, 4) for value in readings[-1]]), flush=True)
    late = [one for one in readings if one[0] >= given.skip / 60 * (given.forward or 1.0)]
    for place, name in enumerate(pids, start=1):
        found, half = slope([one[0] for one in late], [one[place] for one in late])
        print(
            f"{name}: {found:+.2f} ± {half:.2f} MB an hour, {late[0][place]:.1f} to "
            f"{late[-1][place]:.1f} MB in {late[-1][0] - late[0][0]:.2f} hours"
        )


if __name__ == "__main__":
    main()
