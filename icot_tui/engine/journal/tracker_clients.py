"""Experiment trackers behind one small interface; each library is imported when it is used.

A number is a point of a curve, a table is rows of texts, a page is Markdown.
"""

import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

from icot_tui.errors import UserError, reason

Numbers = Mapping[str, float]
Rows = Sequence[Sequence[str]]


@dataclass(frozen=True, kw_only=True)
class TrackedRun:
    """What a tracker is told of a run before anything else.

    Attributes:
        name: of the run.
        project: project or experiment that it belongs to there.
        config: values by dotted key.
        tags: short words.
        files: a folder for the files of TensorBoard, and of W&B while it is offline.
    """

    name: str
    project: str
    config: Mapping[str, str | int | float]
    tags: tuple[str, ...]
    files: Path


class Tracker(Protocol):
    """A run in a tracker; `time` is in seconds since the epoch."""

    def log(self, numbers: Numbers, step: int, time: float) -> None:
        """Add a point to each of these curves."""

    def table(self, name: str, columns: Sequence[str], rows: Rows, step: int) -> None:
        """Show rows of texts."""

    def page(self, name: str, text: str) -> None:
        """Show Markdown."""

    def close(self, failed: bool) -> None:
        """Write what is left; the run is over, with an error if it failed."""


class TensorBoard:
    """Event files; W&B's and MLflow's tags and configs are texts here.

    A run there is a folder. Each start but the first gets one in it, since of two starts in one
    folder TensorBoard shows a mixture (findings/tensorboard-resumed-run-three-pictures.sh).
    """

    def __init__(self, run: TrackedRun) -> None:
        from torch.utils.tensorboard import SummaryWriter

        folder, starts = run.files, 1
        while any(folder.glob("events.out.tfevents.*")):
            starts += 1
            folder = run.files / f"start-{starts}"
        self._writer: Any = SummaryWriter(str(folder))
        told = {"name": run.name, "tags": ", ".join(run.tags), **run.config}
        self.page("config", _markdown(("key", "value"), [(k, str(v)) for k, v in told.items()]))

    def log(self, numbers: Numbers, step: int, time: float) -> None:
        for name, value in numbers.items():
            self._writer.add_scalar(name, value, step, time)

    def table(self, name: str, columns: Sequence[str], rows: Rows, step: int) -> None:
        self._writer.add_text(name, _markdown(columns, rows), step)

    def page(self, name: str, text: str) -> None:
        self._writer.add_text(name, text)

    def close(self, failed: bool) -> None:
        self._writer.close()


class WandB:
    """Weights & Biases; WANDB_MODE=offline writes to the run's folder alone."""

    def __init__(self, run: TrackedRun) -> None:
        import wandb

        run.files.mkdir(parents=True, exist_ok=True)
        self._wandb: Any = wandb
        self._run: Any = wandb.init(
            project=run.project,
            name=run.name,
            config=dict(run.config),
            tags=[tag[:64] for tag in run.tags],
            dir=str(run.files),
            reinit="create_new",
        )

    def log(self, numbers: Numbers, step: int, time: float) -> None:
        self._run.log({**numbers, "wall_time": time}, step=step)

    def table(self, name: str, columns: Sequence[str], rows: Rows, step: int) -> None:
        data = [list(row) for row in rows]
        self._run.log({name: self._wandb.Table(columns=list(columns), data=data)}, step=step)

    def page(self, name: str, text: str) -> None:
        self._run.summary[name] = text

    def close(self, failed: bool) -> None:
        self._run.finish(exit_code=int(failed))


class MLflow:
    """MLflow, where MLFLOW_TRACKING_URI says, or in its own default place."""

    def __init__(self, run: TrackedRun) -> None:
        from mlflow.entities import Metric, Param
        from mlflow.tracking import MlflowClient

        self._metric: Any = Metric
        self._client: Any = MlflowClient()
        experiment = self._client.get_experiment_by_name(run.project)
        number = experiment and experiment.experiment_id
        made = self._client.create_run(
            number or self._client.create_experiment(run.project),
            run_name=run.name,
            tags={tag: "true" for tag in run.tags},
        )
        self._run: str = made.info.run_id
        # An empty value is refused by some stores, and 100 are taken at a time.
        params = [Param(key, str(value)[:6000] or '""') for key, value in run.config.items()]
        for first in range(0, len(params), 100):
            self._client.log_batch(self._run, params=params[first : first + 100])

    def log(self, numbers: Numbers, step: int, time: float) -> None:
        when = int(time * 1000)
        points = [self._metric(name, value, when, step) for name, value in numbers.items()]
        self._client.log_batch(self._run, metrics=points)

    def table(self, name: str, columns: Sequence[str], rows: Rows, step: int) -> None:
        content = {"columns": list(columns), "data": [list(row) for row in rows]}
        self._client.log_text(self._run, json.dumps(content), f"{name}/step-{step:08d}.json")

    def page(self, name: str, text: str) -> None:
        self._client.log_text(self._run, text, f"{name}.md")

    def close(self, failed: bool) -> None:
        self._client.set_terminated(self._run, "FAILED" if failed else "FINISHED")


class Trackio:
    """trackio, which keeps its files where TRACKIO_DIR says, and prints."""

    def __init__(self, run: TrackedRun) -> None:
        import trackio

        config = {**run.config, "tags": ", ".join(run.tags)}
        self._trackio: Any = trackio
        self._run: Any = trackio.init(
            project=run.project, name=run.name, config=config, embed=False, auto_log_gpu=False
        )

    def log(self, numbers: Numbers, step: int, time: float) -> None:
        self._run.log({**numbers, "wall_time": time}, step=step)

    def table(self, name: str, columns: Sequence[str], rows: Rows, step: int) -> None:
        import pandas

        frame = pandas.DataFrame([list(row) for row in rows], columns=list(columns))
        self._run.log({name: self._trackio.Table(dataframe=frame)}, step=step)

    def page(self, name: str, text: str) -> None:
        self._run.log({name: self._trackio.Markdown(text)})

    def close(self, failed: bool) -> None:
        with redirect_stdout(sys.stderr):
            self._run.finish()


CLIENTS: dict[str, tuple[str, Callable[[TrackedRun], Tracker]]] = {
    "tensorboard": ("tensorboard", TensorBoard),
    "wandb": ("wandb", WandB),
    "mlflow": ("mlflow", MLflow),
    "trackio": ("trackio", Trackio),
}
"""By name: the library that it needs, and what starts a run in it."""


def open_tracker(name: str, run: TrackedRun) -> Tracker:
    """Start a run in a tracker.

    Raises:
        UserError: its library is not installed, or it can't be started.
    """
    library, start = CLIENTS[name]
    if find_spec(library) is None:
        raise UserError(f"{name} is not installed: pip install 'icot-tui[trackers]'")
    os.environ.setdefault("WANDB_SILENT", "true")
    try:
        with redirect_stdout(sys.stderr):  # standard output is the run's own
            return start(run)
    except Exception as error:  # of whatever library
        raise UserError(f"the tracker {name} cannot be started: {reason(error)}", 1) from error


def _markdown(columns: Sequence[str], rows: Rows) -> str:
    lines = [columns, ["---"] * len(columns), *rows]
    cells = ([cell.replace("|", "\\|").replace("\n", " ") for cell in line] for line in lines)
    return "\n".join(f"| {' | '.join(line)} |" for line in cells)
