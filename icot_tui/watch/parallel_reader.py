"""The later part of a long journal, read by a second process while this one reads the beginning.

What reads a line holds the interpreter's lock, so that a thread would gain nothing. The other
process reads all of its part before it hands over the first piece, and ends with its reader.
"""

import contextlib
import pickle
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from icot_tui.engine.journal.journal import JournalReader
from icot_tui.watch.bulk_reader import Piece, read

WORTH = 64 << 20
"""Bytes; to read fewer takes no longer than to start a process."""
FIRST = 0.47
"""The share that is read here, where the pieces are taken in as well."""


class ReadAhead:
    """The part of a journal from byte `begin` to byte `end`, both of them beginnings of lines."""

    def __init__(self, path: Path, begin: int, end: int) -> None:
        self.begin, self.end = begin, end
        command = [sys.executable, "-P", "-m", "icot_tui.watch.parallel_reader"]
        self._process = subprocess.Popen(
            [*command, str(path), str(begin), str(end)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )

    @classmethod
    def of(cls, journal: JournalReader) -> "ReadAhead | None":
        """The later part of what there is of a journal; None where it is not worth a process."""
        if journal.size - journal.offset < WORTH:
            return None
        middle = JournalReader(journal.path)
        middle.skip_to(journal.offset + int(FIRST * (journal.size - journal.offset)))
        try:
            return cls(journal.path, middle.offset, journal.size)
        except OSError:  # no more processes: it is read here
            return None

    def parts(self, seconds: float) -> Iterator[tuple[int, list[Piece]]]:
        """(byte up to which it is read, pieces) of each part, as long as they come within a time.

        Raises:
            EOFError: there are no more.
        """
        pipe = self._process.stdout
        assert pipe is not None
        until = time.monotonic() + seconds
        while select.select([pipe], [], [], max(0.0, until - time.monotonic()))[0]:
            try:
                yield pickle.load(pipe)
            except pickle.UnpicklingError as error:
                raise EOFError(str(error)) from error

    def close(self) -> None:
        """End the process, and give back what it holds."""
        self._process.kill()
        self._process.communicate()


def hand_over(path: Path, begin: int, end: int, to: BinaryIO) -> None:
    """Read a journal from byte `begin` to byte `end`, then write its parts."""
    journal = JournalReader(path, begin)
    journal.look()
    parts = [(journal.offset, read(text)) for text in journal.parts(end)]
    for part in parts:
        pickle.dump(part, to, protocol=5)


if __name__ == "__main__":
    path, begin, end = sys.argv[1:]
    with contextlib.suppress(BrokenPipeError):
        hand_over(Path(path), int(begin), int(end), sys.stdout.buffer)
