"""`icot-tui ask RUN --budget-sweep`: accuracy and speed by number of written tokens."""

import sys
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from icot_tui.cli.console import print_json, print_table, spinner
from icot_tui.formatting import plain

if TYPE_CHECKING:
    from icot_tui.analysis.budget import BudgetPoint
    from icot_tui.analysis.loaded_model import LoadedModel


def print_sweeps(models: "Sequence[LoadedModel]", examples: int, json: bool) -> None:
    """Accuracy and speed of each checkpoint, for each number of written tokens.

    Raises:
        UserError: one was not trained with mixed stages, or has no examples.
    """
    from icot_tui.analysis.budget import check_mixed

    for model in models:
        check_mixed(model)
    for model in models:
        points = _sweep(model, examples)
        if json:
            values = [asdict(point) for point in points]
            print_json({"checkpoint": model.label, "budgets": values})
        else:
            _print_table(model.label, points)


def _sweep(model: "LoadedModel", examples: int) -> "list[BudgetPoint]":
    from icot_tui.analysis.budget import sweep
    from icot_tui.analysis.examples import load_examples

    with spinner("reading the examples") as say:
        return sweep(model, load_examples(model, examples).split(model), on_progress=say)


def _print_table(name: str, points: "Sequence[BudgetPoint]") -> None:
    from icot_tui.studies.figure import Drawing, Series, as_text

    rows = [
        (
            str(point.written),
            str(point.stage),
            f"{point.exact_match:.1%}",
            f"{point.low:.1%} to {point.high:.1%}",
            f"{point.examples_per_second:.4g}",
        )
        for point in points
    ]
    headers = ("written", "removed", "exact match", "95 % interval", "examples/s")
    print_table(headers, rows, title=plain(name))
    if not sys.stdout.isatty():
        return
    speeds = tuple(point.examples_per_second for point in points)
    matches = tuple(point.exact_match for point in points)
    series = Series("", speeds, matches)
    title = "accuracy against speed: from all tokens written (left) to none"
    print(as_text(Drawing(title, "examples/s", "exact match", (series,), True)))
