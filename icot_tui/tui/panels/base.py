"""The base of all panels made of text: they redraw only when something changed."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import ClassVar

from textual.app import ComposeResult
from textual.geometry import Size

from icot_tui.tui.frame.panel import Panel
from icot_tui.tui.panels.lines import Lines
from icot_tui.tui.panels.text import Glyphs, Line, glyphs
from icot_tui.tui.run.view import RunView


@dataclass(frozen=True)
class Area:
    """The size of a panel and the characters and colours it may use.

    Attributes:
        width: cells.
        height: cells; longer text scrolls.
        glyph: the characters of this terminal.
        plain: meaning must not depend on colour.
    """

    width: int
    height: int
    glyph: Glyphs
    plain: bool = False

    @property
    def ascii(self) -> bool:
        """May only ASCII characters be drawn?"""
        return self.glyph.ellipsis == "~"


class TextPanel(Panel):
    """A panel of lines: subclasses define the lines and the values they depend on."""

    DEFAULT_CSS = """
    TextPanel { border-subtitle-color: $secondary; }
    """
    follow: ClassVar[bool] = False

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self.lines = Lines(follow=self.follow)
        self._view: RunView | None = None
        self._drawn: Hashable = None

    def compose(self) -> ComposeResult:
        yield self.lines

    def key(self, view: RunView) -> Hashable:
        """What the lines depend on: they are redrawn when it changes."""
        raise NotImplementedError

    def draw(self, view: RunView, area: Area) -> Sequence[Line]:
        """The lines."""
        raise NotImplementedError

    def title(self, view: RunView) -> str:
        """The title on the border."""
        return self.label

    def show(self, view: RunView) -> None:
        """Draw this moment of the run if its key or the size has changed."""
        self._view = view
        size = self.lines.size
        if not size.width or not size.height:
            return
        key = (id(view.source), self.key(view), size, view.ascii, self.app.no_color)
        if key == self._drawn:
            return
        self._drawn = key
        self.set_border(title=self.title(view))
        self.lines.ascii = view.ascii
        self.lines.show(self.draw(view, self.area(view, size)))

    def area(self, view: RunView, size: Size) -> Area:
        """The area of this size."""
        plain = view.ascii or self.app.no_color
        return Area(size.width, size.height, glyphs(view.ascii), plain)

    def on_resize(self) -> None:
        """Redraw for the new size."""
        if self._view is not None:
            self.call_after_refresh(self.show_safely, self._view)

    def on_lines_scrolled(self, event: Lines.Scrolled) -> None:
        """Show on the border how much is out of view."""
        event.stop()
        self.set_border(subtitle=out_of_sight(self.lines))


def out_of_sight(lines: Lines) -> str:
    """`▲ 3 above  ▼ 12 below`; empty when all lines are in view."""
    up, down = ("^", "v") if lines.ascii else ("▲", "▼")
    parts = []
    if lines.above:
        parts.append(f"{up} {lines.above:,} above")
    if lines.below:
        parts.append(f"{down} {lines.below:,} below")
    return "  ".join(parts)
