"""The screen fits its terminal, whatever the environment says of sizes and colours."""

import fcntl
import os
import pty
import struct
import termios
from collections.abc import Iterator

import pytest

from icot_tui.tui.app.base import BaseApp
from icot_tui.tui.session.driver import DriverContext, ScreenDriver


@pytest.fixture
def terminal() -> Iterator[int]:
    ends = pty.openpty()
    yield ends[1]
    for end in ends:
        os.close(end)


def resize(descriptor: int, columns: int, rows: int) -> None:
    fcntl.ioctl(descriptor, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


def test_the_terminal_itself_says_how_large_it_is(
    terminal: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = DriverContext(terminal, lambda _: None, lambda: None, lambda: None, can_stop=False)
    driver = object.__new__(type("Driver", (ScreenDriver,), {"context": context}))
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("LINES", "50")
    resize(terminal, 90, 20)
    assert driver._get_terminal_size() == (90, 20)
    resize(terminal, 0, 0)  # a serial line knows no size
    assert driver._get_terminal_size() == (200, 50)


@pytest.mark.parametrize(("value", "colours"), [(None, True), ("", True), ("1", False)])
def test_colours_are_off_where_no_color_is_not_empty(
    value: str | None, colours: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    if value is not None:
        monkeypatch.setenv("NO_COLOR", value)
    app = BaseApp()
    assert app.no_color is not colours
    assert len(app._filters) == (1 if colours else 2)
