"""What the home screen says of each of its choices, and which command each is."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from icot_tui.formatting import age, count, percent, plain
from icot_tui.watch.runs import RunLine

GONE_ON = ("stopped", "dead")
"""Statuses of runs that can be resumed."""


@dataclass(frozen=True)
class HomeEntry:
    """A choice: the action it stands for, its name, and what is to be expected of it."""

    action: str
    label: str
    meaning: str


def entries(runs: Path, lines: Sequence[RunLine]) -> list[HomeEntry]:
    """The choices, given all runs, the newest first."""
    where = plain(str(runs))
    played = "ask any run's checkpoints, look inside"
    return [
        HomeEntry("latest", *_latest(lines)),
        HomeEntry("new", "new run", "pick a sample, change what matters, check, start"),
        HomeEntry(
            "runs", "runs", f"{count(len(lines), 'run')} in {where}" if lines else _none(where)
        ),
        HomeEntry(
            "play", "playground", played if lines else "once there is a run: ask it anything"
        ),
        HomeEntry("studies", "studies", "tables and figures of the papers, rerun and drawn"),
    ]


def _none(where: str) -> str:
    return f"none in {where} yet"


def latest_command(lines: Sequence[RunLine]) -> list[str]:
    """The arguments of `icot-tui` that go on with the latest run, or start the demo."""
    newest = _newest(lines)
    if newest is None:
        return ["launch", "demo"]
    path = str(newest.folder.path)
    return ["launch", "--resume", path] if newest.status in GONE_ON else ["attach", path]


def _newest(lines: Sequence[RunLine]) -> RunLine | None:
    """The run that commands take that are given none."""
    return next((line for line in lines if line.folder.config.is_file()), None)


def _latest(lines: Sequence[RunLine]) -> tuple[str, str]:
    """Name and meaning of going on with the latest run."""
    line = _newest(lines)
    if line is None:
        return "watch the demo", "three minutes on two CPU cores: a model learns to hide its steps"
    name = plain(line.name)
    removed = "" if line.of is None else f"{line.stage} of {line.of} tokens removed"
    right = "" if line.accuracy is None else f"exact match {percent(line.accuracy)}"
    began = "" if line.age is None else f"began {age(line.age)}"
    figures = ", ".join(filter(None, (line.status, removed, right, began)))
    verb = "resume" if line.status in GONE_ON else "look at"
    verb = "watch" if line.status in ("starting", "training", "paused", "stalled") else verb
    return f"{verb} {name}", figures
