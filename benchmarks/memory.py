"""Does the memory of trainer and viewer grow? Slopes, with their 95 % intervals.

    PYTHONPATH=. python benchmarks/memory.py [--minutes 70] [--skip 10] [--every 30] [--keys]

Trains the demo without its end in `icot-tui launch`, which is trainer and screen in one process,
and shows the same run in `icot-tui attach` in another terminal. The resident memory of both is read
now and then; after the first minutes a line is fitted to each. `--keys` also presses a key that
opens another view each time.
"""

import argparse
import json
import os
import statistics
import tempfile
import time
from pathlib import Path

from tests.session.screen import PROGRAM, Screen

HERE = Path(__file__).resolve().parents[1]
KEYS = ("?", "\x1b", "v", "\x1b", "[", "]", "/", "\x1b", "s", "\x1b")
T95 = 1.98
"""Of Student's distribution with about a hundred degrees of freedom."""


def resident(pid: int) -> float:
    """MB of memory that a process holds."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


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
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        config = endless_demo(folder)
        launched = Screen([*PROGRAM, "launch", str(config), "--name", "tiny"], folder, (120, 40))
        attached = None
        try:
            launched.wait_for_step(1)
            attached = Screen([*PROGRAM, "attach", "tiny"], folder, (120, 40))
            watch(launched, attached, given)
        finally:
            for screen in (attached, launched):
                if screen is not None:
                    screen.close()


def watch(launched: Screen, attached: Screen, given: argparse.Namespace) -> None:
    """Read the memory of both now and then, then print the slopes."""
    pids = {"trainer and screen": launched.trainer(), "attached screen": attached.process.pid}
    began, readings = time.monotonic(), []
    number = 0
    while time.monotonic() < began + 60 * given.minutes:
        time.sleep(given.every)
        for screen in (launched, attached):
            screen.pieces.clear()
            if given.keys:
                screen.type(KEYS[number % len(KEYS)])
        number += 1
        hours = (time.monotonic() - began) / 3600
        readings.append((hours, *(resident(pid) for pid in pids.values())))
        print(json.dumps([round(value, 4) for value in readings[-1]]), flush=True)
    step = launched.events()[-1].step
    late = [one for one in readings if one[0] >= given.skip / 60]
    for place, name in enumerate(pids, start=1):
        found, half = slope([one[0] for one in late], [one[place] for one in late])
        print(
            f"{name}: {found:+.2f} ± {half:.2f} MB an hour, {late[0][place]:.1f} to "
            f"{late[-1][place]:.1f} MB in {60 * (late[-1][0] - late[0][0]):.0f} minutes; "
            f"step {step:,}"
        )


if __name__ == "__main__":
    main()
