"""Text files of examples: written from generated splits, and measured."""

import os
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from icot_tui.data.encoding import Encoder
from icot_tui.data.examples import Chunk
from icot_tui.data.overlap import example_hashes, repeated, shared
from icot_tui.data.splits import ExampleSource
from icot_tui.data.tokenizing import UnknownText, encode_texts, separator_texts
from icot_tui.errors import UserError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

NAMES = ("train", "validation", "test")


@dataclass(frozen=True)
class WrittenFile:
    """One text file: where, how many lines, how many bytes."""

    path: Path
    examples: int
    bytes: int


def write_files(source: ExampleSource, folder: Path, force: bool = False) -> dict[str, WrittenFile]:
    """Write `train.txt`, `validation.txt` and, if there is one, `test.txt`.

    `force` replaces files that are there already, all three together: a test file left over from
    another set could hold problems that are now trained on.

    Raises:
        UserError: a file is there already, or cannot be written; then none has been changed.
    """
    paths = {name: folder / f"{name}.txt" for name in NAMES}
    for path in paths.values():
        if path.exists() and not force:
            raise UserError(
                f"{path} is there already: give --force to replace it, or another --out"
            )
    written = {}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=folder, prefix=".writing-") as beside:
            for name in source.names:
                written[name] = _write(source, name, Path(beside, name), paths[name])
            for name, path in paths.items():  # only now, when nothing can fail any more
                if name in written:
                    os.replace(Path(beside, name), path)
                else:
                    path.unlink(missing_ok=True)
    except OSError as error:
        reason = error.strerror or str(error)
        raise UserError(
            f"the files cannot be written to {folder} ({reason}): give another --out", exit_status=1
        ) from error
    return written


def _write(source: ExampleSource, name: str, beside: Path, path: Path) -> WrittenFile:
    examples = size = 0
    with open(beside, "wb") as file:
        for chunk in source.chunks(name):
            size += file.write(chunk.text)
            examples += chunk.text.count(b"\n")
        file.flush()
        os.fsync(file.fileno())
    return WrittenFile(path, examples, size)


@dataclass(frozen=True, kw_only=True)
class TextStats:
    """Sizes of one text, in tokens of the spans alone, without separators and marks.

    examples         number of lines
    input, cot, answer  median tokens of each span
    removable        most removable tokens of a line: the last stage of a curriculum
    steps            median reasoning steps; None where nothing tells where they end
    most_steps       most steps of a line: the last stage with curriculum.unit = "step"
    longest          tokens of the longest whole line in the layout
    repeated         inputs that stand earlier in the same text
    in_first         inputs that stand in the first text, too, but for blanks and digit order
    overlong         lines longer than the limit, which training leaves out
    """

    examples: int
    input: float
    cot: float
    answer: float
    removable: int
    steps: float | None
    most_steps: int | None
    longest: int
    repeated: int
    in_first: int
    overlong: int


def text_stats(
    texts: Mapping[str, Callable[[], Iterable[Chunk]]],
    tokenizer: "PreTrainedTokenizerBase",
    max_length: int | None = None,
) -> dict[str, TextStats]:
    """Measure texts, each read twice; the others are compared with the first one.

    Raises:
        UserError: a line is not an example, or the tokenizer cannot take it.
    """
    hashes: dict[str, NDArray[np.int64]] = {}
    stats = {}
    for name, chunks in texts.items():
        hashes[name] = example_hashes(chunks())
        first = next(iter(hashes))
        in_first = 0 if name == first else shared(hashes[first], hashes[name])
        stats[name] = replace(
            _measure(chunks(), tokenizer, max_length),
            repeated=repeated(hashes[name]),
            in_first=in_first,
        )
    return stats


def tokenizer_notes(chunks: Iterable[Chunk], tokenizer: "PreTrainedTokenizerBase") -> list[str]:
    """Where one token is not one digit, though the curriculum removes tokens: a sentence each."""
    text = next(iter(chunks)).text
    found: list[str] = []
    try:
        encoded = encode_texts(tokenizer, [" 1", " 1 2 3 4 5", " 12345"])
    except UnknownText:  # it has not even these digits: the text has only others
        return found
    short, spaced, joined = map(len, encoded)
    if re.search(rb"[0-9]{2}", text) and joined - short < 4:
        found.append(
            f"the tokenizer joins digits (12345 is {joined - short + 1} tokens): a removed token "
            "is not always one digit; digits with blanks between them are"
        )
    if re.search(rb"[0-9] [0-9]", text) and spaced - short > 4:
        found.append(
            "the tokenizer spends a token on each blank between digits, which doubles chain, "
            "schedule and time: write the digits without blanks"
        )
    return found


def _measure(
    chunks: Iterable[Chunk], tokenizer: "PreTrainedTokenizerBase", max_length: int | None
) -> TextStats:
    encoder = Encoder(tokenizer)
    parts = [np.zeros((3, 0), dtype=np.int64)]  # [3, n]: prompt, chain of thought, whole
    steps = [np.zeros(0, dtype=np.int64)]
    for chunk in chunks:
        split = encoder.encode(chunk)
        if split.steps is not None:
            steps.append(split.steps.counts)
        parts.append(np.stack([split.prompt_lengths, split.cot_lengths, split.lengths]))
    prompt, cot, whole = np.concatenate(parts, axis=1)
    counts = np.concatenate(steps)
    blank, mark = _layout_tokens(tokenizer)
    answer = whole - prompt - cot - 1 - mark - blank - 1
    return TextStats(
        examples=len(whole),
        input=_median(prompt - blank - 1),
        cot=_median(np.maximum(cot - blank, 0)),
        answer=_median(answer),
        removable=int(cot.max(initial=0)),
        steps=_median(counts) if len(counts) else None,
        most_steps=int(counts.max()) if len(counts) else None,
        longest=int(whole.max(initial=0)),
        repeated=0,
        in_first=0,
        overlong=0 if max_length is None else int((whole > max_length).sum()),
    )


def _layout_tokens(tokenizer: "PreTrainedTokenizerBase") -> tuple[int, int]:
    """Tokens spent on the blank before a separator, and on ` ####`."""
    nothing, separator, mark = encode_texts(
        tokenizer, ["", f" {separator_texts(tokenizer)[0]}", " ####"]
    )
    return len(separator) - len(nothing) - 1, len(mark) - len(nothing)


def _median(values: NDArray[np.int64]) -> float:
    return float(np.median(values)) if len(values) else 0.0
