"""`icot-tui study`: rerun a table or a figure of the papers, or one's own."""

import shlex
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer import Argument, Option

from icot_tui import resources
from icot_tui.cli.console import print_error, print_json, print_table
from icot_tui.cli.options import Json, Runs, examples
from icot_tui.cli.plots.look import look_here, print_plot
from icot_tui.engine.run_folder import runs_folder
from icot_tui.errors import UserError
from icot_tui.formatting import duration, plain
from icot_tui.output import say
from icot_tui.signals import handling_stop

if TYPE_CHECKING:
    from icot_tui.studies.plan import Plan, Trial
    from icot_tui.studies.results import Results
    from icot_tui.studies.runner import Start, TrialStatus
    from icot_tui.studies.trial_process import WorkerSlot

app = typer.Typer()

EXAMPLES = examples(
    "icot-tui study",
    "icot-tui study ablation",
    "icot-tui study table2 --scale gpu --seeds 3",
    "icot-tui study ablation --on ray://head-node:10001 --runs /shared/runs",
    "icot-tui study my-study.toml --plan > commands.txt",
)


@app.command(epilog=EXAMPLES)
def study(
    name: Annotated[
        str | None, Argument(metavar="NAME_OR_FILE", help="A study; without it, all are listed.")
    ] = None,
    scale: Annotated[str, Option(help="cpu, gpu or paper.")] = "cpu",
    seeds: Annotated[int | None, Option(min=1, help="Number of seeds.")] = None,
    plan: Annotated[
        bool, Option("--plan", help="Print one self-contained command per training; run nothing.")
    ] = False,
    jobs: Annotated[
        int | None, Option(min=1, help="Trials at once (default: as many as fit).")
    ] = None,
    on: Annotated[
        str,
        Option(
            metavar="local|ray|ADDRESS",
            help="This machine, its Ray cluster, or the Ray cluster at an address.",
        ),
    ] = "local",
    runs: Runs = None,
    json: Json = False,
) -> int:
    """Rerun a table or a figure: train what is missing, then measure, tabulate and draw.

    It goes on where it stopped and reuses finished runs. Ctrl-C saves and stops. Watch it from
    another terminal with icot-tui attach.

    Exit status: 0 finished, or stopped and saved; 1 a trial failed, stopped without saving or was
    stopped by somebody else; 2 bad input.
    """
    if name is None:
        return _list(json)
    from icot_tui.studies.plan import make_plan
    from icot_tui.studies.spec import SCALES, load_study

    if scale not in SCALES:
        raise UserError(f"--scale must be one of {', '.join(SCALES)}, not '{scale}'")
    planned = make_plan(load_study(name), scale, seeds)
    folder = (runs or runs_folder()).absolute()
    if plan:
        return _print_plan(planned, folder, json)
    return _run(planned, folder, jobs, on, json)


def _list(json: bool) -> int:
    """Print the studies that come with the package."""
    from icot_tui.studies.spec import load_study

    loaded = [load_study(path).config for path in resources.studies().values()]
    if json:
        for one in loaded:
            scales = {key: scale.minutes for key, scale in one.scales.items()}
            about = one.model_dump(include={"name", "title", "source", "about"})
            print_json(about | {"scales": scales})
        return 0
    rows = []
    for one in loaded:
        sizes = (f"{key} {_minutes(scale.minutes)}" for key, scale in one.scales.items())
        rows.append((one.name, one.title, one.source, ", ".join(sizes)))
    print_table(("study", "what it shows", "reruns", "scales and rough durations"), rows)
    return 0


def _minutes(minutes: float) -> str:
    if not minutes:
        return "no training"
    if minutes < 120:
        return f"{minutes:g} min"
    return f"{minutes / 60:.0f} h" if minutes < 2880 else f"{minutes / 1440:.0f} d"


def _print_plan(plan: "Plan", runs: Path, json: bool) -> int:
    """Print one command per training, for Slurm arrays and the like; notes go to stderr.

    With --once each resumes what there is of its training, as the study does: jobs get requeued.
    """

    from icot_tui.studies.measures import needs

    if needs(plan.study.config) == {"config"}:
        print_error(f"# {plan.study.config.name} trains nothing: there is no command")
        return 0
    trials: dict[str, Trial] = {}
    for trial in plan.trials:
        trials.setdefault(trial.digest, trial)
    for trial in trials.values():
        command = f"{trial.command} --once {shlex.join(['--runs', str(runs)])}"
        if json:
            print_json(trial.as_json() | {"command": command})
        else:
            say(plain(command))
    for sentence in plan.skipped:
        print_error(sentence)
    return 0


def _run(plan: "Plan", runs: Path, jobs: int | None, on: str, json: bool) -> int:
    from icot_tui.cli.study_progress import build_study_progress
    from icot_tui.studies.collect import Collector
    from icot_tui.studies.folder import StudyFolder
    from icot_tui.studies.measures import needs
    from icot_tui.studies.results import write_results
    from icot_tui.studies.runner import Runner, TrialStatus

    folder = StudyFolder(runs, plan.name)
    folder.lock()
    with ExitStack() as cleanup:
        cleanup.callback(folder.unlock)
        folder.prepare(plan)
        progress = build_study_progress(plan, folder.path, json)
        cleanup.callback(progress.close)
        progress.begin()
        statuses = [TrialStatus(trial=trial) for trial in plan.trials]
        runner: Runner | None = None
        if needs(plan.study.config) != {"config"}:
            slots, start = _worker_slots(plan, jobs, on)
            runner = Runner(plan, folder, slots, start, progress.event, progress.refresh)
        stop = StudyStop(progress.message)
        cleanup.enter_context(handling_stop(stop.request))
        if runner is not None:
            statuses = runner.run()
            stop.requested |= runner.stopping
            progress.trained()
        collected = Collector(plan, folder, stop.before_measurement).collect(statuses)
        results = write_results(plan, folder, statuses, collected)
    if json:
        _print_json_results(results)
    else:
        _print_results(plan, results)
    return report_problems(statuses, results, stop.requested)


class StudyStop:
    """The user's request to stop: nothing new is measured then, but the results are written."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self.requested = False
        self._say = say

    def request(self) -> None:
        """Called by a signal; the second time everything ends at once."""
        if self.requested:
            raise KeyboardInterrupt
        self.requested = True
        self._say("stopping after the current measurement (once more: stop at once)")

    def before_measurement(self, what: str) -> None:
        """Print what is being measured; a `UserError` if nothing is to be measured any more."""
        if self.requested:
            raise UserError("not measured, because the study was stopped")
        self._say(what)


def _worker_slots(plan: "Plan", jobs: int | None, on: str) -> "tuple[list[WorkerSlot], Start]":
    """Where the trials train, and how they are started there."""
    configs = [trial.config for trial in plan.trials]
    if on == "local":
        from icot_tui.studies.trial_process import make_worker_slots, start

        return make_worker_slots(configs, jobs), start
    from icot_tui.studies.cluster import Cluster

    cluster = Cluster(on)
    return cluster.slots(configs, jobs), cluster.start


def _print_json_results(results: "Results") -> None:
    from icot_tui.studies.table import as_data

    content: dict[str, Any] = {"event": "StudyEnded"} | results.facts
    content |= {"table": as_data(results.table), "notes": list(results.table.notes)}
    print_json(content | {"files": results.files})


def _print_results(plan: "Plan", results: "Results") -> None:
    say()
    print_table(results.table.headers, results.table.rows)
    for note in (*results.table.legend, *results.table.notes, *plan.skipped):
        say(plain(note))
    if results.drawing is not None:
        from icot_tui.cli.plots.study_plot import draw_figure

        say()
        print_plot(draw_figure(results.drawing, look_here()))
    cost = results.facts["cost"]
    say()
    if cost["runs"]:
        say(
            f"cost     {cost['runs']} runs, {cost['steps']:,} steps, "
            f"{duration(cost['training_seconds'])} of training on "
            f"{', '.join(cost['devices']) or 'nothing'}"
        )
    if cost["replies"]:
        say(f"         {cost['replies']:,} replies of {cost['tokens']:,} tokens")
    for number, path in enumerate(results.files):
        say(f"{'' if number else 'written':<8} {plain(str(path))}")


def report_problems(statuses: "list[TrialStatus]", results: "Results", stopped: bool) -> int:
    """Print on stderr what went wrong and how to go on. Returns the exit status."""
    problems = [
        status
        for status in statuses
        if status.state == "failed" or status.unsaved or (status.state == "stopped" and not stopped)
    ]
    for status in problems:
        print_error(f"{status.state}: {status.trial.title}: {status.reason}")
    if results.problem:
        print_error(results.problem)
    for status in statuses:
        if status.state == "waiting" and status.run is not None and status.run.is_locked():
            print_error(
                f"{status.trial.title} is still being trained by another process; to stop it: "
                f"icot-tui ctl stop --run {status.run.path}"
            )
    left = [status for status in statuses if status.state not in (None, "finished", "failed")]
    if stopped or left:
        print_error("stopped before the end; run the same command again to go on")
    return 1 if problems else 0
