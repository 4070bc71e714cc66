"""What Textual draws with block characters, for terminals that have none."""

from typing import Any, ClassVar

from textual.app import App
from textual.scrollbar import ScrollBar, ScrollBarRender


class AsciiScrollBar(ScrollBarRender):
    """A scroll bar whose ends lie between cells, not within them."""

    VERTICAL_BARS: ClassVar[list[str]] = [" "] * 8
    HORIZONTAL_BARS: ClassVar[list[str]] = [" "] * 8


def draw_with(app: App[Any], *, ascii: bool) -> None:
    """Have an app draw with ASCII characters only, or with all; the last one said counts.

    Textual keeps the renderer of scroll bars for all apps of a process.
    """
    app.set_class(ascii, "-ascii")
    ScrollBar.renderer = AsciiScrollBar if ascii else ScrollBarRender
