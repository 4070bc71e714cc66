"""The journal: append-only, one JSON line an event, read by every view of a run.

A line is written with one system call to a file opened for appending, so that readers see whole
lines; what a crash tore off is skipped. Non-finite numbers are null.
"""

import json
import math
import os
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from pydantic_core import from_json

from icot_tui.engine.journal.events import Event
from icot_tui.errors import UserError

JOURNAL = "journal.jsonl"


class Journal:
    """Writes events; never loses one, not even to a full disk: it keeps them and tries again.

    Raises:
        UserError: the file can't be opened for writing.
    """

    def __init__(self, path: Path) -> None:
        try:
            self._file = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o644)
        except OSError as error:
            raise UserError(f"cannot write {path}: {error.strerror}") from error
        self._unwritten = b"" if _ends_with_newline(self._file) else b"\n"
        self.error: OSError | None = None

    def write(self, event: Event) -> None:
        """Append an event; on failure it waits in memory and `error` says why."""
        self._unwritten += journal_line(time.time(), event)
        self.flush()

    def flush(self) -> bool:
        """Try to write what waits; True when nothing does any more."""
        try:
            while self._unwritten:
                written = os.write(self._file, self._unwritten)
                self._unwritten = self._unwritten[written:]
            self.error = None
        except OSError as error:
            self.error = error
        return not self._unwritten

    def sync(self) -> None:
        """Wait until the disk has it all; a failure is kept in `error`."""
        try:
            os.fsync(self._file)
        except OSError as error:
            self.error = error

    def close(self) -> None:
        """Write the rest and close."""
        self.flush()
        os.close(self._file)


def journal_line(when: float, event: Event) -> bytes:
    """An event as the journal has it, with the line's end."""
    line = {"time": round(when, 3)} | event.as_json()
    text = json.dumps(_finite(line), ensure_ascii=False, separators=(",", ":"))
    return text.encode(errors="backslashreplace") + b"\n"  # surrogates become JSON's own escapes


def _ends_with_newline(file: int) -> bool:
    size = os.fstat(file).st_size
    return size == 0 or os.pread(file, 1, size - 1) == b"\n"


def _finite(value: Any) -> Any:
    """The value with every non-finite number replaced by None, which is all JSON knows."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_finite(item) for item in value]
    return value


class JournalReader:
    """Reads a journal from its start, or its present end, and later what was appended since.

    A journal that is not there yet has no lines.
    """

    def __init__(self, path: Path, from_end: bool = False) -> None:
        self._path = path
        self._offset = path.stat().st_size if from_end and path.exists() else 0
        self._torn = b""

    def lines(self) -> Iterator[dict[str, Any]]:
        """Each complete line since the last call; damaged lines are skipped."""
        try:
            file = open(self._path, "rb")  # noqa: SIM115 - the with statement follows
        except FileNotFoundError:
            return
        with file:
            file.seek(self._offset)
            for raw in file:
                self._offset += len(raw)
                self._torn += raw
                if not self._torn.endswith(b"\n"):
                    return
                complete, self._torn = self._torn, b""
                line = parse_line(complete)
                if line is not None:
                    yield line

    def events(self) -> Iterator[tuple[float, Event]]:
        """(time, event) for each new line that this version knows."""
        for line in self.lines():
            event = Event.from_json(line)
            if event is not None:
                yield line_time(line), event


def parse_line(line: bytes) -> dict[str, Any] | None:
    """A journal line as a dictionary with "event" and "step"; None where it is damaged."""
    try:
        parsed = from_json(line)
    except ValueError:  # it is stricter than json about lone surrogates
        try:
            parsed = json.loads(line)
        except (ValueError, RecursionError):
            return None
    if not isinstance(parsed, dict):
        return None
    whole = isinstance(parsed.get("event"), str) and isinstance(parsed.get("step"), int)
    return parsed if whole else None


def line_time(line: dict[str, Any]) -> float:
    """When a line was written, in seconds since the epoch; 0 where it does not say."""
    when = line.get("time")
    return float(when) if isinstance(when, int | float) else 0.0


def effective(lines: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """What really led to the present: a resume undoes all that came after its checkpoint.

    A run that died before its first checkpoint starts anew, which undoes everything.
    """
    kept: list[dict[str, Any]] = []
    for line in lines:
        if line["event"] == "RunStarted":
            kept.clear()
        if line["event"] == "RunResumed":
            del kept[_resumed_after(kept, line) :]
        kept.append(line)
    return kept


def _resumed_after(lines: list[dict[str, Any]], resumed: dict[str, Any]) -> int:
    """How many lines stand when a run goes on from `resumed["checkpoint"]`.

    A kill between the checkpoint and its line leaves no line, but then nothing came after it.
    """
    name = resumed.get("checkpoint")
    for index in range(len(lines) - 1, -1, -1):
        line = lines[index]
        saved = line["event"] == "CheckpointSaved" and line.get("path") == name
        if saved or (line["event"] == "RunResumed" and line.get("checkpoint") == name):
            return index + 1
    return sum(line["step"] <= resumed["step"] for line in lines)
