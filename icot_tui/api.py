"""The Python API: train a run, load one, ask a checkpoint, probe one (docs/api.md).

Everything here is also an attribute of `icot_tui`, which imports this module when it is used.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from icot_tui.analysis.checkpoints import CheckpointEntry, find_checkpoint, run_entries
from icot_tui.config import RunConfig
from icot_tui.config.loading import load_config
from icot_tui.config.toml import toml_value
from icot_tui.engine.loop.commands import CommandQueue
from icot_tui.engine.run_folder import RunFolder, runs_folder
from icot_tui.errors import UserError
from icot_tui.models.device import pick_device, silence_transformers
from icot_tui.runs.new_run import create_run, remove_empty_run
from icot_tui.watch.runs import read_run
from icot_tui.watch.steps import read_steps

if TYPE_CHECKING:
    from icot_tui.analysis.answer import Answer, Sampling
    from icot_tui.analysis.model_cache import ModelCache
    from icot_tui.analysis.probe_report import ProbeReport
    from icot_tui.engine.journal.events import Event


@dataclass(frozen=True, eq=False, kw_only=True)
class Run:
    """A run as its folder has it. S steps, E evaluations on the validation split.

    path               the run folder
    config             its configuration
    status             starting, training, paused, stalled, finished, stopped or dead
    steps              [S] numbers of the optimizer steps; a resume drops what it repeats
    losses             [S] training loss, NaN where it was not finite
    stages             [S] removed tokens
    gradient_norms     [S] before clipping, NaN where not finite
    learning_rates     [S]
    times              [S] seconds since the epoch, when the step was journaled
    evaluation_steps   [E] steps at which the model was evaluated
    evaluation_stages  [E] removed tokens
    exact_match        [E] exact match, between 0 and 1
    implicit           [E] was the whole chain of thought removed?
    checkpoints        by stage, then by step
    """

    path: Path
    config: RunConfig
    status: str
    steps: NDArray[np.int64]
    losses: NDArray[np.float64]
    stages: NDArray[np.int64]
    gradient_norms: NDArray[np.float64]
    learning_rates: NDArray[np.float64]
    times: NDArray[np.float64]
    evaluation_steps: NDArray[np.int64]
    evaluation_stages: NDArray[np.int64]
    exact_match: NDArray[np.float64]
    implicit: NDArray[np.bool_]
    checkpoints: tuple[CheckpointEntry, ...]

    @property
    def name(self) -> str:
        """Name of the run folder."""
        return self.path.name

    @property
    def best_checkpoint(self) -> Path | None:
        """Folder of the best checkpoint: implicit ones before others, then by exact match."""
        return next((one.path for one in self.checkpoints if one.best), None)


def train(
    config: str | Path | RunConfig = "demo",
    *,
    overrides: Mapping[str, Any] | None = None,
    runs: Path | None = None,
    on_event: "Callable[[Event], None] | None" = None,
) -> Run:
    """Train a new run in this process until it ends.

    Args:
        config: a TOML file, the name of a sample, or a checked configuration.
        overrides: values by dotted key, such as {"train.max_steps": 500}.
        runs: folder of the runs; None: $ICOT_TUI_RUNS, or `runs`.
        on_event: called with each event after it was journaled.

    Raises:
        UserError: a mistake in the config, or something that it names is missing.
    """
    from icot_tui.runs.session import run_training
    from icot_tui.studies.exporting import model_card

    if isinstance(config, RunConfig):
        if overrides:
            raise UserError("overrides need a config file or a sample: change the RunConfig itself")
        checked = config
    else:
        settings = [f"{key}={toml_value(value)}" for key, value in (overrides or {}).items()]
        checked = load_config(config, settings).config
    folder = create_run(checked, runs or runs_folder())
    try:
        run_training(folder, CommandQueue(folder.control), on_event, model_card)
    except BaseException:
        remove_empty_run(folder, is_new=True)
        raise
    return load_run(folder.path)


def load_run(run: str | Path | None = None, *, runs: Path | None = None) -> Run:
    """Read a run, whether it is training, stopped or finished.

    Args:
        run: name or folder; None: the latest run.
        runs: folder of the runs; None: $ICOT_TUI_RUNS, or `runs`.

    Raises:
        UserError: there is no such run, or its config can't be read.
    """
    folder = RunFolder.find(runs or runs_folder(), None if run is None else str(run))
    config = load_config(folder.config).config
    known, table = read_run(folder), read_steps(folder)
    evaluations = [evaluation.result for evaluation in known.summary.metrics.evaluations]
    return Run(
        path=folder.path,
        config=config,
        status=known.status(time.time()),
        steps=table.steps,
        losses=table.losses,
        stages=table.stages,
        gradient_norms=table.gradient_norms,
        learning_rates=table.learning_rates,
        times=table.times,
        evaluation_steps=np.array([found.step for found in evaluations], dtype=np.int64),
        evaluation_stages=np.array([found.stage for found in evaluations], dtype=np.int64),
        exact_match=np.array([found.exact_match for found in evaluations], dtype=np.float64),
        implicit=np.array([found.implicit for found in evaluations], dtype=np.bool_),
        checkpoints=tuple(run_entries(folder)),
    )


def ask(
    checkpoint: str | Path,
    question: str,
    *,
    stage: int | None = None,
    written: int | None = None,
    sampling: "Sampling | None" = None,
    device: str = "auto",
    runs: Path | None = None,
) -> "Answer":
    """Put a question to a checkpoint; it stays loaded for the next question.

    Args:
        checkpoint: a checkpoint's folder; or a run, alone or with @best, @latest or @STAGE.
        question: such as "12*34".
        stage: tokens removed; None: the checkpoint's own stage.
        written: chain-of-thought tokens to write; None: as the stage says.
        sampling: None: decode greedily.
        device: auto, cpu, cuda or mps.
        runs: folder of the runs; None: $ICOT_TUI_RUNS, or `runs`.

    Raises:
        UserError: there is no such checkpoint, or the question can't be read.
    """
    path = find_checkpoint(str(checkpoint), runs or runs_folder())
    model = _models(device).open(path)
    return model.ask(question, stage=stage, written=written, sampling=sampling)


def probe(
    checkpoint: str | Path,
    control: str | Path | None = None,
    *,
    examples: int = 2000,
    targets: Sequence[str] = (),
    seed: int = 0,
    device: str = "auto",
    runs: Path | None = None,
) -> "ProbeReport":
    """Train linear probes on a checkpoint's hidden states, with controls, and patch.

    The report is stored with the checkpoint, and returned at once the next time.

    Args:
        checkpoint: a checkpoint's folder; or a run, alone or with @best, @latest or @STAGE.
        control: a No-CoT checkpoint of the same task to compare it with.
        examples: how many of the run's held-out examples at most.
        targets: only these, such as z3, c1 or s2; empty: all.
        seed: of folds, shuffles, the untrained model and the pairs.
        device: auto, cpu, cuda or mps.
        runs: folder of the runs; None: $ICOT_TUI_RUNS, or `runs`.

    Raises:
        UserError: there is no such checkpoint, nothing is hidden, or too few examples.
    """
    from icot_tui.analysis.probe_run import ProbeSettings
    from icot_tui.analysis.probe_store import open_for_probing, probe_checkpoint

    silence_transformers()
    where, folder = pick_device(device), runs or runs_folder()
    model = open_for_probing(str(checkpoint), folder, where)
    other = None if control is None else open_for_probing(str(control), folder, where)
    settings = ProbeSettings(examples=examples, targets=tuple(targets), seed=seed)
    return probe_checkpoint(model, other, settings)


@cache
def _models(device: str) -> "ModelCache":
    """The checkpoints asked last."""
    from icot_tui.analysis.model_cache import ModelCache

    silence_transformers()
    return ModelCache(device=pick_device(device))
