"""Examples that checkpoints are analysed on, aligned so that a column means the same in all.

N examples, C aligned columns, L columns of the padded batch.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from icot_tui.analysis.loaded_model import LoadedModel
from icot_tui.curriculum.removal import Batch
from icot_tui.data.encoded import EncodedSplit
from icot_tui.data.encoding import Encoder
from icot_tui.data.examples import Chunk
from icot_tui.data.reading import ExampleReader
from icot_tui.data.splits import open_source
from icot_tui.engine.evaluation.answers import AnswerReader
from icot_tui.engine.evaluation.evaluate import position_table
from icot_tui.errors import UserError
from icot_tui.models.latent_stream import stream_columns, thoughts_of
from icot_tui.models.residual_stream import ResidualStream, Site

Ints = NDArray[np.int64]

BATCH_TOKENS = 8192  # tokens a forward pass
GROUP_BYTES = 512 << 20
"""Activations held at once; a larger need is met by more passes, a few sites each."""
LETTERS = "abdefghijklmnopqrstuvw"  # names of operands; c is the answer's


@dataclass(frozen=True)
class ProbeExamples:
    """Lines of examples, and how many of them the model was trained on."""

    text: Chunk
    count: int
    trained_on: int

    def split(self, model: LoadedModel) -> EncodedSplit:
        """The examples in a checkpoint's own tokens.

        Raises:
            UserError: its tokenizer does not know them.
        """
        return Encoder(model.opened.tokenizer).encode(self.text)

    @property
    def notes(self) -> list[str]:
        """What should be said about them."""
        if not self.trained_on:
            return []
        return [
            f"{self.trained_on:,} of the {self.count:,} examples are training examples of the "
            "model, since there are no more held-out ones (each probe is still scored on examples "
            "that it was not fitted to)"
        ]


def load_examples(model: LoadedModel, count: int, file: Path | None = None) -> ProbeExamples:
    """At most `count` examples of a file, or of the model's run: validation, test, then training.

    Raises:
        UserError: no file is given and the checkpoint lies in no run, or a file is missing.
    """
    if file is not None:
        reader = ExampleReader.of(str(file), "test", model.opened.data, model.opened.unit)
        lines = _lines(reader.chunks(count), count)
        text = Chunk(b"".join(lines), str(file), 1, marked=model.opened.unit == "step")
        return ProbeExamples(text, len(lines), 0)
    data = model.opened.data
    if data is None:
        raise UserError(f"{model.opened.path} lies in no run: name a file of examples with --data")
    source = open_source(data, model.opened.unit)
    lines, trained_on = [], 0
    for name in ("validation", "test", "train"):
        if name in source.names and len(lines) < count:
            more = _lines(source.chunks(name), count - len(lines))
            lines += more
            trained_on += len(more) if name == "train" else 0
    marked = model.opened.unit == "step"
    text = Chunk(b"".join(lines), f"the examples of {model.label}", 1, marked=marked)
    return ProbeExamples(text, len(lines), trained_on)


def _lines(chunks: Iterator[Chunk], count: int) -> list[bytes]:
    lines = (line for chunk in chunks for line in chunk.lines())
    return list(islice((line for line in lines if line.strip()), count))


class AlignedExamples:
    """Examples as a model reads them at a stage: the gold tokens after removal.

    Inputs of different lengths are aligned at the first separator: the last columns of each that
    all of them have, and what follows it.

    split      [N] the examples
    batch      their rows
    counts     of continuous thoughts, which then stand behind SEP: START, t1, ..., END; or None
    columns    [N, C] index of each column in its row, as the residual stream has it
    names      [C] a0, a1, *, b0, SEP, z5, SEP2, ####, c0, ...; x-2: two before SEP
    tokens     [N, C] the token in each column; -1 where there is none
    varies     [C] do the examples differ in the column's token?
    separator  the column of the first separator
    chain      the column of what follows it, thoughts left out
    answer     the column of c0; column answer + k - 1 predicts c_k
    digits     K, tokens of the answer that all examples have
    kept       indices of the chain-of-thought tokens that are left, of the shortest chain
    hidden     indices of its other tokens

    Raises:
        UserError: too long for the model, or of different shapes where all must be alike.
    """

    def __init__(self, model: LoadedModel, split: EncodedSplit, stage: int) -> None:
        token_format = model.opened.token_format(stage)
        batch = token_format.batch(split, np.arange(len(split)), stage)
        _check_length(batch, position_table(model.lm))
        before = int(batch.prompt_lengths.min())
        after = int((batch.lengths - batch.prompt_lengths).min()) - 1  # the last predicts nothing
        columns = batch.prompt_lengths[:, None] + np.arange(-before, after)
        tokens = np.take_along_axis(batch.ids, columns, axis=1)
        shortest = int(split.cot_lengths.min())
        first_shortest = int(split.cot_lengths.argmin())
        hidden = tuple(sorted(token_format.plan.hidden(split, first_shortest, stage)))
        kept = tuple(place for place in range(shortest) if place not in hidden)
        written = int(batch.cot_lengths.max())
        if written != int(batch.cot_lengths.min()):
            raise UserError(
                "the examples differ in how many chain-of-thought tokens are written at stage "
                f"{stage}: look at a checkpoint that has removed all of them"
            )
        example = split.example(0)
        section = example[split.prompt_lengths[0] + split.cot_lengths[0] + 1 : -1].tolist()
        mark = AnswerReader(token_format).mark_length(section)
        if mark is None:
            raise UserError("the tokenizer does not give '####' back")
        answer = before + written + 1 + mark
        texts = [model.token_text(token) for token in tokens[0].tolist()]
        varies = (tokens != tokens[:1]).any(axis=0)
        if (batch.prompt_lengths == before).all():
            texts[: before - 1] = _operand_names(texts[: before - 1], varies)
        else:  # aligned at its end, an operand's first digits may be missing
            for column in np.flatnonzero(varies[: before - 1]).tolist():
                texts[column] = f"x-{before - 1 - column}"
        texts[before : before + len(kept)] = [f"z{place + 1}" for place in kept]
        texts[answer:] = [f"c{digit}" for digit in range(len(texts) - answer)]
        self.digits = len(texts) - answer
        self._before_answer = columns[:, answer - 1 : -1]
        self.counts = thoughts_of(model.lm, stage, batch.prompt_lengths)
        extra = 0
        if self.counts is not None:
            columns = stream_columns(self.counts, batch.prompt_lengths, columns)
            end = columns[:, before - 1 : before]  # it has the separator's place
            longest, marks = int(batch.prompt_lengths.max()), self.counts.most + 1
            inside = np.broadcast_to(longest - 1 + np.arange(marks + 1), (len(columns), marks + 1))
            inserted = np.concatenate([inside, end], axis=1)
            columns = np.concatenate([columns[:, : before - 1], inserted, columns[:, before:]], 1)
            extra = marks + 1
            tokens = np.insert(tokens, [before] * extra, -1, axis=1)
            varies = np.insert(varies, [before] * extra, False)
            texts[before:before] = ["START", *(f"t{n + 1}" for n in range(marks - 1)), "END"]
        self.split, self.batch = split, batch
        self.columns, self.names, self.tokens = columns, _distinct(texts), tokens
        self.separator, self.chain, self.answer = before - 1, before + extra, answer + extra
        self.varies = varies
        self.kept, self.hidden = kept, hidden

    def __len__(self) -> int:
        return len(self.batch)

    def batches(self, rows: Ints | None = None) -> Iterator[Ints]:
        """Rows (None: all), as many at once as make a good forward pass."""
        rows = np.arange(len(self)) if rows is None else rows
        size = max(1, BATCH_TOKENS // self.batch.ids.shape[1])
        for begin in range(0, len(rows), size):
            yield rows[begin : begin + size]

    def inputs(self, rows: Ints) -> tuple[Tensor, Tensor | None]:
        """Token ids and position ids [n, L] of some rows; no position ids where they are plain."""
        positions = self.batch.positions
        ids = torch.from_numpy(self.batch.ids[rows])
        return ids, None if positions is None else torch.from_numpy(positions[rows])

    def answer_tokens(self, digit: int) -> Ints:
        """[N] the gold token of c_k."""
        return self.tokens[:, self.answer + digit]

    def before_answer(self, rows: Ints) -> tuple[Tensor, Tensor]:
        """Index into [n, L, ...] of the n rows' K positions that predict the answer."""
        columns = torch.from_numpy(self._before_answer[rows])
        return torch.arange(len(rows))[:, None], columns


def _check_length(batch: Batch, table: int | None) -> None:
    last = batch.lengths if batch.positions is None else batch.positions.max(axis=1) + 1
    if table is not None and int(last.max(initial=0)) > table:
        raise UserError(
            f"the longest example needs {int(last.max())} positions, but the model has {table}"
        )


def _operand_names(texts: list[str], varies: NDArray[np.bool_]) -> list[str]:
    """a0, a1, *, b0, ...: each run of columns that vary is an operand."""
    names: list[str] = []
    operand = place = 0
    for text, differs in zip(texts, varies.tolist(), strict=False):
        if differs:
            names.append(f"{LETTERS[operand % len(LETTERS)]}{place}")
            place += 1
        else:
            names.append(text)
            operand, place = operand + (place > 0), 0
    return names


def _distinct(names: list[str]) -> tuple[str, ...]:
    """SEP, SEP2, ...: a name's repetitions are numbered."""
    return tuple(
        name if name not in names[:at] else f"{name}{names[: at + 1].count(name)}"
        for at, name in enumerate(names)
    )


def site_groups(stream: ResidualStream, aligned: AlignedExamples) -> Iterator[list[Site]]:
    """The model's sites in groups whose activations fit GROUP_BYTES."""
    bytes_a_site = len(aligned) * len(aligned.names) * stream.width * 4
    size = max(1, GROUP_BYTES // bytes_a_site)
    for begin in range(0, len(stream.sites), size):
        yield stream.sites[begin : begin + size]


@torch.no_grad()
def collect(stream: ResidualStream, aligned: AlignedExamples, sites: Sequence[Site]) -> Tensor:
    """[S, C, N, H] float32 activations on the CPU; the model must be in evaluation mode."""
    columns = torch.from_numpy(aligned.columns)
    found = torch.empty(len(sites), columns.shape[1], len(aligned), stream.width)
    with stream.recording(sites) as recorded:
        for rows in aligned.batches():
            stream.forward(*aligned.inputs(rows))
            index = columns[rows].to(stream.device)[..., None].expand(-1, -1, stream.width)
            for number, site in enumerate(sites):
                at_columns = recorded[site].gather(1, index).float().cpu()  # [n, C, H]
                found[number, :, rows] = at_columns.transpose(0, 1)
    return found
