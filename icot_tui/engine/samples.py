"""Examples with the model's own answers, kept for reading: which ones, and their file.

Texts are data as the tokenizer gives them, control characters included; what shows them escapes
them.
"""

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from icot_tui.data.encoded import EncodedSplit
from icot_tui.engine.decoding import Answers
from icot_tui.engine.run_folder import write_atomically
from icot_tui.errors import UserError

Kind = Literal["best", "worst", "random"]


@dataclass(frozen=True)
class Sample:
    """One held-out example and what the model wrote, greedily, after its input.

    index          the example's place in the split
    kind           why it was chosen: right with the least loss, wrong with the most, or by chance
    correct        is the answer's text the gold one?
    loss           nats, summed over the gold tokens after the input; None if it is not finite
    input          the gold texts; the chain of thought is whole, whatever the stage removes
    cot, answer
    model_cot      what the model wrote before its first separator
    model_answer   what follows its `####`, even if it was never closed; None without one
    tokens         the answer's tokens, one text each; the last one is the closing separator
    confidence     the probability the model gave each of them; None if it is not finite
    """

    index: int
    kind: Kind
    correct: bool
    loss: float | None
    input: str
    cot: str
    answer: str
    model_cot: str
    model_answer: str | None
    tokens: list[str]
    confidence: list[float | None]


def read_sample(
    answers: Answers,
    split: EncodedSplit,
    index: int,
    kind: Kind,
    correct: bool,
    loss: float,
    written: list[int],
    probabilities: NDArray[np.float64],
) -> Sample:
    """A sample from token ids.

    Args:
        answers: reads texts.
        split: the examples.
        index: which of them.
        kind: why it was chosen.
        correct: is the answer right?
        loss: nats of the gold tokens.
        written: [W] what the model wrote after the prompt.
        probabilities: [W] what it gave each of those tokens.
    """
    tokens = split.example(index).tolist()
    prompt, cot = int(split.prompt_lengths[index]), int(split.cot_lengths[index])
    parts = answers.parts(written)
    section = parts[1] if len(parts) > 1 else []
    begin = len(parts[0]) + 1 + (answers.mark_length(section) or 0)
    end = len(parts[0]) + 1 + len(section) + 1 if answers.text(section) is not None else begin
    return Sample(
        index=index,
        kind=kind,
        correct=correct,
        loss=loss if math.isfinite(loss) else None,
        input=answers.decode(tokens[: prompt - 1]).strip(),
        cot=answers.decode(tokens[prompt : prompt + cot]).strip(),
        answer=answers.text(tokens[prompt + cot + 1 : -1]) or "",
        model_cot=answers.decode(parts[0]).strip(),
        model_answer=answers.text(section),
        tokens=[answers.decode([token]) for token in written[begin:end]],
        confidence=[p if math.isfinite(p) else None for p in probabilities[begin:end].tolist()],
    )


def choose(
    index: NDArray[np.int64],
    right: NDArray[np.bool_],
    losses: NDArray[np.float64],
    wanted: int,
    examples: int,
) -> dict[int, Kind]:
    """Which examples to keep and why: a third each of best, worst and random ones.

    Random ones come from one order of the split's `examples`, the same at every evaluation, so
    that one sees them change. They fill up what right or wrong ones are too few for. Choosing from
    what shards chose gives what would have been chosen from the whole.

    Args:
        index: [n] places of the candidates in the split.
        right: [n] is the answer right?
        losses: [n] nats; non-finite ones count as the largest.
        wanted: how many to choose.
        examples: of the whole split.
    """
    by_loss = np.lexsort((index, np.where(np.isfinite(losses), losses, np.inf)))
    third = wanted // 3
    best = index[by_loss[right[by_loss]]][:third]
    worst = index[by_loss[~right[by_loss]][::-1]][:third]
    others = np.setdiff1d(index, np.concatenate([best, worst]))
    place = np.random.default_rng(0).permutation(examples)
    by_chance = others[np.argsort(place[others])][: wanted - len(best) - len(worst)]
    kinds: list[tuple[Kind, NDArray[np.int64]]] = [
        ("best", best), ("worst", worst), ("random", by_chance),
    ]  # fmt: skip
    return {int(place): kind for kind, places in kinds for place in places}


def merge_samples(shards: Sequence[Sequence[Sample]], wanted: int, examples: int) -> list[Sample]:
    """The samples of the whole split from those of its shards."""
    samples = {sample.index: sample for shard in shards for sample in shard}
    chosen = choose(
        np.array(list(samples), dtype=np.int64),
        np.array([sample.correct for sample in samples.values()], dtype=np.bool_),
        np.array([sample.loss for sample in samples.values()], dtype=np.float64),  # None: NaN
        wanted,
        examples,
    )
    return [replace(samples[index], kind=kind) for index, kind in chosen.items()]


def write_samples(path: Path, samples: Sequence[Sample]) -> None:
    """One JSON line a sample; readers see the whole file or none.

    Raises:
        OSError: no space, no permission.
    """
    lines = [json.dumps(asdict(sample), allow_nan=False) + "\n" for sample in samples]
    write_atomically(path, "".join(lines))


def read_samples(path: Path) -> list[Sample]:
    """The opposite of `write_samples`; fields of a newer version are left out.

    Raises:
        UserError: the file can't be read, or is no file of samples.
    """
    return list(_read(path))


def _read(path: Path) -> Iterator[Sample]:
    names = {field.name for field in fields(Sample)}
    try:
        lines = path.read_bytes().splitlines()
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from error
    for number, line in enumerate(lines, 1):
        try:
            sample = json.loads(line)
            yield Sample(**{name: value for name, value in sample.items() if name in names})
        except (ValueError, TypeError, AttributeError) as error:
            raise UserError(f"{path}, line {number}: this is no sample of an evaluation") from error
