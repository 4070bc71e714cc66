"""Runs for other programs: CSV, Parquet, TensorBoard's files, and model cards (Markdown)."""

import csv
import json
import sys
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO, StringIO
from pathlib import Path
from typing import IO, TYPE_CHECKING

from icot_tui.config import RunConfig, dump_toml, method_of
from icot_tui.data.tokenizing import OWN_SEPARATORS
from icot_tui.engine.checkpoints.checkpoint import best_or_newest
from icot_tui.engine.run_folder import RunFolder
from icot_tui.errors import UserError
from icot_tui.files import write_atomically
from icot_tui.output import hand_over
from icot_tui.studies.outcome import Outcome
from icot_tui.studies.step_rows import SCALARS, batches, columns_with, exported, loss_parts

if TYPE_CHECKING:
    import pyarrow

    from icot_tui.studies.evaluation import CheckpointAccuracy

WRITERS = 4
"""Threads that write rows as text; reading the journal feeds no more."""


@contextmanager
def writing(out: Path) -> Iterator[Path]:
    """A path to write to, whose file then takes the place of `out`.

    Raises:
        UserError: it can't be written; what was there before is kept.
    """
    beside = out.with_name(f".writing-{out.name}")
    try:
        yield beside
        beside.replace(out)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise _unwritable(out, error) from error


def _unwritable(out: Path, error: OSError) -> UserError:
    return UserError(f"cannot write {out}: {error.strerror or error}", 1)


def write_text(out: Path, text: str) -> None:
    """A text file, whole or not at all.

    Raises:
        UserError: it can't be written.
    """
    try:
        write_atomically(out, text)
    except OSError as error:
        raise _unwritable(out, error) from error


def write_csv(runs: Sequence[RunFolder], out: Path | None) -> None:
    """One file of all runs; without a path, on standard output.

    Raises:
        UserError: it can't be written.
    """
    if out is None:
        if not sys.stdout.isatty():
            return _write_rows(runs, sys.stdout.buffer)
        found = BytesIO()
        _write_rows(runs, found)
        return hand_over(found.getvalue())
    with writing(out) as beside, open(beside, "wb") as file:
        _write_rows(runs, file)


def _write_rows(runs: Sequence[RunFolder], file: IO[bytes]) -> None:
    parts, header = loss_parts(runs), StringIO()
    csv.writer(header, lineterminator="\n").writerow(columns_with(parts))
    file.write(header.getvalue().encode(errors="backslashreplace"))
    made = (batch for run in runs for batch in batches(run, parts))
    with ThreadPoolExecutor(WRITERS) as pool:
        waiting: deque[Future[pyarrow.Buffer]] = deque()
        for batch in made:
            waiting.append(pool.submit(_as_csv, batch))
            if len(waiting) > WRITERS:
                file.write(waiting.popleft().result())
        for rows in waiting:
            file.write(rows.result())


def _as_csv(batch: "pyarrow.RecordBatch") -> "pyarrow.Buffer":
    import pyarrow
    from pyarrow.csv import WriteOptions, write_csv

    text = pyarrow.BufferOutputStream()
    write_csv(batch, text, WriteOptions(include_header=False))
    return text.getvalue()


def write_parquet(runs: Sequence[RunFolder], out: Path) -> None:
    """The same as Parquet, a row group for each run.

    Raises:
        UserError: it can't be written.
    """
    import pyarrow
    from pyarrow import parquet

    parts = loss_parts(runs)
    schema = pyarrow.schema(columns_with(parts))
    with writing(out) as beside, parquet.ParquetWriter(beside, schema) as writer:
        for run in runs:
            writer.write_table(exported(run, parts))


def write_tensorboard(runs: Sequence[RunFolder], out: Path) -> None:
    """Event files in a folder for each run, with the times of the journal.

    Raises:
        UserError: tensorboard is not installed, the run is there already, or can't be written.
    """
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        what = "TensorBoard's files need tensorboard: pip install 'icot-tui[trackers]'"
        raise UserError(what, 1) from error
    for run in runs:
        folder = out / run.name
        if folder.exists():
            raise UserError(f"{folder} is there already: remove it, or name another --out")
    for run in runs:
        parts = loss_parts([run])
        columns = exported(run, parts).to_pydict()
        try:
            with SummaryWriter(str(out / run.name)) as writer:
                for name in (*SCALARS, *parts):
                    rows = zip(columns[name], columns["step"], columns["time"], strict=True)
                    for value, step, time in rows:
                        if value is not None:
                            writer.add_scalar(name, value, step, time)
        except OSError as error:
            raise _unwritable(out, error) from error


def model_card(run: RunFolder, use: str = "") -> str:
    """The card of a run's best checkpoint, or of an export: `use` says how to ask it.

    Raises:
        UserError: the run never began, or trained nothing.
    """
    outcome = Outcome(run)
    if not method_of(outcome.config).trains:
        raise UserError(f"run {run.name} only prompted a model: there is none to write a card for")
    if outcome.summary.facts is None:
        raise UserError(f"run {run.name} never started: there is nothing to report")
    return "\n\n".join(_parts(outcome, _tested(outcome), use)) + "\n"


@dataclass(frozen=True)
class Tested:
    """The best checkpoint on splits that training never looks at, by their names."""

    step: int
    by_split: "dict[str, CheckpointAccuracy]"


def _tested(outcome: Outcome) -> Tested | None:
    """Measured now, on the test split and out of distribution; None without such splits."""
    data = outcome.config.data
    splits = ["test"] * (data.reported_split == "test") + ["ood"] * bool(data.ood_options)
    if outcome.best is None or not splits:
        return None
    checkpoint = best_or_newest(outcome.run.checkpoints, outcome.best.step)
    if checkpoint is None:
        return None
    from icot_tui.studies.evaluation import measure_accuracy

    whole = not outcome.explicit
    found = {name: measure_accuracy(checkpoint.path, whole, split=name) for name in splits}
    return Tested(checkpoint.step, found)


def _parts(outcome: Outcome, tested: Tested | None, use: str) -> Iterator[str]:
    config, summary = outcome.config, outcome.summary
    facts, metrics = summary.facts, summary.metrics
    assert facts is not None
    yield _front_matter(outcome, None if tested is None else tested.by_split.get("test"))
    yield f"# {outcome.run.name}"
    if config.description:
        yield config.description
    base = config.model.pretrained
    origin = f"finetuned from `{base}`" if base else f"a {config.model.architecture} from scratch"
    method = method_of(config)
    yield (
        f"{method.model}, {summary.parameters:,} parameters, {origin}, trained with "
        f"{method.description} by icot-tui {', '.join(outcome.versions)}."
    )
    yield "## Results"
    yield "\n".join(_results(outcome, tested))
    yield "## Use" if use else "## Prompt"
    yield use or (
        f"A prompt is a blank, the question, a blank and {_question_end(config)}; the model "
        f"writes {method.writes}. `icot-tui ask CHECKPOINT QUESTION` does it."
    )
    yield "## Training"
    processes = f" in {facts.processes} processes" if facts.processes > 1 else ""
    resumed = f", resumed {summary.resumes} times" if summary.resumes else ""
    yield (
        f"{metrics.step:,} steps on {facts.train_examples:,} examples, {outcome.seconds:,.0f} "
        f"seconds on {facts.device}{processes}{resumed}; "
        f"{metrics.supervised_tokens:,} supervised tokens, {metrics.resets} optimizer resets, "
        f"{len(metrics.spikes)} loss spikes, {metrics.rollbacks} rollbacks."
    )
    yield "The configuration:"
    yield f"```toml\n{dump_toml(config).rstrip()}\n```"


def _question_end(config: RunConfig) -> str:
    own = config.data.separator == "own"
    return f"`{OWN_SEPARATORS[0]}`" if own else "the tokenizer's end-of-text token"


def _results(outcome: Outcome, tested: Tested | None) -> Iterator[str]:
    summary, best = outcome.summary, outcome.best
    yield "| what | value |"
    yield "| --- | --- |"
    if method_of(outcome.config).removes_tokens:
        yield f"| {summary.unit_word}s removed | {summary.removed} of {summary.greatest_stage} |"
    if best is None:
        yield "| exact match | not measured with the whole chain of thought removed |"
        return
    how = "the chain of thought written" if outcome.explicit else "nothing written"
    on = "" if tested is None else " on the validation split"
    yield f"| best exact match{on}, {how} | {best.exact_match:.3f} |"
    yield f"| at step | {best.step:,} |"
    assert summary.facts is not None
    yield f"| held-out examples | {summary.facts.validation_examples:,} |"
    if tested is None:
        return
    for split, accuracy in tested.by_split.items():
        on = "out of distribution" if split == "ood" else f"on the {split} split"
        yield (
            f"| exact match {on}, {accuracy.examples:,} examples, step {tested.step:,} | "
            f"{accuracy.exact_match:.3f} ({accuracy.low:.3f} to {accuracy.high:.3f}) |"
        )


def _front_matter(outcome: Outcome, test: "CheckpointAccuracy | None") -> str:
    """What the Hub reads; strings are written as JSON, which YAML understands."""
    config, best = outcome.config, outcome.best
    library = "transformers" if method_of(config).plain_model else "icot-tui"
    lines = ["---", f"library_name: {library}", "pipeline_tag: text-generation"]
    if config.model.pretrained:
        lines.append(f"base_model: {json.dumps(config.model.pretrained)}")
    lines += ["tags:", "- implicit-chain-of-thought", f"- {config.method.name}"]
    if best is not None:
        data = json.dumps(config.data.task or "own files")
        split, value = "validation", best.exact_match
        if test is not None:
            split, value = test.split, test.exact_match
        lines += [
            "model-index:",
            f"- name: {json.dumps(outcome.run.name)}",
            "  results:",
            "  - task: {type: text-generation}",
            f"    dataset: {{name: {data}, type: {data}, split: {split}}}",
            f"    metrics: [{{type: exact_match, value: {value:.4f}}}]",
        ]
    return "\n".join([*lines, "---"])
