"""`icot-tui runs`: list the runs, show, compare and export them."""

import time
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import msgspec
import typer
from typer import Option

from icot_tui.cli.console import print_json, print_table
from icot_tui.cli.options import Json, Run, Runs, SeveralRuns, examples
from icot_tui.cli.run_record import RunRecord, read_run
from icot_tui.engine.checkpoints.checkpoint import CheckpointPath, list_checkpoints
from icot_tui.engine.run_folder import RunFolder, runs_folder
from icot_tui.errors import UserError
from icot_tui.formatting import age, plain

Format = Literal["csv", "parquet", "tensorboard", "card"]

app = typer.Typer(no_args_is_help=True)


@app.command("list", epilog="Example: icot-tui runs list --json | jq .name")
def list_runs(runs: Runs = None, json: Json = False) -> None:
    """List all runs, newest first."""
    where = runs or runs_folder()
    records = [read_run(folder) for folder in RunFolder.all_even_damaged(where)]
    if json:
        for one in records:
            print_json(_as_json(one))
    elif not records:
        print(f"no runs in {plain(str(where))} yet: start one with 'icot-tui train'")
    else:
        headers = ("run", "status", "method", "removed", "exact match", "best", "steps", "began")
        print_table(headers, map(_row, records))


def _row(one: RunRecord) -> tuple[str, ...]:
    summary, metrics = one.summary, one.summary.metrics
    last, most = metrics.evaluation, summary.greatest_stage
    return (
        one.folder.name,
        one.status,
        one.method,
        f"{summary.removed} of {most}" if most else "",
        "" if last is None else f"{last.exact_match:.1%}",
        "" if metrics.best is None else f"{metrics.best:.1%}",
        f"{metrics.step:,}",
        "" if summary.started is None else age(time.time() - summary.started),
    )


def _as_json(one: RunRecord) -> dict[str, Any]:
    summary, metrics = one.summary, one.summary.metrics
    return {
        "name": one.folder.name,
        "path": str(one.folder.path),
        "status": one.status,
        "problem": one.problem,
        "method": one.method,
        "stage": summary.removed,
        "max_cot_tokens": None if summary.facts is None else summary.facts.max_cot_tokens,
        "greatest_stage": summary.greatest_stage,
        "unit": None if summary.facts is None else summary.facts.unit,
        "exact_match": None if metrics.evaluation is None else metrics.evaluation.exact_match,
        "best": metrics.best,
        "step": metrics.step,
        "loss": metrics.loss,
        "steps_per_second": summary.steps_per_second,
        "seconds_left": summary.seconds_left(),
        "started": summary.started,
        "last_news": summary.last_event_time,
    }


@app.command(epilog="Example: icot-tui runs show demo")
def show(run: Run = None, runs: Runs = None, json: Json = False) -> None:
    """Show one run: its config in brief, evaluations, checkpoints and spikes."""
    from icot_tui.cli.run_tables import print_run

    one = read_run(RunFolder.find(runs or runs_folder(), run))
    metrics = one.summary.metrics
    checkpoints = [_checkpoint(path, one) for path in list_checkpoints(one.folder.checkpoints)]
    if not json:
        print_run(one, checkpoints)
        return
    evaluations = [
        {"time": evaluation.time} | msgspec.structs.asdict(evaluation.result)
        for evaluation in metrics.evaluations
    ]
    print_json(
        _as_json(one)
        | {
            "config": one.config and one.config.model_dump(),
            "evaluations": evaluations,
            "checkpoints": checkpoints,
            "spikes": [asdict(spike) | {"open": spike.open} for spike in metrics.spikes],
        }
    )


def _checkpoint(checkpoint: CheckpointPath, one: RunRecord) -> dict[str, Any]:
    """A checkpoint as plain values; a damaged one has no stage."""
    exact = {e.result.step: e.result.exact_match for e in one.summary.metrics.evaluations}
    try:
        stage = checkpoint.stage
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
    from icot_tui.cli.run_tables import print_comparison

    if len(names) < 2:
        raise UserError("name two or more runs, such as: icot-tui runs compare demo demo-no-cot")
    folders = [RunFolder.find(runs or runs_folder(), name) for name in names]
    print_comparison([read_run(folder) for folder in folders], json)


@app.command(
    epilog=examples(
        "icot-tui runs export demo demo-no-cot --format csv > runs.csv",
        "icot-tui runs export demo --format tensorboard --out boards",
        "icot-tui runs export demo --format card --out README.md",
    )
)
def export(
    names: SeveralRuns,
    kind: Annotated[
        str, Option("--format", help="csv, parquet, tensorboard or card (Markdown).")
    ] = "csv",
    out: Annotated[
        Path | None, Option(help="File, or folder for tensorboard (csv, card: standard output).")
    ] = None,
    runs: Runs = None,
) -> None:
    """Export every step and evaluation of runs to other programs, or write a model card."""
    from icot_tui.studies import exporting

    if kind not in get_args(Format):
        raise UserError(f"--format must be one of {', '.join(get_args(Format))}, not '{kind}'")
    folders = [RunFolder.find(runs or runs_folder(), name) for name in names]
    if kind == "card":
        if len(folders) > 1:
            raise UserError("a model card is about one run: name one")
        text = exporting.model_card(folders[0])
        if out is None:
            print(text, end="")
        else:
            exporting.write_text(out, text)
    elif kind == "csv":
        exporting.write_csv(folders, out)
    elif out is None:
        raise UserError(f"--format {kind} needs --out")
    elif kind == "parquet":
        exporting.write_parquet(folders, out)
    else:
        exporting.write_tensorboard(folders, out)
    if out is not None:
        print(plain(f"written {out}"))
