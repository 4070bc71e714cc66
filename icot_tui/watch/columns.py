"""Journal text read in bulk: runs of `StepsTrained` lines become arrays, all else stays lines.

A long journal consists almost wholly of `StepsTrained` lines, which `Journal` writes in one way.
Those are recognised by the places of their commas and keys, and their numbers are read many at
once. A line that looks different in any way, be it a newer version's or a damaged one, is left to
the reader of JSON, so that nothing is read otherwise than it would be line by line. Gradient norms
are passed over: whether they are numbers is not looked at.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from pydantic_core import from_json

from icot_tui.engine.summary import LOSS_WINDOW
from icot_tui.engine.trained import TrainedLines
from icot_tui.watch.numbers import PADDING, Buffer, Mask, Places, single

FEWEST = 3
"""Fewer lines than this in a row are as quickly read one by one."""

_TIME = b'{"time":'
_EVENT = b',"event":"StepsTrained"'
_STEP = b',"step":'
_FIRST = b',"first":'
_LOSSES = b',"losses":['
_NORMS = b'],"gradient_norms":['
_STAGE = b'],"stage":'
_RATE = b',"learning_rate":'
_TOKENS = b',"supervised_tokens":'
_DROPPED = b',"dropped_rows":'
_SECONDS = b',"seconds":'
_OTHER_COMMAS = 8
"""Commas in such a line beside two for each step: one before its loss, one before its norm."""


class Text:
    """A part of a journal, whole lines, in a buffer with room around it.

    Args:
        buffer: the text, with `PADDING` bytes on either side.
        length: bytes of the text; the last one ends a line.
    """

    def __init__(self, buffer: bytearray, length: int) -> None:
        self.raw = buffer
        self.buffer = Buffer(buffer)
        inside = self.buffer.text[PADDING : PADDING + length]
        found = np.flatnonzero((inside == ord(",")) | (inside == ord("\n"))) + PADDING
        ends = np.flatnonzero(self.buffer.text[found] == ord("\n"))
        self.ends: Places = found[ends]
        self.begins: Places = np.concatenate([[PADDING], self.ends[:-1] + 1])
        self.marks: Places = found
        """Places of commas and of lines' ends."""
        self.first_marks: Places = np.concatenate([[0], ends[:-1] + 1])
        """[lines] each line's first mark, as an index of `marks`."""
        self.commas: Places = ends - self.first_marks
        """[lines] how many commas each has."""

    def line(self, number: int) -> bytes:
        """A line with its end."""
        return bytes(self.raw[self.begins[number] : self.ends[number] + 1])


@dataclass(frozen=True, eq=False)
class _Table:
    """`StepsTrained` lines [n] of as many steps [k] each, by their lines' numbers in the text."""

    lines: Places
    times: NDArray[np.float64]
    firsts: Places
    steps: Places
    stages: Places
    learning_rates: NDArray[np.float64]
    seconds: NDArray[np.float64]
    supervised_tokens: Places
    dropped_rows: Places
    losses: NDArray[np.float32]
    losses_at: Places
    losses_end: Places
    rates_at: Places
    rates_end: Places

    def runs(self) -> Iterator[tuple[int, int]]:
        """(begin, end) of lines that follow each other, as their steps do, and are of one stage."""
        broken = (np.diff(self.lines) != 1) | (np.diff(self.stages) != 0)
        broken |= self.firsts[1:] != self.steps[:-1] + 1
        bounds = [0, *(np.flatnonzero(broken) + 1).tolist(), len(self.lines)]
        for begin, end in pairwise(bounds):
            if end - begin >= FEWEST:
                yield begin, end

    def cut(self, text: Text, begin: int, end: int) -> TrainedLines:
        """Some of the lines as they are handed on."""
        part, k = slice(begin, end), self.losses.shape[1]
        few = max(begin, end - -(-LOSS_WINDOW // k))
        last = self._finite_losses(text, few, end)
        if len(last) < LOSS_WINDOW and few > begin:  # some were not finite
            last = self._finite_losses(text, begin, end)
        rate = _exactly(text, self.rates_at[end - 1 : end], self.rates_end[end - 1 : end])
        return TrainedLines(
            times=self.times[part],
            firsts=self.firsts[part],
            steps=self.steps[part],
            stage=int(self.stages[begin]),
            learning_rates=self.learning_rates[part],
            learning_rate=rate[0],
            seconds=self.seconds[part],
            supervised_tokens=self.supervised_tokens[part],
            dropped_rows=self.dropped_rows[part],
            losses=self.losses[part].reshape(-1),
            last_losses=tuple(last[-LOSS_WINDOW:]),
        )

    def _finite_losses(self, text: Text, begin: int, end: int) -> list[float]:
        values = _exactly(text, self.losses_at[begin:end], self.losses_end[begin:end])
        return [float(value) for value in values if value is not None]


def pieces(text: Text) -> Iterator[TrainedLines | bytes]:
    """The text in order: runs of `StepsTrained` lines in bulk, all else line by line."""
    runs = [
        (int(table.lines[begin]), table, begin, end)
        for table in _tables(text)
        for begin, end in table.runs()
    ]
    done = 0
    for first, table, begin, end in sorted(runs, key=lambda run: run[0]):
        yield from map(text.line, range(done, first))
        yield table.cut(text, begin, end)
        done = first + end - begin
    yield from map(text.line, range(done, len(text.begins)))


def line_times(text: Text) -> NDArray[np.float64]:
    """[lines] when each line was written; NaN where it does not say so in the usual way."""
    result = np.full(len(text.begins), np.nan)
    lines = np.flatnonzero(text.buffer.says(text.begins, _TIME))
    begins, ends = text.begins[lines] + len(_TIME), text.marks[text.first_marks[lines]]
    values, sound = text.buffer.times(begins, ends)
    result[lines[sound]] = values[sound]
    return result


def _tables(text: Text) -> Iterator[_Table]:
    """The lines that look like `StepsTrained`, sorted by their number of steps."""
    for count in np.unique(text.commas).tolist():
        steps = (count - _OTHER_COMMAS) // 2
        if steps < 1 or count % 2:
            continue
        lines = np.flatnonzero(text.commas == count)
        first = text.first_marks[lines]
        known = text.buffer.says(text.begins[lines], _TIME)
        known &= text.buffer.says(text.marks[first], _EVENT)
        lines, first = lines[known], first[known]
        if len(lines):
            table = _table(text, lines, text.marks[first[:, None] + np.arange(count)], steps)
            if table is not None:
                yield table


def _table(text: Text, lines: Places, commas: Places, k: int) -> _Table | None:
    """Read such lines; None when every one of them is unusual.

    Args:
        text: where they stand.
        lines: [n] their numbers.
        commas: [n, 8 + 2 k] their commas' places.
        k: steps of each line.
    """
    begins, ends = text.begins[lines], text.ends[lines]
    event, step, first, losses = (commas[:, at] for at in range(4))
    norms, stage = commas[:, k + 3] - 1, commas[:, 2 * k + 3] - 1  # their keys begin with ]
    rate, tokens, dropped, seconds = (commas[:, 2 * k + 4 + at] for at in range(4))
    keys = (
        (step, _STEP), (first, _FIRST), (losses, _LOSSES), (norms, _NORMS), (stage, _STAGE),
        (rate, _RATE), (tokens, _TOKENS), (dropped, _DROPPED), (seconds, _SECONDS),
    )  # fmt: skip
    sound = (step - event == len(_EVENT)) & (text.buffer.text[ends - 1] == ord("}"))
    for place, key in keys:
        sound &= text.buffer.says(place, key)

    def whole(key_at: Places, key: bytes, end: Places) -> Places:
        values, fits = text.buffer.whole_numbers(key_at + len(key), end)
        np.logical_and(sound, fits, out=sound)
        return values

    when, fits = text.buffer.times(begins + len(_TIME), event)
    sound &= fits
    steps, firsts = whole(step, _STEP, first), whole(first, _FIRST, losses)
    sound &= steps - firsts + 1 == k
    stages = whole(stage, _STAGE, rate)
    supervised = whole(tokens, _TOKENS, dropped)
    rows = whole(dropped, _DROPPED, seconds)
    rates, fits = text.buffer.decimals(rate + len(_RATE), tokens)
    sound &= fits & ~np.isnan(rates)
    spent_at = seconds + len(_SECONDS)
    _, fits = text.buffer.decimals(spent_at, ends - 1)
    sound &= fits & (text.buffer.text[spent_at] != ord("n"))
    loss, fits = _many(text, losses + len(_LOSSES), commas[:, 4 : k + 3], norms)
    sound &= fits
    kept = np.flatnonzero(sound)
    if not len(kept):
        return None
    spent = _exactly(text, spent_at[kept], ends[kept] - 1)
    return _Table(
        lines[kept], when[kept], firsts[kept], steps[kept], stages[kept], rates[kept],
        np.array(spent, dtype=np.float64), supervised[kept], rows[kept],
        loss[kept],
        losses[kept] + len(_LOSSES), norms[kept], rate[kept] + len(_RATE), tokens[kept],
    )  # fmt: skip


def _many(
    text: Text, begin: Places, commas: Places, end: Places
) -> tuple[NDArray[np.float32], Mask]:
    """[n, k] numbers of n lists, and which of the lists are sound.

    Args:
        text: where they stand.
        begin: [n] the first number of each list.
        commas: [n, k - 1] the places of its commas.
        end: [n] where it ends.
    """
    begins = np.concatenate([begin[:, None], commas + 1], axis=1)
    ends = np.concatenate([commas, end[:, None]], axis=1)
    values, fits = text.buffer.decimals(begins.reshape(-1), ends.reshape(-1))
    shape = len(begin), commas.shape[1] + 1
    sound = np.asarray(fits.reshape(shape).all(axis=1))
    return single(values).reshape(shape), sound


def _exactly(text: Text, begins: Places, ends: Places) -> list[float]:
    """All numbers of some parts of the text, exactly as JSON has them."""
    raw = text.raw
    parts = [raw[a:b] for a, b in zip(begins.tolist(), ends.tolist(), strict=True)]
    found: list[float] = from_json(b"[" + b",".join(parts) + b"]")
    return found
