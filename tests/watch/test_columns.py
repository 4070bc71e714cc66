import json
import math
import random
import re
import string
from dataclasses import asdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from icot_tui.engine.events import Event, StepsTrained
from icot_tui.engine.journal import journal_line, parse_line
from icot_tui.engine.summary import LOSS_WINDOW
from icot_tui.engine.trained import TrainedLines
from icot_tui.watch.columns import Text, line_times, pieces
from icot_tui.watch.numbers import PADDING, Buffer
from tests.watch.runs import any_run, trained


def text(lines: bytes) -> Text:
    return Text(bytearray(bytes(PADDING) + lines + bytes(PADDING)), len(lines))


def buffer_of(parts: list[str]) -> tuple[Buffer, np.ndarray, np.ndarray]:
    joined = ",".join(parts)
    ends = np.cumsum([len(part) + 1 for part in parts]) - 1 + PADDING
    begins = ends - np.array([len(part) for part in parts])
    return Buffer(bytearray(bytes(PADDING) + joined.encode() + bytes(PADDING))), begins, ends


@settings(deadline=None)
@given(st.lists(st.floats(min_value=0, max_value=1e300) | st.none(), min_size=1, max_size=50))
def test_decimals_are_read_as_json_reads_them(values: list[float | None]) -> None:
    read, sound = _decimals([json.dumps(value) for value in values])
    assert sound.all()
    expected = [math.nan if value is None else value for value in values]
    np.testing.assert_allclose(read, expected, rtol=1e-11, atol=1e-16)


def _decimals(parts: list[str]) -> tuple[np.ndarray, np.ndarray]:
    buffer, begins, ends = buffer_of(parts)
    return buffer.decimals(begins, ends)


@given(st.lists(st.floats(width=32, min_value=0, allow_infinity=False), min_size=1, max_size=50))
def test_single_precision_is_read_exactly(values: list[float]) -> None:
    read, _ = _decimals([json.dumps(value) for value in values])
    np.testing.assert_array_equal(
        read.astype(np.float32)[np.array(values) > 1e-4],
        np.array(values, np.float32)[np.array(values) > 1e-4],
    )


@given(st.lists(st.text(string.digits + ".-+eEnul\u00ff x", min_size=1), min_size=1, max_size=20))
def test_what_is_no_number_is_not_taken_for_one(parts: list[str]) -> None:
    joined = [part.encode("latin-1") for part in parts]
    ends = np.cumsum([len(part) + 1 for part in joined]) - 1 + PADDING
    begins = ends - np.array([len(part) for part in joined])
    raw = bytearray(bytes(PADDING) + b",".join(joined) + bytes(PADDING))
    read, sound = Buffer(raw).decimals(begins, ends)
    for part, value, is_sound in zip(joined, read, sound, strict=True):
        if is_sound and part != b"null":
            assert value == pytest.approx(float(part), rel=1e-11, abs=1e-15)


@given(st.lists(st.integers(0, 10**16 - 1), min_size=1, max_size=50))
def test_whole_numbers(values: list[int]) -> None:
    buffer, begins, ends = buffer_of([str(value) for value in values])
    read, sound = buffer.whole_numbers(begins, ends)
    assert sound.all()
    assert read.tolist() == values


@given(st.lists(st.integers(0, 10**13), min_size=1, max_size=50))
def test_times_are_exact(milliseconds: list[int]) -> None:
    values = [round(value / 1000, 3) for value in milliseconds]
    buffer, begins, ends = buffer_of([json.dumps(value) for value in values])
    read, sound = buffer.times(begins, ends)
    assert sound.all()
    assert read.tolist() == values


def read_back(lines: bytes) -> list[dict[str, object] | None]:
    """Every line as it was understood: those read in bulk are put together again."""
    found: list[dict[str, object] | None] = []
    for piece in pieces(text(lines)):
        if isinstance(piece, bytes):
            found.append(parse_line(piece))
            continue
        at = 0
        for row in range(len(piece.times)):
            count = int(piece.steps[row] - piece.firsts[row] + 1)
            part = slice(at, at + count)
            at += count
            found.append(
                {
                    "time": piece.times[row],
                    "event": "StepsTrained",
                    "step": piece.steps[row],
                    "first": piece.firsts[row],
                    "losses": piece.losses[part],
                    "stage": piece.stage,
                    "learning_rate": piece.learning_rates[row],
                    "supervised_tokens": piece.supervised_tokens[row],
                    "dropped_rows": piece.dropped_rows[row],
                    "seconds": piece.seconds[row],
                }
            )
        finite = [loss for line in found[-len(piece.times) :] for loss in line["losses"]]
        assert len(piece.last_losses) <= LOSS_WINDOW or not finite
    return found


def same(one: object, other: object) -> bool:
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, np.ndarray):
        wanted = np.array(other, dtype=np.float64)
        wanted[~(np.abs(np.nan_to_num(wanted, nan=1e39)) < 3.4e38)] = math.nan
        return bool(np.allclose(one, wanted, rtol=1e-6, atol=0, equal_nan=True))
    if isinstance(one, float) and isinstance(other, float):
        return one == pytest.approx(other, rel=1e-12)
    return one == other


@pytest.mark.parametrize("seed", range(20))
def test_bulk_reading_finds_what_is_read_line_by_line(seed: int) -> None:
    chance = random.Random(seed)
    when = 1.79e9
    lines = []
    for event in any_run(chance, 200):
        when += chance.choice([0.0, 0.001, 0.5, 7.25])
        lines.append(journal_line(when, event))
    damaged = [_damage(line, chance) if chance.random() < 0.1 else line for line in lines]
    whole = b"".join(damaged)
    found = read_back(whole)
    for line, read in zip(whole.split(b"\n")[:-1], found, strict=True):
        # Gradient norms are not read, so that a line damaged only there may count as whole.
        alike = parse_line(line + b"\n"), parse_line(NORMS.sub(b"", line) + b"\n")
        assert any(same(without_norms(read), without_norms(other)) for other in alike)


NORMS = re.compile(rb'(?<="gradient_norms":\[)[^\]]*')


def without_norms(line: dict[str, object] | None) -> dict[str, object] | None:
    return line and {key: value for key, value in line.items() if key != "gradient_norms"}


def _damage(line: bytes, chance: random.Random) -> bytes:
    """A line as no run wrote it."""
    place = chance.randrange(len(line) - 1)
    kind = chance.randrange(6)
    if kind == 0:
        return line[:place] + bytes([chance.randrange(256)]) + line[place + 1 :]
    if kind == 1:
        return line[:place] + line[place + 1 :]
    if kind == 2:
        return line[:place] + b"\n"
    if kind == 3:
        return line.replace(b'"event"', b'"more":1,"event"')
    if kind == 4:
        return line.replace(b'"step":', b'"step": ')
    return b"\n"


def test_usual_lines_are_read_in_bulk() -> None:
    lines = b"".join(
        journal_line(1.79e9 + at, trained(10 * at + 10, losses=[0.5 + at / 7] * 10))
        for at in range(50)
    )
    (block,) = pieces(text(lines))
    assert isinstance(block, TrainedLines)
    assert block.last_losses == tuple(0.5 + at / 7 for at in range(45, 50) for _ in range(10))


def test_last_losses_reach_back_over_those_that_were_not_finite() -> None:
    lines = b"".join(
        journal_line(1.79e9 + at, trained(2 * at + 2, losses=[float(at), None])) for at in range(90)
    )
    (block,) = pieces(text(lines))
    assert isinstance(block, TrainedLines)
    assert block.last_losses == tuple(float(at) for at in range(40, 90))


def test_when_lines_were_written() -> None:
    lines = journal_line(1.5, trained(1)) + b"damaged\n" + journal_line(20.25, trained(2))
    np.testing.assert_array_equal(line_times(text(lines)), [1.5, math.nan, 20.25])


def test_numbers_of_another_type_are_left_to_the_reader_of_json() -> None:
    usual = [journal_line(1.5 + at, trained(at + 1)) for at in range(9)]
    for what, instead in ((b'"stage":0', b'"stage":0.5'), (b'"stage":0', b'"stage":-1')):
        lines = [*usual[:4], usual[4].replace(what, instead), *usual[5:]]
        kinds = [type(piece) for piece in pieces(text(b"".join(lines)))]
        assert kinds == [TrainedLines, bytes, TrainedLines]


def test_events_are_those_of_the_engine() -> None:
    """If `StepsTrained` changes, bulk reading must learn it."""
    assert list(asdict(trained(1))) == [
        "step", "first", "losses", "gradient_norms", "stage", "learning_rate",
        "supervised_tokens", "dropped_rows", "seconds",
    ]  # fmt: skip
    assert Event.known["StepsTrained"] is StepsTrained


@pytest.mark.parametrize("tail", [b",}\n", b",\n", b",,,,}\n", b',"dropped_rows":0,}\n'])
def test_a_last_line_that_ends_too_early_is_left_to_the_reader_of_json(tail: bytes) -> None:
    """Its values are looked for where they would be, which is beyond the text."""
    event = StepsTrained(2, 1, [1.5, 2.5], [0.1, 0.2], 0, 1e-3, 20, 0, 0.25)
    line = journal_line(1.0, event)
    commas = line.count(b",") - tail.count(b",")
    damaged = b",".join(line.split(b",")[: commas + 1]) + tail
    assert damaged.count(b",") == line.count(b",")
    assert read_back(damaged) == [None]
