"""Answers as texts: read out of token ids, compared, and kept for reading in a file of samples.

Texts are data as the tokenizer gives them, control characters included; what shows them escapes
them.
"""

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from icot_tui.data.encoded import EncodedSplit
from icot_tui.data.examples import ANSWER_MARK
from icot_tui.data.tokenizing import decode
from icot_tui.engine.evaluation.decoding import CLOSING
from icot_tui.engine.run_folder import write_atomically
from icot_tui.errors import UserError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

Kind = Literal["best", "worst", "random"]


class Answers:
    """Reads answers out of token ids: ` {z} SEP #### {y} SEP`, what follows ` {x} SEP`.

    With `answer_only` just ` #### {y} SEP` follows, and the thought is empty.
    """

    def __init__(
        self,
        tokenizer: "PreTrainedTokenizerBase",
        separator_id: int,
        answer_only: bool = False,
    ) -> None:
        self._tokenizer = tokenizer
        self._separator_id = separator_id
        self._answer_only = answer_only
        self._bare: dict[int, str] = {}

    def decode(self, tokens: Sequence[int]) -> str:
        """The text of some tokens, without blanks at the ends."""
        return decode(self._tokenizer, tokens)

    def section(self, written: Sequence[int]) -> Sequence[int] | None:
        """The tokens between the two separators; None when the second was not written."""
        parts = self.parts(written)
        return parts[1] if len(parts) > CLOSING else None

    def parts(self, written: Sequence[int]) -> list[Sequence[int]]:
        """The tokens before, between and after separators; one part more than separators."""
        parts: list[Sequence[int]] = [[]] if self._answer_only else []
        begin = 0
        for at, token in enumerate(written):
            if token == self._separator_id:
                parts.append(written[begin:at])
                begin = at + 1
        return [*parts, written[begin:]]

    def begin(self, written: Sequence[int]) -> int:
        """Where the tokens between the two separators begin."""
        return 0 if self._answer_only else len(self.parts(written)[0]) + 1

    def text(self, section: Sequence[int]) -> str | None:
        """The answer in the tokens between the separators; None without `####`."""
        _, mark, answer = self.decode(section).partition(ANSWER_MARK)
        return answer.strip() if mark else None

    def mark_length(self, section: Sequence[int]) -> int | None:
        """How many tokens it takes until `####` is written; None when it never is."""
        if ANSWER_MARK not in self.decode(section):
            return None
        return next(n for n in range(len(section) + 1) if ANSWER_MARK in self.decode(section[:n]))

    def never_equal(self, one: NDArray[np.int64], other: NDArray[np.int64]) -> NDArray[np.bool_]:
        """[B] after equal tokens with `####` among them: can [B] different next tokens never lead
        to equal answers?

        Proof that it holds when it says so. Let u and v be the texts of the two tokens without any
        blanks. Tokenizers decode to the tokens' texts one after another, up to blanks (some drop
        a leading one, some join with one), so that without blanks the two answers read P u ... and
        P v ..., with P from the tokens before. If neither of u and v begins with the other, they
        differ at a character that both have, and so do the answers, whatever follows. If one of
        the tokens is the separator, its answer is P, and the other's P v ... is longer as soon as
        v is not empty. Texts that differ without blanks differ. Tokens that hold a part of a
        character (byte fallback) decode to U+FFFD or to nothing; of those nothing is claimed.
        """
        pairs, where = np.unique(np.stack([one, other]), axis=1, return_inverse=True)
        verdicts = [self._never_equal(*pair) for pair in pairs.T.tolist()]
        return np.array(verdicts, dtype=np.bool_)[where.reshape(-1)]

    def _never_equal(self, one: int, other: int) -> bool:
        u, v = self._bare_text(one), self._bare_text(other)
        if self._separator_id in (one, other):
            return bool(u if other == self._separator_id else v)
        return bool(u and v) and not u.startswith(v) and not v.startswith(u)

    def _bare_text(self, token: int) -> str:
        """Without blanks; empty where nothing can be said."""
        if token not in self._bare:
            text = "".join(self.decode([token]).split())
            self._bare[token] = "" if "\ufffd" in text else text
        return self._bare[token]


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
    begin = answers.begin(written) + (answers.mark_length(section) or 0)
    closed = answers.begin(written) + len(section) + 1
    end = closed if answers.text(section) is not None else begin
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
