"""The whole campaign of injected faults, with the generators of the tests.

    PYTHONPATH=. python benchmarks/faults.py [--share 0.1] [--only kills,drops,...] [--seed 0]

1,000 kills (of a stepwise run, of ICoT-KD's four trainings, of one or both of two processes), 200
dropped links, 300 run and model folders with something odd in them, 300 data lines, 200 configs,
5,000 keys; --share takes that part of each. Counted are trainings that lost
something (other weights or another journal than undisturbed), what took longer than its limit, and
what ended in an error that is no sentence. The table is Markdown; each failure is listed below it.
"""

import argparse
import contextlib
import io
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from icot_tui.cli.app import run
from icot_tui.config.loading import dump_toml
from icot_tui.config.toml import leaves
from icot_tui.engine.run_folder import RunFolder
from tests.faults.foreign import (
    KINDS,
    PARTS,
    TooLong,
    foreign_run,
    is_untouched,
    stopped_run,
    within,
)
from tests.faults.test_model_folders import DAMAGES, make_whole
from tests.forked import ROOT, ForkedProcess
from tests.methods.distillation.runs import all_tensors
from tests.screens.random_keys import walk_over_the_workbench
from tests.tiny import assert_same, news, tiny, train_new

LIMIT = 30.0
"""Seconds that one command may take."""
WALK = 250
"""Keys before the screen is opened anew."""
CONFIG = tiny(checkpoints={"keep": 3, "every_steps": 2})
ODD: tuple[str, ...] = (
    "",
    "0",
    "-1",
    "1e308",
    "99999999999999999999",
    "inf",
    "nan",
    "true",
    "[]",
    "[[1]]",
    "{a=1}",
)
ODD += ('"x"', '"\\u001b[31m"', '"/dev/zero"', '"../../.."', "1979-05-27", "[" * 2000, '"""\n"""')
PIECES: tuple[str, ...] = (
    "||",
    "####",
    "#",
    "|",
    "\x00",
    "\x1b[31m",
    "\u202e",
    "\u2028",
    "\ud800",
    "9" * 400,
)
PIECES += (" ", "\t", "\r", "<<1+1=2>>", "ᠠ", "é", "x" * 5000)

Outcome = tuple[str, str]
"""What went wrong: lost, hang or traceback; and what it was."""


def command(arguments: list[str], what: str) -> list[Outcome]:
    """Run a command here; what went wrong."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
        try:
            with within(LIMIT):
                run(arguments)
        except TooLong:
            return [("hang", what)]
        except BaseException as error:
            return [("traceback", f"{what}: {error!r}")]
    said = printed.getvalue()
    bad = "unexpected" in said or "Traceback" in said
    return [("traceback", f"{what}: {said[-200:]}")] if bad else []


def same(folder: RunFolder, undisturbed: RunFolder) -> list[Outcome]:
    """Has a training lost anything?"""
    try:
        assert_same(all_tensors(folder), all_tensors(undisturbed))
        assert news(folder, ("Warned",)) == news(undisturbed, ("Warned",)), "another journal"
    except Exception as error:
        return [("lost", f"{folder.path}: {error!r}")]
    return []


def kills(method: str, count: int, seed: int, root: Path) -> Iterator[list[Outcome]]:
    """SIGKILL at random moments, until each run is at its end."""
    program = [sys.executable, "-m", "tests.faults.kill_often", str(root), str(count), str(seed)]
    done = subprocess.run([*program, method], capture_output=True, text=True, cwd=ROOT, check=False)
    if done.returncode:
        yield [("hang" if "hangs" in done.stderr else "lost", done.stderr[-500:])]
    else:
        print(f"killed while: {done.stderr.splitlines()[-1]}")
    lines = [line.rsplit(" ", 1) for line in done.stdout.splitlines()]
    before = 0
    for path, killed in lines:
        found = same(RunFolder(Path(path)), RunFolder(root / "tiny"))
        yield from ([one] for one in found)
        yield from ([] for _ in range(int(killed) - before - len(found)))
        before = int(killed)


def drops(count: int, seed: int, root: Path) -> Iterator[list[Outcome]]:
    """The terminal hangs up at a random moment; the training goes on to its end."""
    dice = random.Random(seed)
    undisturbed = train_new(root / "whole", CONFIG)
    config = root / "config.toml"
    config.write_text(dump_toml(CONFIG))
    for number in range(count):
        runs, (master, slave) = root / str(number), os.openpty()
        arguments = ["train", str(config), "--runs", str(runs)]
        process = ForkedProcess(
            arguments,
            ROOT,
            os.environ,
            start_new_session=True,
            stdin=slave,
            stdout=slave,
            stderr=slave,
        )
        os.close(slave)
        time.sleep(dice.uniform(0.0, 2.0))
        os.close(master)  # the kernel sends SIGHUP
        try:
            status = process.wait(10 * LIMIT)
            found = same(RunFolder(runs / "tiny"), undisturbed) if status == 0 else []
            # Before its handlers are there, a hang-up ends a process that has made nothing yet.
            early = status == -signal.SIGHUP and not (runs / "tiny" / "journal.jsonl").exists()
            yield found if status == 0 or early else [("lost", f"drop {number}: status {status}")]
        except subprocess.TimeoutExpired:
            process.kill()
            yield [("hang", f"drop {number}")]
        shutil.rmtree(runs, ignore_errors=True)


def folders(count: int, seed: int, root: Path) -> Iterator[list[Outcome]]:
    """Run folders with something odd in place of a file, and damaged model folders, in turn."""
    stopped = stopped_run(root / "stopped")
    dice, whole = random.Random(seed), make_whole(root)
    odd = [(part, kind) for part in PARTS for kind in KINDS]
    dice.shuffle(odd)
    for number in range(count):
        place = root / f"folder-{number}"
        if number % 2:
            folder, damage = DAMAGES[number // 2 % len(DAMAGES)]
            shutil.copytree(whole / folder, place)
            damage(place, random.Random(seed + number))
            data = ["--data", str(whole / "test.txt"), "--stage", "0", "--no-speed"]
            yield command(["eval", str(place), *data], f"{damage.__name__} in a model folder")
        else:
            (part, kind), runs = odd[number // 2 % len(odd)], place / "runs"
            runs.mkdir(parents=True)
            made, found = foreign_run(stopped, runs, part, kind), []
            for words in ("runs list --runs RUNS", "runs show RUN", "eval RUN", "resume RUN -q"):
                places = {"RUN": str(made.path), "RUNS": str(runs)}
                arguments = [places.get(word, word) for word in words.split()]
                found += command(arguments, f"{words}, {kind} for {part}")
            yield found if is_untouched(made) else [*found, ("lost", f"{kind} for {part}")]
        shutil.rmtree(place, ignore_errors=True)


def lines(count: int, seed: int, root: Path) -> Iterator[list[Outcome]]:
    """Lines of data with pieces put in, taken out or repeated."""
    dice = random.Random(seed)
    for number in range(count):
        line = f"{dice.randrange(99)} * {dice.randrange(99)}||1 2 + 3 4 #### {dice.randrange(999)}"
        for _ in range(dice.randrange(1, 4)):
            at, to = sorted(dice.choices(range(len(line) + 1), k=2))
            line = line[:at] + dice.choice([*PIECES, "", line[at:to] * 2]) + line[to:]
        path = root / f"{number}.txt"
        path.write_bytes(f"1 * 2||2 #### 2\n{line}\n".encode(errors="surrogatepass"))
        yield command(["data", "stats", str(path)], repr(line[:200]))


def configs(count: int, seed: int, root: Path) -> Iterator[list[Outcome]]:
    """One to three values of a config replaced by odd ones; what is taken is trained for a step."""
    dice, path = random.Random(seed), root / "odd.toml"
    keys = [".".join(map(str, key)) for key, _ in leaves(CONFIG.model_dump())]
    path.write_text(dump_toml(CONFIG))
    for _ in range(count):
        changes = [f"{dice.choice(keys)}={dice.choice(ODD)}" for _ in range(dice.randrange(1, 4))]
        arguments = [word for change in changes for word in ("--set", change)]
        arguments += ["--set", "train.max_steps=1", "--set", "train.decay_steps=0"]
        runs = ["--quiet", "--runs", str(root / "runs")]
        yield command(["train", str(path), *arguments, *runs], f"{changes}"[:200])


def keys(count: int, seed: int, root: Path) -> Iterator[list[Outcome]]:
    """Random keys over all screens of a watched run."""
    for number in range(-(-count // WALK)):
        runs = root / f"walk-{number}"
        runs.mkdir()
        found = []
        try:
            pressed = len(walk_over_the_workbench(runs, seed + number, WALK))
        except TimeoutError:
            found, pressed = [("hang", f"walk {seed + number}")], WALK
        except Exception as error:
            found, pressed = [("traceback", f"walk {seed + number}: {error!r}")], WALK
        yield found
        yield from ([] for _ in range(pressed - 1))


Campaign = Callable[[int, int, Path], Iterator[list[Outcome]]]
CAMPAIGNS: dict[str, tuple[Campaign, int]] = {
    "kills": (partial(kills, "stepwise"), 400),
    "kills-distillation": (partial(kills, "distillation"), 300),
    "kills-two": (partial(kills, "two"), 300),
    "drops": (drops, 200),
    "folders": (folders, 300),
    "lines": (lines, 300),
    "configs": (configs, 200),
    "keys": (keys, 5000),
}


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--share", type=float, default=1.0)
    options.add_argument("--only", default=",".join(CAMPAIGNS))
    options.add_argument("--seed", type=int, default=0)
    given = options.parse_args()
    failures: list[Outcome] = []
    print("| faults | tried | lost | hangs | tracebacks | minutes |\n|---|---|---|---|---|---|")
    for name in given.only.split(","):
        campaign, whole = CAMPAIGNS[name]
        with tempfile.TemporaryDirectory() as folder:
            began, tried, found = time.monotonic(), 0, []
            for outcome in campaign(max(1, round(whole * given.share)), given.seed, Path(folder)):
                tried += 1
                found += outcome
        counts = [sum(kind == wanted for kind, _ in found) for wanted in ("lost", "hang")]
        counts.append(sum(kind == "traceback" for kind, _ in found))
        minutes = (time.monotonic() - began) / 60
        row = " | ".join(f"{number:,}" for number in (tried, *counts))
        print(f"| {name} | {row} | {minutes:.1f} |", flush=True)
        failures += found
    for kind, what in failures:
        print(f"{kind}: {what}")
    sys.exit(bool(failures))


if __name__ == "__main__":
    main()
