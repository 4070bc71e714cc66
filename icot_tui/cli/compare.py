"""`icot-tui runs compare`: runs side by side, the differences of their configs first."""

from collections.abc import Iterator, Sequence
from typing import Any

from icot_tui.cli.console import print_json, print_table
from icot_tui.cli.options import Json, Runs, SeveralRuns
from icot_tui.cli.run_record import RunRecord, read_run
from icot_tui.config import method_of
from icot_tui.config.toml import leaves, toml_value
from icot_tui.engine.run_folder import RunFolder, runs_folder
from icot_tui.errors import UserError
from icot_tui.formatting import duration, plain

EXAMPLES = "Example: icot-tui runs compare demo demo-no-cot"


def compare(names: SeveralRuns, runs: Runs = None, json: Json = False) -> None:
    """Put runs side by side: first the differences of their configs, then their results."""
    if len(names) < 2:
        raise UserError("name two or more runs, such as: icot-tui runs compare demo demo-no-cot")
    records = [read_run(RunFolder.find(runs or runs_folder(), name)) for name in names]
    titles = _titles([one.folder for one in records])
    configs = [{} if one.config is None else _flat(one.config.model_dump()) for one in records]
    differing = differences(configs)
    results = [dict(_results(one)) for one in records]
    if json:
        print_json(
            {
                "runs": titles,
                "differences": {key: [config.get(key) for config in configs] for key in differing},
                "results": {key: [result[key] for result in results] for key in results[0]},
            }
        )
        return
    for one in records:
        if one.problem:
            print(plain(f"{one.folder.path}: {one.problem}"))
    if differing:
        rows = [(key, *(toml_value(config.get(key)) for config in configs)) for key in differing]
        print_table(("config", *titles), rows)
    else:
        print("their configs are the same")
    print_table(
        ("result", *titles),
        [(key, *(_text(key, result[key]) for result in results)) for key in results[0]],
    )


def differences(configs: Sequence[dict[str, Any]]) -> list[str]:
    """Dotted keys whose values differ; name and description are left out."""
    keys = dict.fromkeys(key for config in configs for key in config)
    return [
        key
        for key in keys
        if key not in ("name", "description")
        and any(config.get(key) != configs[0].get(key) for config in configs)
    ]


def _flat(table: dict[str, Any]) -> dict[str, Any]:
    return {".".join(map(str, path)): value for path, value in leaves(table)}


def _titles(folders: Sequence[RunFolder]) -> list[str]:
    """The runs' names, or their folders where names repeat."""
    names = [folder.name for folder in folders]
    return names if len(set(names)) == len(names) else [str(folder.path) for folder in folders]


def _results(one: RunRecord) -> Iterator[tuple[str, Any]]:
    """The results of a run, as plain values."""
    summary, metrics = one.summary, one.summary.metrics
    last = metrics.evaluation
    yield "status", one.status
    yield "method", one.method
    yield "parameters", summary.parameters
    yield "device", None if summary.facts is None else summary.facts.device
    stepwise = one.config is not None and method_of(one.config).removes_tokens
    yield "tokens removed", summary.removed_tokens if stepwise else None
    yield "of", summary.max_cot_tokens
    yield "exact match", None if last is None else last.exact_match
    yield "best exact match", metrics.best
    yield "loss", metrics.loss
    yield "steps", metrics.step
    yield "everything removed at step", metrics.everything_removed_at if stepwise else None
    yield "training seconds", metrics.seconds
    yield "loss spikes", len(metrics.spikes)
    yield "optimizer resets", metrics.resets
    yield "rollbacks", metrics.rollbacks
    yield "resumes", summary.resumes


def _text(key: str, value: Any) -> str:
    if value is None:
        return "–"
    if key == "training seconds":
        return duration(value)
    if "exact match" in key:
        return f"{value:.1%}"
    if isinstance(value, float):
        return f"{value:.4f}"
    return f"{value:,}" if isinstance(value, int) else str(value)
