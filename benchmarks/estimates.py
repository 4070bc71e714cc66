"""How often the truth lies in the range that a running run tells, and how wide the ranges are.

    python benchmarks/estimates.py RUNS... [--points 40]

RUNS are run folders, or folders of them. Each journal is replayed; at regular
steps the estimator of the screen is asked when all tokens will be removed and when the run will
end, and its answers, in seconds of the clock, are compared with what happened then. A range is
told or refused; its width is the latest time divided by the earliest.
"""

import argparse
import math
import statistics
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from icot_tui.config.loading import load_config
from icot_tui.engine.journal.events import RunEnded
from icot_tui.engine.journal.journal import JournalReader
from icot_tui.engine.journal.summary import RunSummary
from icot_tui.watch.time_left import Forecast, at_most, until_all_removed, until_end

NEVER = 1 << 60
Estimator = Callable[[RunSummary], Forecast | None]


def latest_end(summary: RunSummary) -> Forecast | None:
    """What is told where no range is: "at most"."""
    if until_end(summary) is not None or (seconds := at_most(summary)) is None:
        return None
    return Forecast((0, (summary.last_step() or 0) - summary.metrics.step), (0.0, seconds))


QUESTIONS: dict[str, Estimator] = {
    "all removed": until_all_removed,
    "end": until_end,
    "end, at most": latest_end,
}
HAPPENS = {"end, at most": "end"}


@dataclass
class Score:
    """Of one question: how often it was asked and told, when the truth was within, the widths."""

    asked: int = 0
    inside: int = 0
    inside_steps: int = 0
    widths: list[float] = field(default_factory=list)

    def add(self, told: Forecast | None, seconds: float, steps: int) -> None:
        self.asked += 1
        if told is None:
            return
        low, high = told.seconds
        self.inside += low <= seconds <= high
        self.inside_steps += told.steps[0] <= steps <= told.steps[1]
        self.widths.append(high / low if low else math.inf)

    def merge(self, other: "Score") -> None:
        self.asked += other.asked
        self.inside += other.inside
        self.inside_steps += other.inside_steps
        self.widths += other.widths

    def cells(self) -> list[str]:
        told = len(self.widths)
        if not told:
            return [str(self.asked), "0", "–", "–", "–"]
        inside, steps = (f"{100 * many / told:.0f} %" for many in (self.inside, self.inside_steps))
        return [str(self.asked), str(told), inside, steps, f"{statistics.median(self.widths):.1f}"]


def truths(run: Path) -> dict[str, tuple[float, int]] | None:
    """(time, step) at which each thing happened; None of a run in which nothing did.

    Of a run that was stopped before its end only the removal is known.
    """
    summary = RunSummary(load_config(run / "config.toml").config)
    found: dict[str, tuple[float, int]] = {}
    for when, event in JournalReader(run / "journal.jsonl").events():
        before = summary.metrics.everything_removed_at
        summary.add(when, event)
        if before is None and summary.metrics.everything_removed_at is not None:
            found["all removed"] = when, event.step
        if isinstance(event, RunEnded) and event.finished:
            found["end"] = when, event.step
    return found or None


def replay(run: Path, points: int) -> dict[str, Score] | None:
    """The scores of one run."""
    truth = truths(run)
    if truth is None:
        return None
    scores = {what: Score() for what in QUESTIONS}
    summary = RunSummary(load_config(run / "config.toml").config)
    every, asked = max(step for _, step in truth.values()) / points, 0
    for when, event in JournalReader(run / "journal.jsonl").events():
        summary.add(when, event)
        if event.step < (asked + 1) * every:
            continue
        asked += 1
        for what, estimator in QUESTIONS.items():
            happened, step = truth.get(HAPPENS.get(what, what), (math.inf, NEVER))
            known = step < NEVER or ("end" in truth and estimator(summary) is not None)
            if when < happened and known:
                scores[what].add(estimator(summary), happened - when, step - summary.metrics.step)
    return scores


def folders(paths: list[Path]) -> Iterator[Path]:
    for path in paths:
        if (path / "journal.jsonl").exists():
            yield path
        else:
            yield from sorted(each.parent for each in path.glob("*/journal.jsonl"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", type=Path, nargs="+")
    parser.add_argument("--points", type=int, default=40, help="times that each run is asked")
    given = parser.parse_args()
    print("| run | when is | asked | told | truth inside | steps inside | latest / earliest |")
    print("|---" * 7 + "|")
    totals, runs = {what: Score() for what in QUESTIONS}, 0
    for folder in folders(given.runs):
        scores = replay(folder, given.points)
        runs += scores is not None
        for what, score in (scores or {}).items():
            totals[what].merge(score)
            if score.asked:
                print(f"| {folder.name} | {what} | {' | '.join(score.cells())} |")
    both = Score()
    for what, score in totals.items():
        if what not in HAPPENS:
            both.merge(score)
        print(f"| **{runs} runs** | {what} | {' | '.join(score.cells())} |")
    print(f"| **{runs} runs** | both | {' | '.join(both.cells())} |")


if __name__ == "__main__":
    main()
