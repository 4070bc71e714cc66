"""What a run's journal says of it: evaluations along the way, and when tokens went."""

from dataclasses import dataclass
from pathlib import Path

from icot_tui.config import load_config, method_of
from icot_tui.engine.checkpoints.checkpoint import list_checkpoints, stage_of
from icot_tui.engine.journal.events import PhaseBegan, RunStarted
from icot_tui.engine.journal.journal import JournalReader
from icot_tui.engine.journal.summary import Evaluation, RunSummary
from icot_tui.engine.run_folder import RunFolder


@dataclass(frozen=True)
class Point:
    """One evaluation on the validation split; `seconds` of training before it."""

    step: int
    seconds: float
    removed: int
    implicit: bool
    exact_match: float


class Outcome:
    """A run as its journal has it.

    points            evaluations; of a run of several trainings, those of the last
    internalized_at   (step, seconds of training) when the last token went
    phase             which training the points and the result belong to, in runs of several
    asked             what became of the questions, for a model that was only prompted
    seconds           spent training or asking, evaluations and pauses left out
    explicit          is the chain of thought to be written, or left to a prompted model?
    eligible          points that the result may come from; with nothing written if that is the aim
    best              the best of these; None where not all of the chain of thought was removed

    Raises:
        UserError: the run's config can't be read.
    """

    def __init__(self, run: RunFolder) -> None:
        self.run, self.config = run, load_config(run.config).config
        self.summary = RunSummary(self.config)
        versions: dict[str, None] = {}
        for time, event in JournalReader(run.journal).events():
            self.summary.add(time, event)
            if isinstance(event, RunStarted):
                versions[event.version] = None
        self.versions = tuple(versions)
        metrics, removes = self.summary.metrics, method_of(self.config).removes_tokens
        self.internalized_at = metrics.internalized if removes else None
        self.phase = _number_and_name(metrics.phase)
        same = [one for one in metrics.evaluations if _number_and_name(one.phase) == self.phase]
        self.points = tuple(_point(one, self.summary.greatest_stage) for one in same)
        self.asked = self.summary.asked
        self.seconds = metrics.seconds if self.asked is None else self.asked.seconds
        self.explicit = method_of(self.config).writes_cot
        self.eligible = [point for point in self.points if point.implicit or self.explicit]
        self.best = max(self.eligible, key=lambda point: point.exact_match, default=None)

    @property
    def missed(self) -> float | None:
        """The exact match at which its training was to stop, if it ended before."""
        if self.asked is not None:
            return None
        configs = {each.label: each.config for each in method_of(self.config).phases(self.config)}
        train = configs.get(self.phase, self.config).train
        target, best = train.target_accuracy, self.best
        reached = best is not None and target is not None and best.exact_match >= target
        return None if reached else target

    def checkpoint(self) -> Path | None:
        """The checkpoint of the best evaluation, or the newest that may be the result."""
        saved = list_checkpoints(self.run.checkpoints, self.phase)
        best = self.best
        if best is None or not saved:
            return None
        first = min(point.step for point in self.eligible)
        same = [one.path for one in saved if one.step == best.step]
        later = [one.path for one in saved if one.step >= first]
        return next(reversed(same or later), None)

    def checkpoints(self) -> tuple[list[tuple[int, Path]], list[str]]:
        """(removed tokens, folder) of the newest kept checkpoint of each stage, by stage.

        With everything removed, of the best one. And the names of those whose state is damaged.
        """
        most = self.summary.greatest_stage
        found: dict[int, Path] = {}
        damaged = []
        trained = (one for one in list_checkpoints(self.run.checkpoints, self.phase) if one.step)
        for saved in trained:
            stage = stage_of(saved)
            if stage is None:
                damaged.append(saved.name)
            else:
                found[stage if most is None else min(stage, most)] = saved.path
        best = self.checkpoint()
        if best is not None and not self.explicit and found:
            found[max(found)] = best
        return sorted(found.items()), damaged


def _number_and_name(phase: PhaseBegan | None) -> str:
    """A training as its checkpoints are called; empty in runs of one."""
    return "" if phase is None else f"{phase.number}-{phase.phase}"


def _point(evaluation: Evaluation, most: int | None) -> Point:
    result = evaluation.result
    return Point(
        step=result.step,
        seconds=evaluation.seconds,
        removed=result.stage if most is None else min(result.stage, most),
        implicit=result.implicit,
        exact_match=result.exact_match,
    )
