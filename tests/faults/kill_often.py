"""Trains a small run again and again, killing it with SIGKILL at random moments.

Runs in a process of its own, which has loaded everything: it forks the trainer for each attempt, so
that a kill costs a fraction of a second, and hits the training and not an import. Half of the kills
come at any moment, half while a checkpoint is saved, an evaluation runs, or a removal is due. Of
two processes one is killed, or both. Prints one line a finished run.

    python -m tests.faults.kill_often FOLDER KILLS SEED [stepwise|distillation|two]
"""

import contextlib
import importlib
import os
import random
import select
import signal
import socket
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from icot_tui.curriculum.curriculum import Curriculum
from icot_tui.engine.checkpoints.store import Store
from icot_tui.engine.loop.trainer import Trainer
from icot_tui.engine.run_folder import RunFolder
from icot_tui.runs.new_run import create_run
from tests.forked import LOADED
from tests.methods.distillation.runs import distilled
from tests.tiny import tiny, train

CHECKPOINTS = {"keep": 3, "every_steps": 2}
CONFIGS = {
    "stepwise": tiny(checkpoints=CHECKPOINTS),
    "distillation": distilled(checkpoints=CHECKPOINTS),
    "two": tiny(checkpoints=CHECKPOINTS, train={"micro_batch_size": None}),
}
WATCHED = {
    "s": (Store, "save", "saving"),
    "o": (Store, "_retain", "removing old checkpoints"),
    "e": (Trainer, "evaluate", "evaluating"),
    "r": (Curriculum, "begin_step", "removing tokens"),
}
"""What is killed in: told by a small letter when it begins, by a capital one when it ends."""
ELSEWHERE = "training or starting"
PATIENCE = 60.0
"""Seconds in which the process that is left has to end by itself."""


@dataclass
class Aim:
    """Kill so many seconds after the count-th beginning of something ("" and 1: the start)."""

    what: str
    count: int
    seconds: float


@dataclass
class Trainers:
    """The forked processes of one attempt, and what the first one does at the moment."""

    processes: list[int]
    told: int
    inside: list[str] = field(default_factory=list)
    begun: Counter[str] = field(default_factory=Counter)
    took: list[tuple[str, float]] = field(default_factory=list)
    _since: list[float] = field(default_factory=list)

    def listen(self, until: float | None) -> bool:
        """Take what is told until then, or one piece of it; False once the process has ended."""
        left = None if until is None else max(0.0, until - time.monotonic())
        if not select.select([self.told], [], [], left)[0]:
            return True
        letter = os.read(self.told, 1).decode()
        if letter.islower():
            self.inside.append(letter)
            self.begun[letter] += 1
            self._since.append(time.monotonic())
        elif letter:
            self.took.append((self.inside.pop(), time.monotonic() - self._since.pop()))
        return bool(letter)

    def kill(self, aim: Aim, among: list[int]) -> bool:
        """Kill those processes at the moment that is aimed at; False if all ended before it."""
        while self.begun[aim.what] < aim.count and aim.what:
            if not self.listen(None):
                return False
        moment = time.monotonic() + aim.seconds
        while time.monotonic() < moment:
            if not self.listen(moment):
                return False
        for process in among:
            os.kill(process, signal.SIGKILL)
        return True

    def wait(self) -> list[int]:
        """The exit statuses, once what was told to the end is read."""
        while self.listen(time.monotonic() + PATIENCE):
            pass
        statuses = []
        for process in self.processes:
            deadline = time.monotonic() + PATIENCE
            while not (done := os.waitpid(process, os.WNOHANG))[0]:
                assert time.monotonic() < deadline, "the process that was left hangs"
                time.sleep(0.002)
            statuses.append(os.waitstatus_to_exitcode(done[1]))
        os.close(self.told)
        return statuses


def telling(letter: str, method: Callable[..., object], tell: int) -> Callable[..., object]:
    """The method, which also tells when it begins and ends."""

    def told(*arguments: Any) -> object:
        if letter == "r" and not arguments[0].due():
            return method(*arguments)
        os.write(tell, letter.encode())
        try:
            return method(*arguments)
        finally:
            os.write(tell, letter.upper().encode())

    return told


def start(folder: RunFolder, processes: int) -> Trainers:
    """Train in so many forked processes."""
    told, tell = os.pipe()
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    children = []
    for rank in range(processes):
        child = os.fork()
        if child == 0:
            status = 1
            try:
                _train(folder, rank, processes, port, tell)
                status = 0
            finally:
                os._exit(status)
        children.append(child)
    os.close(tell)
    return Trainers(children, told)


def _train(folder: RunFolder, rank: int, processes: int, port: int, tell: int) -> None:
    if rank == 0:
        for letter, (owner, name, _) in WATCHED.items():
            setattr(owner, name, telling(letter, getattr(owner, name), tell))
    else:
        os.close(tell)
    if processes > 1:
        given = {"WORLD_SIZE": processes, "LOCAL_WORLD_SIZE": processes, "MASTER_PORT": port}
        given |= {"RANK": rank, "LOCAL_RANK": rank}
        os.environ.update({name: str(value) for name, value in given.items()})
        os.environ["MASTER_ADDR"] = "127.0.0.1"
        with open(os.devnull, "w") as nothing:  # what is left complains about what was killed
            os.dup2(nothing.fileno(), 2)
    train(folder)


@dataclass
class Killer:
    """Kills the trainings of one config, each until it has got to its end in spite of it."""

    runs: Path
    method: str
    dice: random.Random
    hit: Counter[str] = field(default_factory=Counter)

    @property
    def processes(self) -> int:
        return 2 if self.method == "two" else 1

    def undisturbed(self) -> tuple[float, list[tuple[str, float]]]:
        """Seconds of a whole training, and of what is watched in it."""
        began = time.monotonic()
        trainers = start(create_run(CONFIGS[self.method], self.runs), self.processes)
        assert not any(trainers.wait()), "a trainer failed by itself"
        return time.monotonic() - began, trainers.took

    def aim(self, whole: float, took: list[tuple[str, float]]) -> Aim:
        """At any moment, or at one inside something."""
        if self.dice.random() < 0.5:
            return Aim("", 1, self.dice.uniform(0.1, 0.9) * whole)
        what = self.dice.choice(sorted({each for each, _ in took}))
        seconds = self.dice.choice([time for each, time in took if each == what])
        return Aim(what, self.dice.randrange(1, 4), self.dice.random() * seconds)

    def attempt(self, folder: RunFolder, aim: Aim | None) -> bool:
        """Train, killed at the moment that is aimed at; True when it got to the end."""
        trainers = start(folder, self.processes)
        victims = trainers.processes
        if len(victims) > 1 and self.dice.random() < 0.7:
            victims = [self.dice.choice(victims)]
        killed = False
        if aim is not None:
            with contextlib.suppress(ProcessLookupError):
                killed = trainers.kill(aim, victims)
        statuses = trainers.wait()
        if killed and any(statuses):
            inside = trainers.inside
            self.hit[WATCHED[inside[-1]][2] if inside else ELSEWHERE] += 1
            return False
        assert not any(statuses), f"a trainer failed by itself: {statuses}"
        return True


def main() -> None:
    """Kill so often; every run is trained to its end in spite of it."""
    runs, kills, seed = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    torch.set_num_threads(1)
    for name in LOADED:  # those that are not there yet
        importlib.import_module(name)
    method = sys.argv[4] if len(sys.argv) > 4 else "stepwise"
    killer = Killer(runs, method, random.Random(seed))
    killer.undisturbed()  # the first one makes the data
    whole, took = killer.undisturbed()
    while killer.hit.total() < kills:
        folder = create_run(CONFIGS[method], runs)
        while not killer.attempt(
            folder, killer.aim(whole, took) if killer.hit.total() < kills else None
        ):
            pass
        print(folder.path, killer.hit.total(), flush=True)
    print(*(f"{number} {words}" for words, number in killer.hit.items()), sep=", ", file=sys.stderr)


if __name__ == "__main__":
    main()
