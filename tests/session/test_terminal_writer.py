"""The writer that waits for no terminal, with pipes and terminals that really fill up."""

import os
import pty
import threading
import time
import tty
from collections.abc import Iterator

import pytest

from icot_tui.tui.session.terminal_writer import STALL_SECONDS, TerminalWriter

pytestmark = pytest.mark.slow

PATIENT = 10.0


class Far:
    """The other end of a terminal."""

    def __init__(self) -> None:
        self.master, self.slave = pty.openpty()
        tty.setraw(self.slave)
        self.gone = threading.Event()
        self.recovered = threading.Event()
        self.writer = TerminalWriter(self.slave, self.gone.set, self.recovered.set)

    def read_until(self, text: bytes) -> bytes:
        read = b""
        deadline = time.monotonic() + PATIENT
        while text not in read and time.monotonic() < deadline:
            read += os.read(self.master, 65536)
        return read

    def fill(self) -> None:
        """Write frames until the terminal takes no more and frames are dropped."""
        deadline = time.monotonic() + PATIENT
        while not self.writer.stalled:
            assert time.monotonic() < deadline
            self.writer.write("frame " * 1000)
            time.sleep(0.01)


@pytest.fixture
def far() -> Iterator[Far]:
    far = Far()
    yield far
    if far.master >= 0:
        os.close(far.master)


def test_writes_in_order(far: Far) -> None:
    for number in range(100):
        far.writer.write(f"<{number}>")
    assert far.read_until(b"<99>") == b"".join(b"<%d>" % number for number in range(100))
    assert far.writer.close(PATIENT)
    assert far.writer.written == sum(len(f"<{number}>") for number in range(100))


def test_never_waits_for_a_stalled_terminal_and_keeps_little(far: Far) -> None:
    far.fill()
    began = time.monotonic()
    for _ in range(10_000):
        far.writer.write("frame " * 1000)
    assert time.monotonic() - began < PATIENT
    assert far.writer._size == 0


def test_says_when_a_stalled_terminal_takes_something_again(far: Far) -> None:
    far.fill()
    time.sleep(STALL_SECONDS)
    assert not far.recovered.is_set()
    reader = threading.Thread(target=far.read_until, args=(b"after",))
    reader.start()
    assert far.recovered.wait(PATIENT)
    far.writer.write("after")
    reader.join(PATIENT)
    assert not reader.is_alive() and not far.writer.stalled


def test_what_must_arrive_is_kept_through_a_stall(far: Far) -> None:
    far.fill()
    far.writer.drop_waiting()
    far.writer.write("leave the screen", keep=True)
    began = time.monotonic()
    assert not far.writer.close(0.2)
    assert time.monotonic() - began < PATIENT / 2
    assert b"leave the screen" in far.read_until(b"leave the screen")


@pytest.mark.parametrize("stalled", [False, True])
def test_tells_once_that_the_terminal_is_gone(far: Far, stalled: bool) -> None:
    if stalled:
        far.fill()
    os.close(far.master)
    far.master = -1
    far.writer.write("anybody there?", keep=True)
    assert far.gone.wait(PATIENT)
    far.writer.write("no error")
    assert far.writer.close(PATIENT)
