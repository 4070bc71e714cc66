"""`icot-tui study`: rerun a table or a figure of the papers, or one's own."""

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from icot_tui.cli.train import Runs
from icot_tui.errors import UserError

if TYPE_CHECKING:
    from icot_tui.studies.plan import Plan, Trial
    from icot_tui.studies.results import Results
    from icot_tui.studies.runner import Start, Status
    from icot_tui.studies.worker_slots import WorkerSlot

app = typer.Typer()

EXAMPLES = """
Examples:

  icot-tui study

  icot-tui study ablation

  icot-tui study table2 --scale gpu --seeds 3

  icot-tui study ablation --on ray://head-node:10001 --runs /shared/runs

  icot-tui study my-study.toml --plan > commands.txt
"""


@app.command(epilog=EXAMPLES)
def study(
    name: Annotated[
        str | None,
        typer.Argument(metavar="NAME_OR_FILE", help="A study; without it, all are listed."),
    ] = None,
    scale: Annotated[str, typer.Option(help="cpu, gpu or paper.")] = "cpu",
    seeds: Annotated[int | None, typer.Option(min=1, help="How many seeds.")] = None,
    plan: Annotated[
        bool,
        typer.Option("--plan", help="Print one self-contained command a training, run nothing."),
    ] = False,
    jobs: Annotated[
        int | None, typer.Option(min=1, help="Trials at once (default: as many as fit).")
    ] = None,
    on: Annotated[
        str,
        typer.Option(
            metavar="local|ray|ADDRESS",
            help="This machine, or a Ray cluster: the one it belongs to, or that of the address.",
        ),
    ] = "local",
    runs: Runs = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON lines for machines.")] = False,
) -> int:
    """Rerun a table or a figure: train what is missing, then measure, tabulate and draw.

    It goes on where it stopped, and takes finished runs as they are. Ctrl-C saves and stops. From
    another terminal, icot-tui attach shows it.

    Exit status: 0 finished, or stopped and saved; 1 a trial failed, stopped unsaved or was stopped
    by somebody else; 2 bad input.
    """
    if name is None:
        return _list(json)
    from icot_tui.engine.run_folder import runs_folder
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
    from icot_tui import resources
    from icot_tui.cli.console import print_json, print_table
    from icot_tui.studies.spec import load_study

    loaded = [load_study(path).config for path in resources.studies().values()]
    if json:
        for one in loaded:
            print_json(
                {
                    "name": one.name,
                    "title": one.title,
                    "source": one.source,
                    "about": one.about,
                    "scales": {key: scale.minutes for key, scale in one.scales.items()},
                }
            )
        return 0
    rows = [
        (
            one.name,
            one.title,
            one.source,
            ", ".join(f"{key} {_minutes(scale.minutes)}" for key, scale in one.scales.items()),
        )
        for one in loaded
    ]
    print_table(("study", "what it shows", "reruns", "scales, and about how long"), rows)
    return 0


def _minutes(minutes: float) -> str:
    if minutes < 120:
        return f"{minutes:g} min"
    return f"{minutes / 60:.0f} h" if minutes < 2880 else f"{minutes / 1440:.0f} d"


def _print_plan(plan: "Plan", runs: Path, json: bool) -> int:
    """One line a training, for Slurm arrays and the like; what is left out goes to stderr.

    Each goes on with what there is of its training, as the study does: jobs are queued again.
    """
    import shlex
    import sys

    from icot_tui.cli.console import print_json
    from icot_tui.plain import plain
    from icot_tui.studies.measures import needs

    if needs(plan.study.config) == {"config"}:
        print(f"# {plan.study.config.name} trains nothing: there is no command", file=sys.stderr)
        return 0
    trials: dict[str, Trial] = {}
    for trial in plan.trials:
        trials.setdefault(trial.digest, trial)
    for trial in trials.values():
        command = f"{trial.command} --once {shlex.join(['--runs', str(runs)])}"
        if json:
            print_json(
                {
                    "name": trial.name,
                    "labels": dict(trial.labels),
                    "seed": trial.seed,
                    "digest": trial.digest,
                    "command": command,
                }
            )
        else:
            print(plain(command))
    for sentence in plan.skipped:
        print(plain(sentence), file=sys.stderr)
    return 0


def _run(plan: "Plan", runs: Path, jobs: int | None, on: str, json: bool) -> int:
    from icot_tui.cli.study_progress import build_view
    from icot_tui.studies.collect import Collector
    from icot_tui.studies.folder import StudyFolder
    from icot_tui.studies.measures import needs
    from icot_tui.studies.results import write_results
    from icot_tui.studies.runner import Runner, Status, obeying

    folder = StudyFolder(runs, plan.name)
    folder.lock()
    with ExitStack() as afterwards:
        afterwards.callback(folder.unlock)
        folder.prepare(plan)
        view = build_view(plan, folder.path, json)
        afterwards.callback(view.close)
        view.greet()
        statuses = [Status(trial) for trial in plan.trials]
        runner: Runner | None = None
        if needs(plan.study.config) != {"config"}:
            places, start = _places(plan, jobs, on)
            runner = Runner(plan, folder, places, start, view.happened, view.look)
        wish = _Wish(view.say)
        afterwards.enter_context(obeying(wish.stop))
        if runner is not None:
            statuses = runner.run()
            wish.stopped |= runner.stopping
            view.trained()
        collected = Collector(plan, folder, wish.before_measuring).collect(statuses)
        results = write_results(plan, folder, statuses, collected)
    if json:
        _print_json_results(results)
    else:
        _print_results(plan, results)
    return _farewell(statuses, results, wish.stopped)


class _Wish:
    """The user's, to stop: nothing new is measured then, and the results are written."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self.stopped = False
        self._say = say

    def stop(self) -> None:
        """Asked by a signal; the second time everything ends at once."""
        if self.stopped:
            raise KeyboardInterrupt
        self.stopped = True
        self._say("stopping: what was begun is finished (once more: stop at once)")

    def before_measuring(self, what: str) -> None:
        """Say what is measured now; if nothing is to be, that is an error."""
        if self.stopped:
            raise UserError("not measured, because the study was stopped")
        self._say(what)


def _places(plan: "Plan", jobs: int | None, on: str) -> "tuple[list[WorkerSlot], Start]":
    """Where the trials train, and how they are started there."""
    configs = [trial.config for trial in plan.trials]
    if on == "local":
        from icot_tui.studies.trial_process import start
        from icot_tui.studies.worker_slots import make_worker_slots

        return make_worker_slots(configs, jobs), start
    from icot_tui.studies.cluster import Cluster

    cluster = Cluster(on)
    return cluster.places(configs, jobs), cluster.start


def _print_json_results(results: "Results") -> None:
    from icot_tui.cli.console import print_json
    from icot_tui.studies.table import as_data

    content: dict[str, Any] = {"event": "StudyEnded"} | results.facts
    content |= {"table": as_data(results.table), "notes": list(results.table.notes)}
    print_json(content | {"files": [str(path) for path in results.files]})


def _print_results(plan: "Plan", results: "Results") -> None:
    from icot_tui.cli.console import print_table
    from icot_tui.formatting import duration
    from icot_tui.plain import plain
    from icot_tui.studies.textplot import as_text

    print()
    print_table(results.table.headers, results.table.rows)
    for note in (*results.table.legend, *results.table.notes, *plan.skipped):
        print(plain(note))
    if results.drawing is not None:
        print()
        for line in as_text(results.drawing).splitlines():
            print(plain(line))
    cost = results.facts["cost"]
    print()
    if cost["runs"]:
        print(
            f"cost     {cost['runs']} runs, {cost['steps']:,} steps, "
            f"{duration(cost['training_seconds'])} of training on "
            f"{', '.join(cost['devices']) or 'nothing'}"
        )
    if cost["replies"]:
        print(f"         {cost['replies']:,} replies of {cost['tokens']:,} tokens")
    for number, path in enumerate(results.files):
        print(f"{'' if number else 'written':<8} {plain(str(path))}")


def _farewell(statuses: "list[Status]", results: "Results", stopped: bool) -> int:
    """Say on stderr what went wrong, and how to go on."""
    import sys

    from icot_tui.plain import plain

    amiss = [
        status
        for status in statuses
        if status.state == "failed" or status.unsaved or (status.state == "stopped" and not stopped)
    ]
    for status in amiss:
        print(plain(f"{status.state}: {status.trial.title}: {status.reason}"), file=sys.stderr)
    if results.problem:
        print(plain(results.problem), file=sys.stderr)
    for status in statuses:
        if status.state == "waiting" and status.run is not None and status.run.is_locked():
            where = f"icot-tui ctl stop --run {status.run.path}"
            text = f"{status.trial.title} is still trained by another process; to stop it: {where}"
            print(plain(text), file=sys.stderr)
    left = [status for status in statuses if status.state not in (None, "finished", "failed")]
    if stopped or left:
        print("stopped before its end; the same command goes on with it", file=sys.stderr)
    return 1 if amiss else 0
