"""`icot-tui calibrate`: which threshold `ask --write-until` needs, and what it is worth."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from math import inf
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer import Option

from icot_tui.cli.console import print_error, print_json, print_table, spinner
from icot_tui.cli.hybrid_answers import shares_in_words
from icot_tui.cli.options import Budgets, Checkpoint, Device, Json, examples, read_budgets
from icot_tui.engine.run_folder import runs_folder
from icot_tui.formatting import count, plain, short_percent
from icot_tui.models.device import pick_device, silence_transformers
from icot_tui.output import say

if TYPE_CHECKING:
    from icot_tui.analysis.calibration import AskedWithAll, RandomChoice
    from icot_tui.analysis.hybrid import BudgetOutcome

app = typer.Typer()

SHOWN = (0.5, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.999)
"""Thresholds in the table of the examples that are chosen on."""
HEADERS = (
    *("", "exact match", "95 % interval", "written", "written in all", "tokens", "tokens in all"),
    *("at random", "budgets chosen"),
)

EXAMPLES = examples(
    "icot-tui calibrate demo-mixed",
    "icot-tui calibrate demo-mixed --accuracy 0.9 --accuracy 0.95",
    "icot-tui calibrate demo-mixed --budgets 0,3 --accuracy 0.9 --json",
    note="""\
For runs with mixed stages. A threshold is chosen on validation examples and reported on test \
examples (without a test split, on every other validation example, which is then not chosen on). \
written: chain-of-thought tokens of the answers given; tokens: all their tokens; in all: with the \
tries that were thrown away, which a fixed budget has none of. At random: the same budgets, given \
to examples at random, and where 95 % of such assignments lie.""",
)


@app.command(epilog=EXAMPLES)
def calibrate(
    checkpoint: Checkpoint,
    accuracy: Annotated[
        list[float] | None,
        Option(min=0, max=1, help="Exact match to reach with the fewest tokens; repeatable."),
    ] = None,
    budgets: Budgets = None,
    examples: Annotated[int, Option(min=2, help="Examples to choose on, and to report on.")] = 1000,
    device: Device = "auto",
    json: Json = False,
) -> None:
    """Choose the threshold of confidence for `ask --write-until`, and say what it is worth."""
    from icot_tui.analysis.budget import check_mixed
    from icot_tui.analysis.calibration import ask_with_all, examples_apart
    from icot_tui.analysis.checkpoints import find_checkpoint
    from icot_tui.analysis.hybrid import budget_ladder
    from icot_tui.analysis.model_cache import ModelCache

    silence_transformers()
    wanted = None if budgets is None else read_budgets(budgets)
    cache = ModelCache(device=pick_device(device))
    model = cache.open(find_checkpoint(checkpoint, runs_folder()))
    for note in model.opened.notes:
        print_error(f"note: {note}")
    check_mixed(model)
    with spinner("reading the examples") as tell:
        apart = examples_apart(model, examples)
        ladder = budget_ladder(model, [*apart.choosing, *apart.reporting], wanted)
        choosing = ask_with_all(model, apart.choosing, ladder, tell)
        reporting = ask_with_all(model, apart.reporting, ladder, tell)
        tell("choosing thresholds")
        seen = [*_fixed(choosing), *(_at(choosing, threshold) for threshold in SHOWN)]
        told = [*_fixed(reporting), *_chosen(choosing, reporting, accuracy or ())]
    tables = {"chosen_on": (apart.chosen_on, seen), "reported_on": (apart.reported_on, told)}
    if json:
        values: dict[str, Any] = {"checkpoint": model.label, "budgets": ladder}
        for name, (source, rows) in tables.items():
            values[name] = {"examples": source, "outcomes": [row.as_json() for row in rows]}
        print_json(values)
        return
    for name, (source, rows) in tables.items():
        size = len(apart.choosing if name == "chosen_on" else apart.reporting)
        say(plain(f"{model.label}, {name.replace('_', ' ')} {source}: {count(size, 'example')}"))
        print_table(HEADERS, [row.cells() for row in rows])


@dataclass(frozen=True)
class CalibrationRow:
    """A way of choosing budgets, and what it comes to.

    wanted   the exact match that it was chosen for
    outcome  None where nothing reaches that
    """

    outcome: "BudgetOutcome | None"
    wanted: float | None = None
    budget: int | None = None
    threshold: float | None = None
    at_random: "RandomChoice | None" = None

    def as_json(self) -> dict[str, Any]:
        values = {"wanted": self.wanted, "budget": self.budget, "threshold": self.threshold}
        found = {} if self.outcome is None else self.outcome.as_json()
        random = None if self.at_random is None else asdict(self.at_random)
        return values | found | {"at_random": random}

    @property
    def name(self) -> str:
        """`budget 4`, `sure 0.95`, or `for 0.9: sure 0.98`."""
        if self.outcome is None:
            given = "nothing reaches it"
        elif self.threshold is None:
            given = f"budget {self.budget}"
        else:
            given = "never sure" if self.threshold == inf else f"sure {self.threshold:.6g}"
        return given if self.wanted is None else f"for {self.wanted:g}: {given}"

    def cells(self) -> list[str]:
        found = self.outcome
        if found is None or found.low is None or found.high is None:
            return [self.name, *[""] * (len(HEADERS) - 1)]
        random = self.at_random
        return [
            self.name,
            short_percent(found.share),
            f"{short_percent(found.low)} to {short_percent(found.high)}",
            f"{found.written:.2f}",
            f"{found.written_in_all:.2f}",
            f"{found.decoded:.2f}",
            f"{found.decoded_in_all:.2f}",
            ""
            if random is None
            else f"{short_percent(random.exact_match)} "
            f"({short_percent(random.low)} to {short_percent(random.high)})",
            "" if random is None else shares_in_words(found.shares),
        ]


def _fixed(asked: "AskedWithAll") -> list[CalibrationRow]:
    return [CalibrationRow(asked.fixed(budget), budget=budget) for budget in asked.budgets]


def _at(asked: "AskedWithAll", threshold: float, wanted: float | None = None) -> CalibrationRow:
    control = asked.at_random(threshold)
    return CalibrationRow(asked.at(threshold), wanted, threshold=threshold, at_random=control)


def _chosen(
    choosing: "AskedWithAll", reporting: "AskedWithAll", wanted: Sequence[float]
) -> Iterator[CalibrationRow]:
    """For each exact match wanted, the threshold and the fixed budget that were chosen for it."""
    from icot_tui.analysis.calibration import cheapest_budget, cheapest_threshold

    for one in wanted:
        threshold, budget = cheapest_threshold(choosing, one), cheapest_budget(choosing, one)
        yield CalibrationRow(None, one) if threshold is None else _at(reporting, threshold, one)
        if budget is not None:
            yield CalibrationRow(reporting.fixed(budget), one, budget=budget)
