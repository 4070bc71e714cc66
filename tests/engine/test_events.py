"""Every kind of event: its line, its types, its sentence, other versions."""

import json
import math

import msgspec
import numpy as np
import pytest

from icot_tui.engine.journal.events import (
    EVENTS,
    CommandDone,
    Event,
    Int64,
    ThoughtsCompared,
    Warned,
)
from icot_tui.engine.journal.journal import decode_line, encode_line
from icot_tui.engine.journal.wording import describe
from icot_tui.units import Unit


def filled(kind: type[Event], number: float = 0.5) -> Event:
    """An event of a kind with some value in every field; `number` where a float belongs."""
    values = {
        Int64: 3, str: "text", float: number, bool: True, bool | None: None, Int64 | None: None,
        float | None: number, list[float | None]: [number, None], list[float]: [number],
        list[str]: ["1"], list[Int64]: [0], Unit: "step",
        dict[str, float | None]: {"one": number, "other": None},
    }  # fmt: skip
    return kind(**{field.name: values[field.type] for field in msgspec.structs.fields(kind)})


@pytest.mark.parametrize("kind", EVENTS.values(), ids=EVENTS)
def test_every_event_has_a_sentence_and_survives_its_line(kind: type[Event]) -> None:
    event = filled(kind)
    assert describe(event) not in ("", kind.__name__)
    assert decode_line(encode_line(1.5, event)) == (1.5, event)


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("kind", EVENTS.values(), ids=EVENTS)
def test_a_number_that_is_not_finite_is_null(kind: type[Event], number: float) -> None:
    values = json.loads(encode_line(1.5, filled(kind, number)), parse_constant=pytest.fail)
    fields = msgspec.structs.fields(kind)
    for field in fields:
        if field.type in (float, float | None):
            assert values[field.name] is None
    always = {field.name for field in fields if field.type in (float, list[float])}
    for name in always:  # null in their place is damage
        assert decode_line(json.dumps(values).encode()) is None
        values[name] = json.loads(encode_line(1.5, filled(kind)))[name]
    read = decode_line(json.dumps(values).encode())
    assert read is not None
    assert describe(read[1])


@pytest.mark.parametrize("kind", EVENTS.values(), ids=EVENTS)
def test_a_value_of_a_wrong_type_is_damage(kind: type[Event]) -> None:
    values = json.loads(encode_line(1.5, filled(kind)))
    wrong: dict[object, list[object]] = {
        Int64: [True, 1.5, "1", None, 2**63, [1]], str: [1, None, ["x"]], bool: [1, "true", None],
        float: [True, "1", None], bool | None: [0, "false"], Int64 | None: [True, 1.5, "1", 2**63],
        float | None: [True, "1", []], list[float | None]: [[True], ["x"], 1.0, None],
        list[float]: [[None], ["x"], 1.0, None], list[str]: [[1], "x"],
        list[Int64]: [[0.5], [True]], Unit: ["word", 1, None],
        dict[str, float | None]: [{"one": "1"}, {"one": True}, [], None],
    }  # fmt: skip
    for field in msgspec.structs.fields(kind):
        for value in wrong[field.type]:
            line = json.dumps(values | {field.name: value}).encode()
            assert decode_line(line) is None, (field.name, value)
        if field.required:
            lacking = {name: value for name, value in values.items() if name != field.name}
            assert decode_line(json.dumps(lacking).encode()) is None, field.name


@pytest.mark.parametrize("kind", EVENTS.values(), ids=EVENTS)
def test_fields_of_newer_versions_are_left_out_of_every_event(kind: type[Event]) -> None:
    values = json.loads(encode_line(1.5, filled(kind)))
    line = json.dumps({"newer": {"a": [None]}} | values | {"newest": 1}).encode()
    assert decode_line(line) == (1.5, filled(kind))


def test_numbers_of_numpy_are_numbers() -> None:
    event = ThoughtsCompared(step=1, loss=np.float64(0.5), blocks=[np.float64("nan"), 0.5])
    assert decode_line(encode_line(1.5, event)) == (
        1.5,
        ThoughtsCompared(step=1, loss=0.5, blocks=[None, 0.5]),
    )


def test_an_event_of_a_newer_version_is_skipped() -> None:
    assert decode_line(b'{"time":1.0,"event":"Unheard","step":1}') is None


@pytest.mark.parametrize(
    ("effect", "held"), [("stage 3 is held", True), ("the schedule goes on", False)]
)
def test_a_hold_of_version_0_1_is_understood_by_its_words(effect: str, held: bool) -> None:
    line = {"time": 1.0, "event": "CommandDone", "step": 1, "id": "x", "command": "hold"}
    [_, event] = decode_line(json.dumps(line | {"done": True, "effect": effect}).encode()) or []
    assert isinstance(event, CommandDone)
    assert event.held is held
    [_, event] = decode_line(json.dumps(line | {"done": False, "effect": effect}).encode()) or []
    assert isinstance(event, CommandDone)
    assert event.held is None  # it was refused


def test_what_version_0_1_wrote_for_text_that_is_no_unicode_is_read() -> None:
    line = b'{"time":1.0,"event":"Warned","step":1,"message":"caf\\udce9.txt"}'
    assert decode_line(line) == (1.0, Warned(step=1, message="caf\udce9.txt"))
