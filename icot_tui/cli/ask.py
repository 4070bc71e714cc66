"""`icot-tui ask`: a question to one checkpoint or to several, side by side."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from icot_tui.errors import UserError

if TYPE_CHECKING:
    from rich.table import Table
    from rich.text import Text

    from icot_tui.analysis.answer import Answer, Sampling
    from icot_tui.analysis.chain import ChainToken
    from icot_tui.analysis.emulation import LayerThought, ThoughtComparison
    from icot_tui.analysis.loaded_model import LoadedModel

app = typer.Typer(add_completion=False)

LABEL_WIDTH, ANSWER_WIDTH = 20, 20
"""Cells that the table of answers wants for its labels, and for each checkpoint."""

EXAMPLES = """
Examples:

  icot-tui ask runs/demo "12*34"

  icot-tui ask demo@0 demo@2 demo@best demo-no-cot "12*34"

  icot-tui ask demo --all-stages "12*34" --json

  icot-tui ask demo --file questions.txt

  icot-tui ask demo-mixed --budget-sweep

  icot-tui ask kd-2x2-cpu --thoughts "12*34"

A run stands for its newest checkpoint; RUN@best, RUN@latest and RUN@4 (four tokens removed) for \
others. Tokens in square brackets are hidden: the model no longer writes them, and what stands \
there is what the explicit chain of thought has. ICoT-KD's pair answers like any other checkpoint; \
its teacher is RUN@teacher.
"""

LEGEND = """\
Distances; 0 is the same thought, about 2 an unrelated one. own: from the emulated thought to the
teacher's; before: the same with the emulator as its own training left it; guess: from the mean of
the teacher's thoughts; others: from the emulated one to the teacher's about other questions;
average: over"""


@app.command(epilog=EXAMPLES)
def ask(
    asked: Annotated[
        list[str],
        typer.Argument(
            metavar="CHECKPOINT_OR_RUN... QUESTION", help="Checkpoints, and last the question."
        ),
    ],
    raw: Annotated[bool, typer.Option(help="The question is in the model's own form.")] = False,
    file: Annotated[
        Path | None, typer.Option(help="Ask each line of a file: questions, or whole examples.")
    ] = None,
    stage: Annotated[
        int | None,
        typer.Option(min=0, help="A run's checkpoint of this stage, or removed tokens of a model."),
    ] = None,
    all_stages: Annotated[bool, typer.Option(help="A checkpoint of each stage of a run.")] = False,
    written: Annotated[
        int | None, typer.Option(min=0, help="Chain-of-thought tokens to write.")
    ] = None,
    sample: Annotated[bool, typer.Option(help="Draw the tokens instead of the likeliest.")] = False,
    temperature: Annotated[float, typer.Option(min=0.01, help="Of --sample.")] = 1.0,
    seed: Annotated[int, typer.Option(min=0, help="Of --sample.")] = 0,
    thoughts: Annotated[
        bool, typer.Option(help="ICoT-KD: each layer's emulated thought beside the teacher's.")
    ] = False,
    budget_sweep: Annotated[
        bool, typer.Option(help="Accuracy and speed for each budget of thought; no question.")
    ] = False,
    examples: Annotated[
        int, typer.Option(min=1, help="Held-out examples of --budget-sweep.")
    ] = 200,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
    json: Annotated[bool, typer.Option("--json", help="Print JSON, a line a question.")] = False,
) -> None:
    """Put a question to checkpoints: the answer, how sure each token is, and the hidden thought."""
    from icot_tui.analysis.questions import read_questions

    if budget_sweep:
        names, texts = asked, []
    elif file is not None:
        names, texts = asked, read_questions(file)
    else:
        names, texts = asked[:-1], asked[-1:]
    if budget_sweep and (file is not None or thoughts):
        raise UserError("--budget-sweep asks held-out examples: leave --file and --thoughts out")
    if not names:
        raise UserError("name a checkpoint or a run, and then the question")
    if stage is not None and (all_stages or written is not None):
        raise UserError("--stage goes with neither --all-stages nor --written")
    from transformers.utils import logging

    from icot_tui.analysis.answer import Sampling
    from icot_tui.cli.device import pick_device

    logging.disable_progress_bar()
    logging.set_verbosity_error()
    sampling = Sampling(temperature, seed) if sample else None
    models = _open(names, stage, all_stages, pick_device(device))
    if budget_sweep:
        from icot_tui.cli.budget import print_sweeps

        print_sweeps(models, examples, json)
        return
    compare = _comparisons(models) if thoughts else []
    for text, answers in _answers(models, texts, raw, written, stage, sampling):
        found = [one.of(answer.question) for one, answer in zip(compare, answers, strict=False)]
        if json:
            _print_json(text, answers, found)
            continue
        _print_table(text, answers)
        for one, answer, layers in zip(compare, answers, found, strict=False):
            _print_thoughts(answer.checkpoint, layers, one.examples)


def _open(
    names: Sequence[str], stage: int | None, all_stages: bool, device: str
) -> "list[LoadedModel]":
    from icot_tui.analysis.checkpoints import catalogue, find_checkpoint, one_per_stage
    from icot_tui.analysis.model_cache import ModelCache
    from icot_tui.engine.run_folder import RunFolder, runs_folder

    runs, paths = runs_folder(), []
    for name in names:
        folder = find_checkpoint(name, runs)
        is_run = (folder / "config.toml").is_file()
        if all_stages:
            if not is_run:
                raise UserError(f"--all-stages needs a run, and {name} is a single checkpoint")
            paths += [entry.path for entry in one_per_stage(catalogue(RunFolder(folder)))]
        elif stage is not None and is_run:
            paths.append(find_checkpoint(f"{name}@{stage}", runs))
        else:
            paths.append(folder)
    if not paths:
        raise UserError(f"{', '.join(names)}: there is no checkpoint yet")
    opened = ModelCache(device=device)
    return [opened.open(path) for path in paths]


def _answers(
    models: "Sequence[LoadedModel]",
    texts: Sequence[str],
    raw: bool,
    written: int | None,
    stage: int | None,
    sampling: "Sampling | None",
) -> "Iterator[tuple[str, list[Answer]]]":
    by_model = []
    for model in models:
        questions = [model.reader.read(text, raw) for text in texts]
        by_model.append(model.answer(questions, written=written, stage=stage, sampling=sampling))
    for text, *answers in zip(texts, *by_model, strict=True):
        yield text, answers


def _comparisons(models: "Sequence[LoadedModel]") -> "list[ThoughtComparison]":
    from icot_tui.analysis.emulation import ThoughtComparison

    return [ThoughtComparison(model) for model in models]


def _print_json(
    text: str, answers: "Sequence[Answer]", thoughts: "Sequence[Sequence[LayerThought]]"
) -> None:
    from icot_tui.analysis.answer import as_json
    from icot_tui.analysis.emulation import as_values
    from icot_tui.cli.console import print_json

    values = [as_json(answer) for answer in answers]
    for value, layers in zip(values, thoughts, strict=False):
        value["thoughts"] = as_values(layers)
    print_json({"question": text, "answers": values})


def _distance(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


def _print_thoughts(name: str, layers: "Sequence[LayerThought]", examples: int) -> None:
    """A line a layer, and what may be concluded."""
    from icot_tui.analysis.emulation import summary
    from icot_tui.cli.console import print_table
    from icot_tui.plain import plain

    kinds = ("own", "before", "guess")
    print_table(
        ("layer", "teacher read", *kinds, "others", *(f"average {kind}" for kind in kinds)),
        [
            (
                str(one.layer),
                f"{one.place} {one.token}" if one.place[0] == "z" else one.place,
                *map(_distance, (one.here.own, one.here.before, one.here.guess, one.others)),
                *map(_distance, (one.average.own, one.average.before, one.average.guess)),
            )
            for one in layers
        ],
    )
    print(f"{LEGEND} {examples:,} held-out questions.")
    print(plain(f"{name}: {summary(layers, examples)}"))


def _print_table(text: str, answers: "Sequence[Answer]") -> None:
    import sys

    from icot_tui.cli.console import console, print_table
    from icot_tui.plain import plain

    columns = [list(_rows(answer)) for answer in answers]
    headers = ("", *(answer.checkpoint for answer in answers))
    names = [name for name, _ in columns[0]]
    cells = [[column[row][1] for column in columns] for row in range(len(names))]
    if not sys.stdout.isatty():
        rows = [
            (name, *(cell.plain for cell in row)) for name, row in zip(names, cells, strict=True)
        ]
        print_table(headers, [("question", *[text] * len(answers)), *rows])
    else:
        screen = console()
        beside = max(1, (screen.width - LABEL_WIDTH) // ANSWER_WIDTH)
        for begin in range(0, len(answers), beside):  # those that find no room stand below
            some = slice(begin, begin + beside)
            beside_labels = [(name, row[some]) for name, row in zip(names, cells, strict=True)]
            screen.print(_table(text, headers[1:][some], beside_labels))
    for note in dict.fromkeys(note for answer in answers for note in answer.notes):
        print(f"note: {plain(note)}", file=sys.stderr)


def _table(
    text: str, checkpoints: "Sequence[str]", rows: "Iterable[tuple[str, Sequence[Text]]]"
) -> "Table":
    from rich import box
    from rich.table import Table
    from rich.text import Text

    from icot_tui.plain import plain

    table = Table(title=Text(plain(text)), title_justify="left", box=box.SIMPLE_HEAD)
    table.add_column()
    for name in checkpoints:  # the step tells checkpoints of a run apart: it is kept whole
        table.add_column(Text(plain(name).replace("/", "/\n")), overflow="fold")
    for label, row in rows:
        table.add_row(Text(label), *row)
    return table


def _rows(answer: "Answer") -> "Iterator[tuple[str, Text]]":
    from rich.text import Text

    from icot_tui.plain import plain

    verdict = {True: ("right", "success"), False: ("wrong", "error"), None: ("", "")}[answer.right]
    shown = "no answer" if answer.shown is None else plain(answer.shown)
    yield "answer", Text(" ").join([Text(shown), Text(*verdict)])
    yield "true answer", Text(plain(answer.expected or ""))
    sure = " ".join(f"{plain(t.text)} {t.probability:.0%}" for t in answer.tokens)
    yield "how sure", Text(sure)
    yield "chain of thought", drawn(answer.chain)
    hidden = f"stage {answer.stage}" if answer.hidden is None else f"{answer.hidden} hidden"
    yield "of it", Text(f"{answer.written} written, {hidden}")
    yield "time", Text(f"{answer.seconds * 1e3:.0f} ms, {answer.decoded} tokens in all")


def drawn(chain: "Sequence[ChainToken]") -> "Text":
    """The chain of thought: written tokens solid, runs of hidden ones dim and in brackets."""
    from rich.text import Text

    from icot_tui.plain import plain

    groups: list[tuple[bool, list[str]]] = []
    for token in chain:
        if not groups or groups[-1][0] != token.written:
            groups.append((token.written, []))
        groups[-1][1].append(plain(token.text))
    parts = [
        Text(" ".join(texts)) if written else Text(f"[{' '.join(texts)}]", "dim italic")
        for written, texts in groups
    ]
    return Text(" ").join(parts)
