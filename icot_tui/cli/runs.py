"""`icot-tui runs`: list the runs, show, compare, query, sort out and export them."""

import os
import shlex
import time
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import msgspec
import typer
from typer import Argument, Option

from icot_tui.cli import run_changes, run_query
from icot_tui.cli.console import print_json, spinner
from icot_tui.cli.options import Json, Run, Runs, SeveralRuns, examples
from icot_tui.cli.plots import command as plots
from icot_tui.cli.run_rows import print_runs
from icot_tui.engine.checkpoints.checkpoint import MANIFEST, CheckpointPath, named_checkpoints
from icot_tui.engine.run_folder import RunFolder, runs_folder
from icot_tui.errors import UserError
from icot_tui.formatting import count, listed, plain
from icot_tui.output import hand_over, say
from icot_tui.watch.filters import in_order, keys_in, run_filter
from icot_tui.watch.run_reader import RunReader, run_config
from icot_tui.watch.runs import AT_WORK, RunLine, RunList, line_of, read_run

Format = Literal["csv", "parquet", "tensorboard", "card"]

app = typer.Typer(no_args_is_help=True)
run_changes.add_to(app)
app.add_typer(run_query.app)
app.add_typer(plots.app)


@app.command(
    "list",
    epilog=examples(
        "icot-tui runs list --sort accuracy",
        "icot-tui runs list 'method=stepwise curriculum.smoothing<3 accuracy>90% tag:paper'",
        "icot-tui runs list --json | jq .name",
        note="Quote a filter with < or >, which the shell would take.",
    ),
)
def list_runs(
    filter: Annotated[
        list[str] | None,
        Argument(
            help="Conditions that must hold: KEY=VALUE (!= < <= > >= ~), tag:NAME, or words; a "
            "percentage is compared with what is listed."
        ),
    ] = None,
    sort: Annotated[
        str | None,
        Option(
            help="Sort by this key, or by the title of a column: results greatest first, others "
            "smallest first; of equal accuracies that with more removed first."
        ),
    ] = None,
    reverse: Annotated[bool, Option("--reverse", help="The other way round.")] = False,
    runs: Runs = None,
    json: Json = False,
) -> None:
    """List runs: newest first, or sorted; all of them, or those that a filter chooses.

    Keys are name, status, method, accuracy (of the last evaluation), best, removed, steps, loss
    (mean of the last 50 steps), seconds (of training), tag, note, and all keys of configs, such as
    curriculum.smoothing.
    """
    where, text = runs or runs_folder(), " ".join(filter or ())
    with spinner("reading journals"):
        every = RunList(where).read(time.time())
    chosen = [line for line in every if run_filter(text, every)(line)]
    if sort is not None:
        chosen = in_order(chosen, sort, reverse) if chosen else []
    elif reverse:
        chosen.reverse()
    if json:
        for line in chosen:
            print_json(_as_json(line))
    elif not every:
        say(f"no runs in {plain(str(where))} yet: start one with 'icot-tui train'")
    elif not chosen:
        say(f"none of {count(len(every), 'run')} meets the filter {plain(text)}")
    else:
        print_runs(chosen, [*keys_in(text), *([] if sort is None else [sort])])


def _as_json(line: RunLine) -> dict[str, Any]:
    summary, metrics = line.summary, line.summary.metrics
    if line.status in AT_WORK:  # what is left to do depends on the config
        summary.config = run_config(line.folder)
    return {
        "name": line.name,
        "path": str(line.folder.path),
        "status": line.status,
        "problem": line.problem,
        "method": line.method,
        "stage": line.stage,
        "max_cot_tokens": None if summary.facts is None else summary.facts.max_cot_tokens,
        "greatest_stage": line.of,
        "unit": None if summary.facts is None else summary.facts.unit,
        "exact_match": line.accuracy,
        "best": line.best,
        "step": line.step,
        "loss": metrics.loss,
        "loss_parts": metrics.loss_parts,
        "steps_per_second": summary.steps_per_second,
        "seconds_left": summary.seconds_left(),
        "started": summary.started,
        "last_news": summary.last_event_time,
        "tags": line.tags,
        "note": line.note,
    }


@app.command(epilog="Example: icot-tui runs show demo")
def show(run: Run = None, runs: Runs = None, json: Json = False) -> None:
    """Show one run: its config in brief, evaluations, checkpoints, probes and spikes."""
    from icot_tui.cli.run_tables import print_run

    one = read_run(RunFolder.find(runs or runs_folder(), run))
    metrics = one.summary.metrics
    checkpoints = [_checkpoint(path, one) for path in named_checkpoints(one.folder.checkpoints)]
    if not json:
        print_run(one, checkpoints)
        return
    evaluations = [
        {"time": evaluation.time} | msgspec.structs.asdict(evaluation.result)
        for evaluation in metrics.evaluations
    ]
    print_json(
        _as_json(line_of(one, time.time()))
        | {
            "config": one.config and one.config.model_dump(),
            "evaluations": evaluations,
            "checkpoints": checkpoints,
            "next_tokens": [msgspec.to_builtins(event) for event in metrics.probed],
            "spikes": [asdict(spike) | {"open": spike.open} for spike in metrics.spikes],
        }
    )


def _checkpoint(checkpoint: CheckpointPath, one: RunReader) -> dict[str, Any]:
    """A checkpoint as plain values; a damaged one has no stage."""
    exact = {e.result.step: e.result.exact_match for e in one.summary.metrics.evaluations}
    try:
        stage = checkpoint.stage if (checkpoint.path / MANIFEST).is_file() else None
    except (OSError, ValueError, KeyError, TypeError):
        stage = None
    files = (path for path in checkpoint.path.rglob("*") if path.is_file())
    return {
        "name": checkpoint.name,
        "path": str(checkpoint.path),
        "step": checkpoint.step,
        "stage": stage,
        "exact_match": exact.get(checkpoint.step),
        "bytes": sum(path.stat().st_size for path in files),
        "best": checkpoint.step == one.summary.metrics.best_step,
    }


@app.command(epilog="Example: icot-tui runs compare demo demo-no-cot")
def compare(names: SeveralRuns, runs: Runs = None, json: Json = False) -> None:
    """Put runs side by side: first the differences of their configs, then their results."""
    from icot_tui.cli.run_comparison import print_comparison

    if len(names) < 2:
        raise UserError("name two or more runs, such as: icot-tui runs compare demo demo-no-cot")
    folders = [RunFolder.find(runs or runs_folder(), name) for name in names]
    print_comparison([read_run(folder) for folder in folders], json)


@app.command(
    epilog=examples(
        "icot-tui runs export demo demo-no-cot > runs.csv",
        "icot-tui runs export demo demo-no-cot --to tensorboard --out boards",
        "icot-tui runs export demo --to card --out README.md",
    )
)
def export(
    names: SeveralRuns,
    to: Annotated[
        str | None,
        Option(
            metavar="KIND",
            help="csv (default), parquet or card (Markdown); or a tracker, filled in as if the run "
            "had told it while it trained: tensorboard, wandb, mlflow or trackio.",
        ),
    ] = None,
    out: Annotated[
        Path | None,
        Option(
            help="A file, or a folder for a tracker's files. Default: standard output for csv and "
            "card, the run's folder for a tracker.",
        ),
    ] = None,
    runs: Runs = None,
    format: Annotated[
        str | None,
        Option(
            metavar="KIND",
            help="The same as --to, but for tensorboard: only numbers, one for each step.",
        ),
    ] = None,
) -> None:
    """Export every step and evaluation of runs to other programs, or write a model card."""
    from icot_tui.engine.journal.tracker_clients import CLIENTS
    from icot_tui.studies import exporting

    if to is not None and format is not None:
        raise UserError("--to and --format mean the same: leave one out")
    option, kind = ("--to", to or "csv") if format is None else ("--format", format)
    kinds = dict.fromkeys((*get_args(Format), *CLIENTS))
    if kind not in kinds:
        raise UserError(f"{option} must be one of {', '.join(kinds)}, not '{kind}'")
    if kind in CLIENTS and (option, kind) != ("--format", "tensorboard"):
        return _export_to_tracker(kind, names, out, runs)
    folders = [RunFolder.find(runs or runs_folder(), name) for name in names]
    if kind == "card":
        if len(folders) > 1:
            raise UserError("a model card is about one run: name one")
        text = exporting.model_card(folders[0])
        if out is None:
            hand_over(text.encode(errors="backslashreplace"))
        else:
            exporting.write_text(out, text)
    elif kind == "csv":
        exporting.write_csv(folders, out)
    elif out is None:
        raise UserError(f"{option} {kind} needs --out")
    elif kind == "parquet":
        exporting.write_parquet(folders, out)
    else:
        exporting.write_tensorboard(folders, out)
    if out is not None:
        say(plain(f"written {out}"))


def _export_to_tracker(to: str, names: list[str], out: Path | None, runs: Path | None) -> None:
    from icot_tui.studies.tracker_export import export_to_tracker

    folders = [RunFolder.find(runs or runs_folder(), name) for name in names]
    files = export_to_tracker(to, folders, out)
    shown = os.path.commonpath(files) if out is None and to == "tensorboard" else out
    where = "" if shown is None else f", in {shown}"
    say(plain(f"exported {listed([folder.name for folder in folders])} to {to}{where}"))
    if to == "tensorboard":
        # Of long curves it draws 1,000 points: findings/tensorboard-keeps-a-thousand-points.sh
        points = "--samples_per_plugin scalars=1000000"
        say(plain(f"look at it with: tensorboard {points} --logdir {shlex.quote(str(shown))}"))
