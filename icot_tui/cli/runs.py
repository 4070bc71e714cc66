"""`icot-tui runs`: list the runs, and show one of them."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

import msgspec
import typer

from icot_tui.cli import compare, export
from icot_tui.cli.console import print_json, print_table
from icot_tui.cli.narrator import pace, results
from icot_tui.cli.options import Json, Run, Runs
from icot_tui.cli.run_record import RunRecord, read_run
from icot_tui.config import RunConfig, method_of
from icot_tui.engine.checkpoints.checkpoint import CheckpointPath, list_checkpoints
from icot_tui.engine.journal.wording import describe
from icot_tui.engine.run_folder import RunFolder, runs_folder
from icot_tui.formatting import age, plain

app = typer.Typer(
    help="List runs, show one, compare and export them.",
    add_completion=False,
    no_args_is_help=True,
)

ROWS = 20
"""How many rows of a long table are printed; --json has them all."""


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
    most = summary.max_cot_tokens
    last = metrics.evaluation
    return (
        one.folder.name,
        one.status,
        one.method,
        f"{summary.removed_tokens} of {most}" if most else "",
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
        "stage": summary.removed_tokens,
        "max_cot_tokens": summary.max_cot_tokens,
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
    one = read_run(RunFolder.find(runs or runs_folder(), run))
    metrics = one.summary.metrics
    checkpoints = [_checkpoint(path, one) for path in list_checkpoints(one.folder.checkpoints)]
    if json:
        print_json(
            _as_json(one)
            | {
                "config": None if one.config is None else one.config.model_dump(),
                "evaluations": [
                    {"time": evaluation.time} | msgspec.structs.asdict(evaluation.result)
                    for evaluation in metrics.evaluations
                ],
                "checkpoints": checkpoints,
                "spikes": [asdict(spike) | {"open": spike.open} for spike in metrics.spikes],
            }
        )
        return
    for name, text in _facts(one):
        print(f"{name:<9} {plain(text)}")
    _print_evaluations(one)
    _print_checkpoints(checkpoints)
    _print_spikes(one)


def _facts(one: RunRecord) -> Iterator[tuple[str, str]]:
    """The heading: folder, status, results, and the config in brief."""
    summary = one.summary
    yield "run", str(one.folder.path)
    yield "status", _status_in_words(one)
    if summary.ended is not None:
        yield "end", summary.ended.reason
    if summary.asked is not None:
        yield "progress", describe(summary.asked)
    elif summary.max_cot_tokens is not None:
        removed = f"removed {summary.removed_tokens} of {summary.max_cot_tokens} tokens"
        yield "progress", ", ".join([removed, *pace(summary)])
    if found := results(summary):
        yield "results", ", ".join(found)
    if one.config is not None:
        yield from _config_in_brief(one.config)


def _status_in_words(one: RunRecord) -> str:
    """The status, and what is wrong with the folder or for how long the trainer is silent."""
    if one.problem:
        return f"{one.status}: {one.problem}"
    last = one.summary.last_event_time
    silence = "" if last is None else f", last event {age(time.time() - last)}"
    if one.status == "dead":
        return f"dead: its trainer is gone{silence}"
    return one.status + silence * (one.status == "stalled")


def _config_in_brief(config: RunConfig) -> Iterator[tuple[str, str]]:
    data, model, train, curriculum = config.data, config.model, config.train, config.curriculum
    options = ", ".join(f"{key} {value}" for key, value in data.options.items())
    yield "data", f"{data.task} {options}".strip() if data.task else str(data.train)
    method = method_of(config)
    if method.facts is not None:
        yield from method.facts(config)
        return
    yield "model", model.pretrained or f"{model.architecture} {model.layers} x {model.width}"
    per = "token" if curriculum.gate_per == "token" else "example"
    clock = {
        "linear": f"{curriculum.remove_per_epoch:g} tokens per epoch",
        "loss_gated": f"one token whenever the loss per {per} is below {curriculum.gate_loss:g}",
        "stages": f"{len(curriculum.stages)} fixed stages",
    }
    about = f"{config.method.name}" + (
        f", {clock[curriculum.schedule]}" if method.removes_tokens else ""
    )
    yield "method", about
    yield (
        "training",
        f"batch {train.batch_size}, learning rate {train.learning_rate:g}, seed {config.seed}",
    )


def _print_evaluations(one: RunRecord) -> None:
    evaluations = one.summary.metrics.evaluations
    rows = [
        (
            f"{result.step:,}",
            str(result.stage),
            f"{result.exact_match:.1%}",
            f"{result.low:.1%} to {result.high:.1%}",
            f"{result.examples:,}",
            "" if result.loss is None else f"{result.loss:.4f}",
        )
        for result in (evaluation.result for evaluation in evaluations[-ROWS:])
    ]
    headers = ("step", "removed", "exact match", "95 %", "examples", "loss")
    _print_section("evaluations", len(evaluations), headers, rows)


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


def _print_checkpoints(checkpoints: list[dict[str, Any]]) -> None:
    rows = [
        (
            saved["name"],
            "damaged" if saved["stage"] is None else str(saved["stage"]),
            "" if saved["exact_match"] is None else f"{saved['exact_match']:.1%}",
            f"{saved['bytes'] / 1e6:,.1f} MB",
            "best" if saved["best"] else "",
        )
        for saved in checkpoints[-ROWS:]
    ]
    headers = ("checkpoint", "removed", "exact match", "size", "")
    _print_section("checkpoints", len(checkpoints), headers, rows)


def _print_spikes(one: RunRecord) -> None:
    spikes = one.summary.metrics.spikes
    rows = [
        (
            f"{spike.step:,}",
            "" if spike.removal is None else str(spike.removal),
            *("" if nats is None else f"{nats:.3f}" for nats in (spike.baseline, spike.height)),
            "collapse" if spike.collapsed else "open" if spike.open else f"{spike.steps:,} steps",
        )
        for spike in spikes[-ROWS:]
    ]
    headers = ("step", "removal", "loss before", "height", "recovery")
    _print_section("spikes", len(spikes), headers, rows)


def _print_section(
    title: str, count: int, headers: Sequence[str], rows: Sequence[Sequence[str]]
) -> None:
    """A table with its title, if it has rows."""
    if rows:
        some = f", the last {len(rows)} of {count}" if len(rows) < count else ""
        print(f"\n{title}{some}")
        print_table(headers, rows)


app.command("compare", epilog=compare.EXAMPLES)(compare.compare)
app.command("export", epilog=export.EXAMPLES)(export.export)
