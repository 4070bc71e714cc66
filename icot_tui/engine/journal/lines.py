"""Events as lines of the journal and back: one JSON object a line, with the time it was written."""

import json
from typing import Any, Union

import msgspec

from icot_tui.engine.journal.events import EVENTS, CommandDone, Event


class _Stamp(msgspec.Struct):
    time: Any = 0.0


_Any = Union[tuple(EVENTS.values())]  # type: ignore[valid-type]  # noqa: UP007
_event = msgspec.json.Decoder(_Any).decode
_stamp = msgspec.json.Decoder(_Stamp).decode


def encode_line(time: float, event: Event) -> bytes:
    """An event as the journal has it, with the line's end; numbers that are not finite are null."""
    line = {"time": round(time, 3)} | msgspec.to_builtins(event, enc_hook=_builtin)
    try:
        return msgspec.json.encode(line) + b"\n"
    except UnicodeEncodeError:  # a file's name that is no Unicode
        return msgspec.json.encode({key: _unicode(value) for key, value in line.items()}) + b"\n"


def decode_line(line: bytes) -> tuple[float, Event] | None:
    """(time, event) of a line; None where it is damaged, or its event is of a newer version.

    Fields of newer versions are left out. The time is 0 where the line does not say.
    """
    try:
        event, time = _event(line), _stamp(line).time
    except (ValueError, RecursionError):
        try:  # once more with `json`, which takes surrogates, and numbers too large for a float
            values = json.loads(line, parse_constant=lambda name: None)
            event, time = msgspec.convert(values, _Any), values.get("time")
        except (ValueError, RecursionError):
            return None
    known = isinstance(time, int | float) and not isinstance(time, bool)
    return (float(time) if known else 0.0), upgraded(event)


def upgraded(event: Event) -> Event:
    """The event with the fields that schema 1 lacked, found from what it said in words."""
    match event:
        case CommandDone(command="hold", done=True, held=None):
            held = event.effect != "the schedule goes on"
            return msgspec.structs.replace(event, held=held)
    return event


def _builtin(number: Any) -> Any:
    """A number of NumPy as Python has it: msgspec takes no other."""
    return number.item()


def _unicode(value: Any) -> Any:
    """The value; in texts, backslash escapes instead of what UTF-8 can't encode."""
    if isinstance(value, list):
        return [_unicode(item) for item in value]
    return value.encode(errors="backslashreplace").decode() if isinstance(value, str) else value
