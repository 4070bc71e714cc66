"""What `icot-tui runs compare` prints."""

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from icot_tui.cli.console import console, fits, print_json, print_table
from icot_tui.config import method_of
from icot_tui.config.toml import toml_value
from icot_tui.formatting import count, duration, listed, plain, short_percent
from icot_tui.output import say
from icot_tui.watch.differences import differing_keys

if TYPE_CHECKING:
    from icot_tui.watch.run_reader import RunReader

Rows = Mapping[str, Sequence[str]]
"""A text for each run, by the name of what it tells."""


def print_comparison(records: "Sequence[RunReader]", json: bool) -> None:
    """The differences of the runs' configs, then their results side by side.

    Where so many runs do not fit beside each other, each has a line, with what is not the same.
    """
    names = [one.folder.name for one in records]
    titles = names if len(set(names)) == len(names) else [str(one.folder.path) for one in records]
    configs = [one.facts.values for one in records]
    differing = differing_keys(configs)
    units = listed(sorted({f"{one.summary.unit_word}s" for one in records}))
    found = [dict(_results(one, units)) for one in records]
    if json:
        print_json(
            {
                "runs": titles,
                "differences": {key: [config.get(key) for config in configs] for key in differing},
                "results": {key: [result[key] for result in found] for key in found[0]},
            }
        )
        return
    for one in records:
        if one.problem:
            say(plain(f"{one.folder.path}: {one.problem}"))
    settings = {key: [toml_value(config.get(key)) for config in configs] for key in differing}
    results = {key: [_in_words(key, result[key]) for result in found] for key in found[0]}
    if not differing:
        say("their configs are the same")
    tables = [(("config", *titles), _lines(settings))] * bool(differing)
    tables.append((("result", *titles), _lines(results)))
    if all(fits(headers, rows) for headers, rows in tables):
        for headers, rows in tables:
            print_table(headers, rows)
    else:
        _print_a_line_each(titles, settings, results)


def _lines(rows: Rows) -> list[tuple[str, ...]]:
    return [(key, *texts) for key, texts in rows.items()]


def _print_a_line_each(titles: Sequence[str], settings: Rows, results: Rows) -> None:
    """A line for each run; results that are the same in all are told once, above."""
    from rich.text import Text

    same = [f"{key} {texts[0]}" for key, texts in results.items() if len(set(texts)) == 1]
    differing = {key: texts for key, texts in results.items() if len(set(texts)) > 1}
    if same:
        console().print(f"the same in all {count(len(titles), 'run')}: {plain(', '.join(same))}")
    broken = [Text(plain(key).replace(".", ".\n")) for key in settings]
    columns = (titles, *settings.values(), *differing.values())
    print_table(("run", *broken, *differing), list(zip(*columns, strict=True)))


def _results(one: "RunReader", units: str) -> Iterator[tuple[str, Any]]:
    summary, metrics = one.summary, one.summary.metrics
    last = metrics.evaluation
    yield "status", one.status(time.time())
    yield "method", one.method
    yield "parameters", summary.parameters
    yield "device", None if summary.facts is None else summary.facts.device
    stepwise = one.config is not None and method_of(one.config).removes_tokens
    yield f"{units} removed", summary.removed if stepwise else None
    yield f"{units} to remove in all", summary.greatest_stage
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


def _in_words(key: str, value: Any) -> str:
    if value is None:
        return "–"
    if key == "training seconds":
        return duration(value)
    if "exact match" in key:
        return short_percent(value)
    if isinstance(value, float):
        return f"{value:.4f}"
    return f"{value:,}" if isinstance(value, int) else str(value)
