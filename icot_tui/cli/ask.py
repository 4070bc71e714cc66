"""`icot-tui ask`: put a question to one or more checkpoints, side by side."""

import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from typer import Argument, Option

from icot_tui.cli.answer_table import print_answers
from icot_tui.cli.console import print_json, print_table, spinner
from icot_tui.cli.options import Budgets, Device, KeepPositions, Side, examples, read_budgets
from icot_tui.cli.plots.look import look_here, print_plot
from icot_tui.engine.run_folder import RunFolder, runs_folder
from icot_tui.errors import UserError
from icot_tui.formatting import plain, short_percent
from icot_tui.models.device import pick_device, silence_transformers
from icot_tui.output import say

if TYPE_CHECKING:
    from icot_tui.analysis.answer import Answer
    from icot_tui.analysis.budget import BudgetPoint
    from icot_tui.analysis.emulation import LayerThought
    from icot_tui.analysis.loaded_model import LoadedModel
    from icot_tui.analysis.model_cache import ModelCache

app = typer.Typer()

EXAMPLES = examples(
    'icot-tui ask runs/demo "12*34"',
    'icot-tui ask demo@0 demo@2 demo@best demo-no-cot "12*34"',
    'icot-tui ask demo --all-stages "12*34" --json',
    "icot-tui ask demo-mixed --budget-sweep",
    "icot-tui ask demo-mixed --write-until 0.95 --file questions.txt",
    'icot-tui ask kd-2x2-cpu --thoughts "12*34"',
    note="""\
A run stands for its newest checkpoint; RUN@best, RUN@latest and RUN@4 (four tokens removed) \
name others. Tokens in square brackets are hidden: the model no longer writes them, and the \
explicit chain of thought is shown in their place. ICoT-KD's pair answers like any other \
checkpoint; its teacher is RUN@teacher.""",
)

LEGEND = """\
Distances: 0 is the same thought, about 2 an unrelated one. own: emulated thought to the teacher's;
before: the same for the emulator before it was coupled; guess: mean of the teacher's thoughts to
the teacher's; others: emulated thought to the teacher's about other questions; average: over"""


@app.command(epilog=EXAMPLES)
def ask(
    asked: Annotated[
        list[str],
        Argument(metavar="CHECKPOINT_OR_RUN... QUESTION", help="Checkpoints, then the question."),
    ],
    raw: Annotated[bool, Option(help="The question is in the model's own format.")] = False,
    file: Annotated[
        Path | None, Option(help="Ask every line of a file: questions, or whole examples.")
    ] = None,
    stage: Annotated[
        int | None,
        Option(min=0, help="Checkpoint of this stage of a run, or stage of a model."),
    ] = None,
    side: Side = None,
    keep_positions: KeepPositions = None,
    all_stages: Annotated[bool, Option(help="Ask one checkpoint per stage of a run.")] = False,
    written: Annotated[
        int | None, Option(min=0, help="Chain-of-thought tokens (or steps) to write.")
    ] = None,
    write_until: Annotated[
        float | None,
        Option(
            min=0,
            max=1,
            help="Write more and more of the chain of thought until the answer's probability is "
            "at least this; needs mixed stages.",
        ),
    ] = None,
    budgets: Budgets = None,
    sample: Annotated[bool, Option(help="Sample tokens instead of decoding greedily.")] = False,
    temperature: Annotated[float, Option(min=0.01, help="For --sample.")] = 1.0,
    seed: Annotated[int, Option(min=0, help="For --sample.")] = 0,
    thoughts: Annotated[
        bool, Option(help="ICoT-KD: each layer's emulated thought beside the teacher's.")
    ] = False,
    budget_sweep: Annotated[
        bool, Option(help="Accuracy and speed by number of written tokens; no question.")
    ] = False,
    examples: Annotated[int, Option(min=1, help="Held-out examples for --budget-sweep.")] = 200,
    device: Device = "auto",
    json: Annotated[bool, Option("--json", help="Print JSON: one line per question.")] = False,
) -> None:
    """Put a question to checkpoints: answer, token probabilities and hidden chain of thought."""
    from icot_tui.analysis.questions import read_questions

    if budget_sweep:
        names, texts = asked, []
    elif file is not None:
        names, texts = asked, read_questions(file)
    else:
        names, texts = asked[:-1], asked[-1:]
    if budget_sweep and (file is not None or thoughts):
        raise UserError("--budget-sweep asks held-out examples: leave out --file and --thoughts")
    if not names:
        raise UserError("name a checkpoint or a run, then the question")
    if stage is not None and (all_stages or written is not None):
        raise UserError("--stage can't be combined with --all-stages or --written")
    if write_until is not None and any(
        (budget_sweep, thoughts, sample, written is not None, stage is not None, all_stages)
    ):
        raise UserError(
            "--write-until chooses how much is written: leave out --written, --stage, "
            "--all-stages, --sample, --thoughts and --budget-sweep"
        )
    if budgets is not None and write_until is None:
        raise UserError("--budgets says what --write-until tries: give both")
    from icot_tui.analysis.answer import Sampling
    from icot_tui.analysis.emulation import ThoughtComparison
    from icot_tui.analysis.model_cache import ModelCache
    from icot_tui.engine.checkpoints.opened import GivenRemoval

    silence_transformers()
    sampling = Sampling(temperature, seed) if sample else None
    given = GivenRemoval(side, keep_positions)
    models = _open(names, stage, all_stages, ModelCache(device=pick_device(device), given=given))
    if budget_sweep:
        _sweep_budgets(models, examples, json)
        return
    if write_until is not None:
        from icot_tui.cli.hybrid_answers import ask_until_sure

        tried = None if budgets is None else read_budgets(budgets)
        ask_until_sure(models, texts, raw, write_until, tried, json)
        return
    compare = [ThoughtComparison(model) for model in models] if thoughts else []
    by_model = [
        one.answer(
            [one.reader.read(text, raw) for text in texts],
            written=written,
            stage=stage,
            sampling=sampling,
        )
        for one in models
    ]
    for text, *answers in zip(texts, *by_model, strict=True):
        found = [one.of(answer.question) for one, answer in zip(compare, answers, strict=False)]
        if json:
            _print_json(text, answers, found)
            continue
        print_answers(text, answers)
        for one, answer, layers in zip(compare, answers, found, strict=False):
            _print_thoughts(answer.checkpoint, layers, one.examples)


def _open(
    names: Sequence[str], stage: int | None, all_stages: bool, cache: "ModelCache"
) -> "list[LoadedModel]":
    from icot_tui.analysis.checkpoints import find_checkpoint, newest_of_each_stage, run_entries

    runs, paths = runs_folder(), []
    for name in names:
        folder = find_checkpoint(name, runs)
        is_run = (folder / "config.toml").is_file()
        if all_stages:
            if not is_run:
                raise UserError(f"--all-stages needs a run, but {name} is a single checkpoint")
            paths += [entry.path for entry in newest_of_each_stage(run_entries(RunFolder(folder)))]
        elif stage is not None and is_run:
            paths.append(find_checkpoint(f"{name}@{stage}", runs))
        else:
            paths.append(folder)
    if not paths:
        raise UserError(f"{', '.join(names)}: no checkpoint yet")
    return [cache.open(path) for path in paths]


def _sweep_budgets(models: "Sequence[LoadedModel]", examples: int, json: bool) -> None:
    """Print accuracy and speed of each checkpoint, for each number of written tokens."""
    from icot_tui.analysis.budget import check_mixed, sweep
    from icot_tui.analysis.examples import load_examples

    for model in models:
        check_mixed(model)
    for model in models:
        with spinner("reading the examples") as say:
            points = sweep(model, load_examples(model, examples).split(model), on_progress=say)
        if json:
            values = [asdict(point) for point in points]
            print_json({"checkpoint": model.label, "budgets": values})
        else:
            _print_budgets(model.label, points)


def _print_budgets(name: str, points: "Sequence[BudgetPoint]") -> None:
    rows = [
        (
            str(point.written),
            str(point.stage),
            short_percent(point.exact_match),
            f"{short_percent(point.low)} to {short_percent(point.high)}",
            f"{point.mean_written:.2f}",
            f"{point.examples_per_second:.4g}",
        )
        for point in points
    ]
    headers = ("written", "removed", "exact match", "95 % interval", "mean written", "examples/s")
    print_table(headers, rows, title=name)
    if sys.stdout.isatty():
        from icot_tui.cli.plots.study_plot import draw_figure
        from icot_tui.studies.figure import Drawing, Series

        speeds = tuple(point.examples_per_second for point in points)
        series = Series(name, speeds, tuple(point.exact_match for point in points))
        title = "from all tokens written to none"
        drawing = Drawing(title, "examples/s", "exact match", (series,), True)
        print_plot(draw_figure(drawing, look_here()))


def _print_json(
    text: str, answers: "Sequence[Answer]", thoughts: "Sequence[Sequence[LayerThought]]"
) -> None:
    from icot_tui.analysis.emulation import as_values

    values = [answer.as_json() for answer in answers]
    for value, layers in zip(values, thoughts, strict=False):
        value["thoughts"] = as_values(layers)
    print_json({"question": text, "answers": values})


def _print_thoughts(name: str, layers: "Sequence[LayerThought]", examples: int) -> None:
    """A line per layer, and what may be concluded."""
    from icot_tui.analysis.emulation import summary

    def distances(*values: float | None) -> list[str]:
        return ["" if value is None else f"{value:.3f}" for value in values]

    kinds = ("own", "before", "guess")
    print_table(
        ("layer", "teacher read", *kinds, "others", *(f"average {kind}" for kind in kinds)),
        [
            (
                str(one.layer),
                f"{one.place} {one.token}" if one.place[0] == "z" else one.place,
                *distances(one.here.own, one.here.before, one.here.guess, one.others),
                *distances(one.average.own, one.average.before, one.average.guess),
            )
            for one in layers
        ],
    )
    say(f"{LEGEND} {examples:,} held-out questions.")
    say(plain(f"{name}: {summary(layers, examples)}"))
