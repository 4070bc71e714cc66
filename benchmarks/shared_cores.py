"""A training whose cores another process wants too: how long OpenMP's threads should spin.

    PYTHONPATH=. python benchmarks/shared_cores.py [--beside nothing loop training] [--rounds 6]
        [--spins default 3000 ...]

Each setting of GOMP_SPINCOUNT has a training of the demo with a thread per core. They are stopped
and let go on in turns, so that all meet the same machine; beside them runs nothing, a loop that
takes all it gets of a core, or a second training like the first. `default` is libgomp's own.
"""

import argparse
import contextlib
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

ENDLESS = (
    "--set=train.target_accuracy=",
    "--set=train.decay_steps=",
    "--set=train.max_steps=1000000",
    "--set=evaluation.every_steps=1000000",
    "--set=train.observe_every=1",
    "--quiet",
)
SETTLE_SECONDS = 0.5
SOON_SECONDS = 120


class Line(msgspec.Struct):
    """What is read of a journal's line."""

    step: int | None = None


@dataclass
class Training:
    """A demo that trains in a process of its own, stopped where it isn't told to go on."""

    journal: Path
    process: subprocess.Popen[bytes]

    @classmethod
    def start(cls, runs: Path, name: str, spins: str) -> "Training":
        environment = {key: value for key, value in os.environ.items() if "OMP_" not in key}
        # 300,000 is what libgomp takes by itself; icot-tui sets another where none is set.
        environment["GOMP_SPINCOUNT"] = "300000" if spins == "default" else spins
        command = [sys.executable, "-m", "icot_tui", "train", "demo", "--name", name, *ENDLESS]
        errors = runs / f"{name}.txt"
        with errors.open("wb") as stderr:
            process = subprocess.Popen(
                [*command, "--runs", str(runs)], env=environment, stderr=stderr
            )
        training = cls(runs / name / "journal.jsonl", process)
        end = time.monotonic() + SOON_SECONDS
        while training.step() < 10:
            if process.poll() is not None or time.monotonic() > end:
                sys.exit(f"{name} did not come to its tenth step: {errors.read_text()}")
            time.sleep(0.1)
        process.send_signal(signal.SIGSTOP)
        return training

    def step(self) -> int:
        """The last step that the journal tells of."""
        with contextlib.suppress(FileNotFoundError):
            for line in reversed(self.journal.read_bytes().split(b"\n")):
                if line.startswith(b"{") and line.endswith(b"}") and b'"StepsTrained"' in line:
                    return msgspec.json.decode(line, type=Line).step or 0
        return 0

    @contextlib.contextmanager
    def going_on(self) -> Iterator[None]:
        self.process.send_signal(signal.SIGCONT)
        yield
        self.process.send_signal(signal.SIGSTOP)


def rates(
    trainings: Sequence[Sequence[Training]], rounds: int, seconds: float
) -> list[list[float]]:
    """Steps a second of the first of each group, round by round."""
    found: list[list[float]] = [[] for _ in trainings]
    order = list(range(len(trainings)))
    for _ in range(rounds):
        for index in order:
            first = trainings[index][0]
            with contextlib.ExitStack() as going_on:
                for training in trainings[index]:
                    going_on.enter_context(training.going_on())
                time.sleep(SETTLE_SECONDS)
                before, began = first.step(), time.monotonic()
                time.sleep(seconds)
                found[index].append((first.step() - before) / (time.monotonic() - began))
        order.reverse()
    return found


def compare(beside: str, spins: Sequence[str], rounds: int, seconds: float) -> None:
    """Print a line for each setting."""
    with tempfile.TemporaryDirectory() as folder:
        count = 2 if beside == "training" else 1
        trainings: list[list[Training]] = []
        loop = None
        try:
            for spin in spins:
                group: list[Training] = []
                trainings.append(group)
                for number in range(count):
                    group.append(Training.start(Path(folder), f"spins-{spin}-{number}", spin))
            if beside == "loop":
                loop = subprocess.Popen([sys.executable, "-c", "while True: pass"])
            found = rates(trainings, rounds, seconds)
        finally:
            for process in [one.process for group in trainings for one in group]:
                process.kill()
                process.wait()
            if loop:
                loop.kill()
    for spin, rate in zip(spins, found, strict=True):
        ratios = sorted(one / other for one, other in zip(rate, found[0], strict=True))
        middle = statistics.median(ratios)
        print(
            f"beside {beside:8}  spins {spin:>7}  {1000 / statistics.median(rate):6.1f} ms a step"
            f"  {middle:.2f} times as fast as {spins[0]} ({ratios[0]:.2f} to {ratios[-1]:.2f})",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--beside", nargs="+", default=["nothing", "loop", "training"])
    parser.add_argument("--spins", nargs="+", default=["default", "3000"])
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--seconds", type=float, default=4.0)
    given = parser.parse_args()
    for beside in given.beside:
        compare(beside, given.spins, given.rounds, given.seconds)


if __name__ == "__main__":
    main()
