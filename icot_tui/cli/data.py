"""`icot-tui data`: make, show, measure and convert examples."""

from collections.abc import Iterator
from dataclasses import asdict
from itertools import chain as joined
from itertools import islice
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from typer import Argument, Option

from icot_tui.cli.console import print_error, print_json, print_table
from icot_tui.cli.options import Json
from icot_tui.errors import UserError

if TYPE_CHECKING:
    from icot_tui.data.examples import Example
    from icot_tui.data.reading import ExampleReader

app = typer.Typer(no_args_is_help=True)

Settings = Annotated[
    list[str] | None,
    Option("--set", metavar="KEY=VALUE", help="Option of the task, e.g. digits=4x4; repeatable."),
]
Question = Annotated[str | None, Option(help="Column with the question.")]
Chain = Annotated[str | None, Option(help="Column with the chain of thought.")]
Answer = Annotated[str | None, Option(help="Column with the answer.")]
Seed = Annotated[int, Option(min=0, help="Seed of the examples.")]


@app.command(
    epilog="Example: icot-tui data make multiplication --set digits=4x4 --train 808000 "
    "--validation 1000 --test 1000 --out data/4x4"
)
def make(
    task: Annotated[
        str, Argument(help="Its name: multiplication, addition, modular, parity, hops or graph.")
    ],
    out: Annotated[Path, Option(metavar="FOLDER", help="Folder for the files.")],
    settings: Settings = None,
    train: Annotated[
        int | None, Option(min=1, help="Training examples (default: all that are left).")
    ] = None,
    validation: Annotated[int, Option(min=1, help="Validation examples.")] = 1000,
    test: Annotated[int, Option(min=0, help="Test examples.")] = 0,
    seed: Seed = 0,
    force: Annotated[bool, Option("--force", help="Overwrite existing files.")] = False,
    json: Json = False,
) -> None:
    """Generate train.txt, validation.txt and test.txt for a task; they share no problem."""
    from icot_tui.config import DataConfig
    from icot_tui.data.files import write_files
    from icot_tui.data.splits import open_source

    config = DataConfig(
        task=task,
        options=dict(_options(settings)),
        train_examples=train,
        validation_examples=validation,
        test_examples=test,
        seed=seed,
    )
    written = write_files(open_source(config), out, force)
    if json:
        print_json({name: asdict(file) for name, file in written.items()})
        return
    rows = [
        (str(file.path), f"{file.examples:,}", f"{file.bytes / 1e6:.1f}")
        for file in written.values()
    ]
    print_table(("file", "examples", "MB"), rows)


@app.command(
    epilog="Examples: icot-tui data show train.txt --random | "
    "icot-tui data show multiplication --set digits=3x2"
)
def show(
    source: Annotated[str, Argument(help="A file, or the name of a task.")],
    lines: Annotated[int, Option("--lines", "-n", min=1, help="Number of examples.")] = 5,
    random: Annotated[
        bool, Option("--random", help="Random lines instead of the first ones.")
    ] = False,
    settings: Settings = None,
    seed: Seed = 0,
    json: Json = False,
) -> None:
    """Print the first or random examples of a file, or generated ones of a task."""
    if Path(source).exists() or any(mark in source for mark in "/.:"):
        if settings:
            raise UserError("--set is for tasks: a file has no options")
        examples = _from_file(Path(source), lines, seed if random else None)
    else:
        examples = _from_task(source, dict(_options(settings)), lines, seed)
    if json:
        print_json([{"line": number, **asdict(example)} for number, example in examples])
        return
    rows = [(str(number), e.input, e.cot, e.answer) for number, e in examples]
    print_table(("line", "input", "chain of thought", "answer"), rows)


@app.command(
    epilog="Example: icot-tui data stats train.txt validation.txt --tokenizer gpt2 "
    "(the others are compared with the first file)"
)
def stats(
    files: Annotated[
        list[Path], Argument(help="Files, folders or hub:NAME:SUBSET@SPLIT; training data first.")
    ],
    tokenizer: Annotated[
        str, Option(help="character, or a tokenizer's folder or hub name.")
    ] = "character",
    question: Question = None,
    chain: Chain = None,
    answer: Answer = None,
    step_end: Annotated[
        str | None, Option(metavar="TEXT", help="What ends a step, as data.step_end.")
    ] = None,
    max_length: Annotated[
        int | None, Option(min=1, help="Count rows longer than data.max_length tokens.")
    ] = None,
    json: Json = False,
) -> None:
    """Print sizes, median token counts (Table 1 of the papers), repeated and shared inputs."""
    from icot_tui.data.doubts import ExampleDoubts
    from icot_tui.data.examples import characters
    from icot_tui.data.files import text_stats, tokenizer_notes
    from icot_tui.data.steps import StepRule
    from icot_tui.data.tokenizing import CHARACTER, character_tokenizer, pretrained_tokenizer

    readers = [_reader(path, question, chain, answer) for path in files]
    texts = {reader.source: reader.chunks for reader in readers}
    if tokenizer == CHARACTER:
        chunks = (chunk for read in texts.values() for chunk in read())
        loaded = character_tokenizer(characters(chunks))
    else:
        loaded = pretrained_tokenizer(tokenizer)
    if loaded.is_fast:  # others do not tell which token ends a step
        for reader in readers:
            reader.rule = StepRule(step_end)
    measured = text_stats(texts, loaded, max_length)
    for note in [note for reader in readers for note in reader.told()]:
        print_error(f"note: {note}")
    for note in tokenizer_notes(readers[0].chunks(), loaded):
        print_error(f"note: {note}")
    for reader in readers:
        seen = ExampleDoubts()
        for _ in seen.watching(reader.chunks()):
            pass
        for note in (*seen.sentences(), *seen.comparison()):
            print_error(f"note: {reader.source}: {note}")
    if json:
        print_json({name: asdict(values) for name, values in measured.items()})
        return
    spans = ("input", "chain of thought", "answer")
    ends = ("removable", "steps", "most steps", "longest", "repeated", "in first file", "too long")
    headers = ("file", "examples", *spans, *ends)
    rows = [
        (name, *("" if value is None else f"{value:,.10g}" for value in asdict(values).values()))
        for name, values in measured.items()
    ]
    title = "medians, in tokens and steps; removable, most and longest: maximum"
    print_table(headers, rows, title=title)


@app.command(
    epilog="Examples: icot-tui data convert train.json --to text | icot-tui data convert "
    "hub:openai/gsm8k:main@test --to jsonl --out test.jsonl"
)
def convert(
    source: Annotated[str, Argument(help="A file, a folder, or hub:NAME:SUBSET@SPLIT.")],
    to: Annotated[Literal["text", "jsonl", "parquet"], Option(help="Format to write.")],
    out: Annotated[
        Path | None, Option(metavar="FILE", help="File to write (default: beside the source).")
    ] = None,
    split: Annotated[
        Literal["train", "validation", "test"], Option(help="Split of a folder or dataset.")
    ] = "train",
    question: Question = None,
    chain: Chain = None,
    answer: Answer = None,
    force: Annotated[bool, Option("--force", help="Overwrite an existing file.")] = False,
    json: Json = False,
) -> None:
    """Write the examples of any source as text, JSON lines or Parquet."""
    from icot_tui.data.convert import SUFFIXES
    from icot_tui.data.convert import convert as write

    reader = _reader(source, question, chain, answer, split)
    if out is None and not Path(source).is_file():
        raise UserError(f"{source} is no file: say where to write with --out")
    path = out or Path(source).with_suffix(SUFFIXES[to])
    examples = write(reader, to, path, force)
    for note in reader.told():
        print_error(f"note: {note}")
    if json:
        print_json({"path": path, "examples": examples})
        return
    print_table(("file", "examples"), [(str(path), f"{examples:,}")])


def _reader(
    source: str | Path,
    question: str | None,
    chain: str | None,
    answer: str | None,
    split: str = "train",
) -> "ExampleReader":
    from icot_tui.config.sections import ColumnsConfig
    from icot_tui.data.reading import ExampleReader

    columns = ColumnsConfig(question=question, chain=chain, answer=answer)
    return ExampleReader(str(source), split, columns)


def _options(settings: list[str] | None) -> Iterator[tuple[str, str]]:
    for setting in settings or []:
        key, equals, value = setting.partition("=")
        if not equals:
            raise UserError(f"--set {setting} has no '=': write it like --set digits=4x4")
        yield key.strip(), value.strip()


def _from_file(path: Path, count: int, seed: int | None) -> "list[tuple[int, Example]]":
    """The first examples, or with a seed random ones, in the order of the file."""
    from icot_tui.data.examples import chunk_examples
    from icot_tui.data.reading import ExampleReader

    examples = joined.from_iterable(map(chunk_examples, ExampleReader(str(path)).chunks()))
    kept = list(islice(examples, count))
    if seed is not None:
        random = Random(seed)
        for seen, example in enumerate(examples, start=count + 1):
            place = random.randrange(seen)  # reservoir: every line has the same chance
            if place < count:
                kept[place] = example
    return sorted(kept, key=lambda numbered: numbered[0])


def _from_task(
    name: str, options: dict[str, str], count: int, seed: int
) -> "list[tuple[int, Example]]":
    import numpy as np

    from icot_tui.data.examples import parse_line
    from icot_tui.data.tasks import make_task

    task = make_task(name, options)
    lines = task.lines(task.sample(count, np.random.default_rng(seed))).decode().splitlines()
    return [(number, parse_line(line, name)) for number, line in enumerate(lines, start=1)]
