import json
import math
import random

import msgspec
import numpy as np
import pytest

from icot_tui.engine.journal.journal import decode_line, encode_line
from icot_tui.engine.journal.metrics import LOSS_WINDOW, StepArrays
from icot_tui.watch.bulk_reader import Wanted, pieces, read
from tests.events import trained
from tests.watch.runs import any_run

Line = dict[str, object]
LEFT_OUT = {"gradient_norms", "supervised_tokens", "dropped_rows", "gated_loss"}
"""Of lines that were read in bulk; of the last two, the sums are kept."""


def as_json(line: bytes) -> Line | None:
    pair = decode_line(line)
    return None if pair is None else {"time": pair[0]} | msgspec.to_builtins(pair[1])


def read_back(text: bytes) -> list[Line | None]:
    """Every line as it was understood: those read in bulk are put together again."""
    found: list[Line | None] = []
    for piece in pieces(text):
        found += [as_json(piece)] if isinstance(piece, bytes) else lines_of(piece)
    return found


def lines_of(piece: StepArrays) -> list[Line]:
    """Lines that were read in bulk, as they stood in the journal but for what is left out."""
    firsts = np.array([piece.first, *(piece.steps[:-1] + 1)])  # what a history relies on
    counts = piece.steps - firsts + 1
    losses = np.split(piece.losses, np.cumsum(counts)[:-1])
    assert [len(part) for part in losses] == counts.tolist()
    columns = (
        piece.times, piece.steps, firsts, losses, piece.learning_rates, piece.seconds,
    )  # fmt: skip
    names = ("time", "step", "first", "losses", "learning_rate", "seconds")
    rest = {"event": "StepsTrained", "stage": piece.stage}
    lines = [dict(zip(names, row, strict=True)) | rest for row in zip(*columns, strict=True)]
    for at, line in enumerate(lines if piece.loss_parts else ()):
        parts = {name: float(means[at]) for name, means in piece.loss_parts.items()}
        line["loss_parts"] = {k: None if math.isnan(v) else v for k, v in parts.items()}
    return lines


def is_exactly(read: Line | None, line: Line | None) -> bool:
    """Losses are compared as they are kept: 32 bits, NaN where there is no such number."""
    if read is None or line is None or not isinstance(read["step"], np.integer):
        return read == line  # not read in bulk
    line = {key: value for key, value in line.items() if key not in LEFT_OUT}
    losses, kept = line.pop("losses"), read.pop("losses")
    return read == line and np.array_equal(kept, as_kept(losses), equal_nan=True)


def as_kept(losses: object) -> np.ndarray:
    with np.errstate(over="ignore"):
        kept = np.array(losses, dtype=np.float64).astype(np.float32)
    return np.where(np.isfinite(kept), kept, np.float32(math.nan))


def any_journal(seed: int, damage: float) -> bytes:
    """A run's lines, such a share of them damaged."""
    chance, when, lines = random.Random(seed), 1.79e9, []
    for event in any_run(chance, 200):
        when += chance.choice([0.0, 0.001, 0.5, 7.25])
        line = encode_line(when, event)
        lines.append(_damage(line, chance) if chance.random() < damage else line)
    return b"".join(lines)


def _damage(line: bytes, chance: random.Random) -> bytes:
    """A line as no run wrote it."""
    place = chance.randrange(len(line) - 1)
    kind = chance.randrange(8)
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
    if kind == 5:
        return line[:-1] + line
    if kind == 6:
        return line[:place] + chance.choice(b',.-+eE0[]{}":\\\r').to_bytes() + line[place:]
    return b"\n"


@pytest.mark.parametrize("seed", range(40))
def test_bulk_reading_finds_exactly_what_is_read_line_by_line(seed: int) -> None:
    text = any_journal(seed, damage=0.3)
    for line, found in zip(text.split(b"\n")[:-1], read_back(text), strict=True):
        assert is_exactly(found, as_json(line)), line


@pytest.mark.parametrize("wanted", Wanted)
@pytest.mark.parametrize("seed", range(20))
def test_what_is_damaged_does_not_depend_on_how_a_line_is_read(seed: int, wanted: Wanted) -> None:
    text = any_journal(seed, damage=0.3)
    events = [pair for line in text.split(b"\n") if (pair := decode_line(line)) is not None]
    found = read(text, wanted)
    counts = [len(piece.times) if isinstance(piece, StepArrays) else 1 for piece in found]
    assert sum(counts) == len(events)


@pytest.mark.parametrize("wanted", Wanted)
@pytest.mark.parametrize("seed", range(20))
def test_sums_and_the_last_finite_losses_are_exact(seed: int, wanted: Wanted) -> None:
    text = any_journal(seed, damage=0.0)
    lines = list(map(json.loads, text.split(b"\n")[:-1]))
    for piece in pieces(text, wanted):
        if isinstance(piece, bytes):
            del lines[0]
            continue
        these, lines = lines[: len(piece.times)], lines[len(piece.times) :]
        assert piece.supervised_tokens == sum(line["supervised_tokens"] for line in these)
        assert piece.dropped_rows == sum(line["dropped_rows"] for line in these)
        losses = [loss for line in these for loss in line["losses"]]
        finite = [loss for loss in losses if loss is not None]
        assert piece.last_losses == tuple(finite[-LOSS_WINDOW:])
        assert len(piece.losses) == (0 if wanted is Wanted.SUMMARY else len(losses))
        assert len(piece.gradient_norms) == (len(losses) if wanted is Wanted.ALL else 0)


def test_usual_lines_are_read_in_bulk() -> None:
    lines = b"".join(
        encode_line(1.79e9 + at, trained(10 * at + 10, losses=[0.5 + at / 7] * 10))
        for at in range(50)
    )
    (block,) = pieces(lines)
    assert isinstance(block, StepArrays)
    assert block.last_losses == tuple(0.5 + at / 7 for at in range(45, 50) for _ in range(10))


def test_lines_with_other_parts_of_the_loss_begin_another_block() -> None:
    """A line tells of none where no row fitted at any of its steps."""
    parts: list[dict[str, float | None]] = [{"a": 0.5}, {"a": None}, {}, {"a": 2.0}, {"b": 2.0}]
    lines = (encode_line(1.5, trained(at, loss_parts=each)) for at, each in enumerate(parts, 1))
    found = [piece for piece in pieces(b"".join(lines)) if isinstance(piece, StepArrays)]
    assert [len(piece.times) for piece in found] == [2, 1, 1, 1]
    assert [piece.last_parts for piece in found] == [{"a": None}, {}, {"a": 2.0}, {"b": 2.0}]
    assert found[0].loss_parts["a"][0] == 0.5


def test_last_losses_reach_back_over_those_that_were_not_finite() -> None:
    lines = b"".join(
        encode_line(1.79e9 + at, trained(2 * at + 2, losses=[float(at), None])) for at in range(90)
    )
    (block,) = pieces(lines)
    assert isinstance(block, StepArrays)
    assert block.last_losses == tuple(float(at) for at in range(40, 90))


@pytest.mark.parametrize(
    ("what", "instead"),
    [
        (b'"stage":0', b'"stage":0.5'),
        (b'"stage":0', b'"stage":true'),
        (b'"stage":0', b'"stage":99999999999999999999'),
        (b'"first":5', b'"first":4'),
        (b'"seconds":1.0', b'"seconds":null'),
        (b'"seconds":1.0', b'"seconds":1.0,"more":1'),
        (b'"losses":[1.0]', b'"losses":[NaN]'),
        (b'"losses":[1.0]', b'"losses":[1.0,1.0]'),
        (b'"gradient_norms":[1.0]', b'"gradient_norms":[1.0.0]'),
        (b'"gradient_norms":[1.0]', b'"gradient_norms":["\xff"]'),
        (b'"gradient_norms":[1.0]', b'"gradient_norms":["\\q"]'),
        (b'"gradient_norms":[1.0],', b""),
        (b'"loss_parts":{"a":0.5}', b'"loss_parts":{"a":true}'),
        (b'"loss_parts":{"a":0.5}', b'"loss_parts":[0.5]'),
        (b'"loss_parts":{"a":0.5}', b'"loss_parts":{"a":1e999}'),
    ],
)
def test_an_unusual_line_is_left_to_the_reader_of_any_event(what: bytes, instead: bytes) -> None:
    usual = [encode_line(1.5 + at, trained(at + 1, loss_parts={"a": 0.5})) for at in range(9)]
    assert what in usual[4]
    lines = [*usual[:4], usual[4].replace(what, instead), *usual[5:]]
    kinds = [type(piece) for piece in pieces(b"".join(lines))]
    assert kinds == [StepArrays, bytes, StepArrays]


def test_every_field_of_the_event_is_read() -> None:
    """If `StepsTrained` gains one, what is read in bulk must have it as well."""
    (block,) = pieces(encode_line(1.5, trained(1, loss_parts={"a": 0.5})))
    assert isinstance(block, StepArrays)
    (line,) = lines_of(block)
    assert {*line, *LEFT_OUT} == {"time", "event", *msgspec.structs.asdict(trained(1))}
