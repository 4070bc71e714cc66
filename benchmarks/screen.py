"""The screen's figures, taken from the real `icot-tui launch` in a real terminal.

    python benchmarks/screen.py paint [--size 120x40]    process start to a frame with text
    python benchmarks/screen.py keys                     key press to answer, while training
    python benchmarks/screen.py bytes                    bytes a second with --low-bandwidth
    python benchmarks/screen.py speed [--size 200x60]    training speed with the screen / headless
    python benchmarks/screen.py redraw [--size 200x60]   processor time of a redraw with news
    python benchmarks/screen.py drops --count 100        link drops (tests/session)

Each prints a sentence and a line of JSON, and takes less than four minutes unless it is asked for
more (`drops --count 100` takes fifteen). `speed` runs both at once, stopped and continued in turns,
at a held schedule, so that both are measured on the same work in the same minutes.
"""

import argparse
import asyncio
import json
import os
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
from textual.pilot import Pilot

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from icot_tui.engine.journal.events import StepsTrained  # noqa: E402
from icot_tui.engine.journal.journal import JournalReader  # noqa: E402
from icot_tui.engine.run_folder import RunFolder  # noqa: E402
from icot_tui.tui.app.app import WorkbenchApp  # noqa: E402
from icot_tui.tui.session.run_app import ExitChoice  # noqa: E402
from tests.screens.panel_run import a_sample  # noqa: E402
from tests.screens.workbench import a_run, drive  # noqa: E402
from tests.session import screen as harness  # noqa: E402
from tests.session.screen import CONTROL, IN_SCREEN, PROGRAM, Screen, environment  # noqa: E402

Result = dict[str, object]
COUNTS = {"paint": 10, "keys": 100, "bytes": 1, "speed": 10, "redraw": 70, "drops": 10}
HELD = ("--set", "curriculum.min_steps=100000000", "--set", "curriculum.max_steps=100000000")
NO_EVALUATION = ("--set", "evaluation.every_steps=100000000")
WELCOME = "\x1b"
HELP_WORD = b"Shift-Tab"
DIGITS = [1.0, 0.9, 0.8, 0.7]
TEXT = 40
"""Characters beside blanks and frames that make a frame with text."""


@contextmanager
def launched(size: tuple[int, int], *options: str) -> Iterator[Screen]:
    """The demo with the screen, in a folder of its own; killed in the end."""
    with tempfile.TemporaryDirectory() as folder:
        arguments = ["launch", "demo", "--name", "tiny", *options]
        screen = Screen([*PROGRAM, *arguments], Path(folder), size, threads=None)
        try:
            yield screen
        finally:
            screen.close()


def settle(screen: Screen, step: int = 30) -> None:
    """Until it trains and the words of welcome are put away."""
    screen.wait_for_step(1)
    screen.type(WELCOME)
    screen.wait_for_step(step)


def first_frame(screen: Screen) -> float:
    """Seconds from the start of the process to a frame with text."""
    screen.wait_for(lambda: IN_SCREEN in screen.output)
    while True:
        seen = b""
        for when, piece in list(screen.pieces):
            seen += piece
            frame = CONTROL.sub(b"", seen.partition(IN_SCREEN)[2])
            if sum(character.isalnum() for character in frame.decode(errors="ignore")) >= TEXT:
                return when - screen.began
        time.sleep(0.005)


def paint(size: tuple[int, int], count: int) -> Result:
    """On a busy machine the processor time says more: what a quiet one would take at least."""
    seconds, busy = [], []
    for _ in range(count):
        with launched(size) as screen:
            seconds.append(first_frame(screen))
            busy.append(processor_time(screen.process.pid) + processor_time(screen.trainer()))
    print(f"first paint of launch: {spread(seconds)} s, of the processor {spread(busy)} s")
    return {"seconds": seconds, "processor_seconds": busy}


def processor_time(pid: int) -> float:
    times = psutil.Process(pid).cpu_times()
    return times.user + times.system


def keys(size: tuple[int, int], count: int) -> Result:
    """Help is opened by key; the answer is the first write that shows one of its words."""
    seconds = []
    with launched(size, *HELD, *NO_EVALUATION) as screen:
        settle(screen)
        for number in range(count):
            before = len(screen.pieces)
            pressed = time.monotonic()
            screen.type("?")
            seconds.append(answer(screen, before, pressed) - pressed)
            time.sleep(0.3 + 0.07 * (number % 7))
            screen.type("\x1b")
            time.sleep(0.6)
    p95 = sorted(seconds)[int(0.95 * (len(seconds) - 1) + 0.5)]
    print(f"key press to answer: {spread(seconds)} s, 95 % within {p95:.3f} s ({count} presses)")
    return {"p95_seconds": p95, "seconds": seconds}


def answer(screen: Screen, before: int, pressed: float) -> float:
    """When the help could be read."""
    while time.monotonic() < pressed + 10:
        seen = b""
        for when, piece in screen.pieces[before:]:
            seen += piece
            if HELP_WORD in CONTROL.sub(b"", seen):
                return when
        time.sleep(0.002)
    raise AssertionError("no answer to a key")


def bytes_a_second(size: tuple[int, int], seconds: float) -> Result:
    with launched(size, "--low-bandwidth") as screen:
        settle(screen)
        time.sleep(5)
        before, began = len(screen.output), time.monotonic()
        time.sleep(seconds)
        rate = (len(screen.output) - before) / (time.monotonic() - began)
    print(f"low bandwidth: {rate / 1000:.2f} KB/s over {seconds:.0f} s")
    return {"bytes_a_second": rate, "seconds": seconds}


def speed(size: tuple[int, int], rounds: int, slice_seconds: float) -> Result:
    ratios: list[float] = []
    measured: list[dict[str, float]] = []
    with tempfile.TemporaryDirectory() as folder, launched(size, *HELD, *NO_EVALUATION) as screen:
        settle(screen)
        pids = {"screen": [screen.trainer()]}
        send(pids["screen"], signal.SIGSTOP)
        command = [*PROGRAM, "train", "demo", "--quiet", *HELD, *NO_EVALUATION]
        headless = subprocess.Popen(
            command,
            cwd=folder,
            env=environment(Path(folder), threads=None),
            stdout=subprocess.DEVNULL,
            start_new_session=True,
        )
        pids["headless"] = [headless.pid]
        runs = {"screen": screen.run_folder, "headless": RunFolder(Path(folder, "runs/demo"))}
        try:
            while rate(runs["headless"], 0.0, time.time()) is None:
                time.sleep(0.2)
            send(pids["headless"], signal.SIGSTOP)
            for number in range(rounds):
                turn = ("screen", "headless") if number % 2 else ("headless", "screen")
                rates = {which: alone(pids[which], runs[which], slice_seconds) for which in turn}
                ratios.append(rates["screen"] / rates["headless"])
                measured.append(rates)
                print(
                    f"round {number + 1}: {rates['screen']:.1f} steps/s with the screen, "
                    f"{rates['headless']:.1f} without, ratio {ratios[-1]:.3f}",
                    flush=True,
                )
        finally:
            for each in (headless.pid, screen.process.pid):
                send([each], signal.SIGCONT)
            headless.kill()
            headless.wait()
    print(f"training with the screen at {size[0]}x{size[1]}: {spread(ratios)} of headless speed")
    return {"ratio": statistics.median(ratios), "ratios": ratios, "steps_a_second": measured}


def alone(pids: list[int], run: RunFolder, seconds: float) -> float:
    """Steps a second of one while the other is stopped."""
    send(pids, signal.SIGCONT)
    time.sleep(1.0)  # caches, and a redraw that was due
    began = time.time()
    time.sleep(seconds)
    ended = time.time()
    send(pids, signal.SIGSTOP)
    found = rate(run, began, ended)
    assert found is not None, "nothing was trained"
    return found


def rate(run: RunFolder, began: float, ended: float) -> float | None:
    """Steps a second by the journal's own times."""
    steps = [
        (when, event.step)
        for when, event in JournalReader(run.journal).events()
        if isinstance(event, StepsTrained) and began <= when <= ended
    ]
    if len(steps) < 2:
        return None
    (first, before), (last, after) = steps[0], steps[-1]
    return (after - before) / (last - first)


def send(pids: list[int], number: int) -> None:
    for pid in pids:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            continue


def redraw(size: tuple[int, int], count: int) -> Result:
    """Each shows 40 more steps of a run that is written here, every tenth an evaluation as well."""
    milliseconds: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        told = a_run(Path(folder))
        for number in range(6):
            for part in range(10):
                told.train(50, 1.0 + 0.06 * ((7 * number + 3 * part) % 5))
            told.evaluate(0.5 + 0.07 * number, DIGITS, a_sample("0 7 5 0"))
            if number < 5:
                told.remove()

        async def steps(app: WorkbenchApp, pilot: Pilot[ExitChoice]) -> None:
            app.set_timer = lambda *arguments, **named: None  # type: ignore[assignment,method-assign,misc]
            await pilot.pause(1.0)  # the last redraw that was due
            for number in range(-10, count):
                told.train(40, 0.5 + 0.03 * (number % 7))
                if number % 10 == 9:
                    told.evaluate(0.8 + 0.001 * number, DIGITS, a_sample("0 7 5 0"))
                app.redraws._drawn_at = 0.0
                before = time.thread_time()
                app.draw()
                for _ in range(4):
                    await asyncio.sleep(0.005)
                if number >= 0:  # the first ones fill caches
                    milliseconds.append(1000 * (time.thread_time() - before))

        drive(Path(folder), steps, told.source, size=size)
    print(f"a redraw with news: {spread(milliseconds)} ms of the processor ({count} redraws)")
    return {"milliseconds": milliseconds}


def drops(count: int) -> Result:
    """Two at a time; what failed is shown in full."""
    test = "tests/session/test_link_drops.py"
    command = [sys.executable, "-m", "pytest", "-q", "-n", "2", test, "-k", "loses_nothing"]
    done = subprocess.run(
        command,
        cwd=ROOT,
        env=os.environ | {"ICOT_TUI_LINK_DROPS": str(count)},
        stdout=subprocess.PIPE,
        text=True,
    )
    passed = re.search(r"(\d+) passed", done.stdout)
    survived = int(passed[1]) if passed else 0
    if survived < count:
        print(done.stdout)
    print(f"link drops: {survived} of {count} lost nothing")
    return {"drops": count, "survived": survived}


def spread(values: list[float]) -> str:
    """Median and range."""
    return f"{statistics.median(values):.3f} ({min(values):.3f} to {max(values):.3f})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=COUNTS)
    parser.add_argument("--size", default="120x40", help="columns x rows")
    parser.add_argument("--count", type=int, help="starts, presses, rounds or drops")
    parser.add_argument("--seconds", type=float, default=60.0, help="of bytes, or a slice of speed")
    given = parser.parse_args()
    harness.PATIENCE = 180.0  # the demo is larger than what tests train
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(1))  # what was started is ended
    columns, rows = (int(side) for side in given.size.split("x"))
    size, count = (columns, rows), given.count or COUNTS[given.what]
    match given.what:
        case "paint":
            result = paint(size, count)
        case "keys":
            result = keys(size, count)
        case "bytes":
            result = bytes_a_second(size, given.seconds)
        case "speed":
            result = speed(size, count, min(given.seconds, 10.0))
        case "redraw":
            result = redraw(size, count)
        case _:
            result = drops(count)
    print(json.dumps({"what": given.what, "size": given.size} | result))


if __name__ == "__main__":
    main()
