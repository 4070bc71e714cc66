"""What the panels made of lines share: they draw when something changed, and only then."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import ClassVar

from textual.app import ComposeResult

from icot_tui.tui.frame.panel import Panel
from icot_tui.tui.panels.lines import Lines
from icot_tui.tui.panels.text import Glyphs, Line, glyphs
from icot_tui.tui.run.view import RunView


@dataclass(frozen=True)
class Area:
    """The room that a panel has, and what it may draw with.

    Attributes:
        width: cells.
        height: cells; what is longer scrolls.
        glyph: the signs of this terminal.
        plain: nothing may depend on colour.
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
    """A panel of lines: subclasses say what the lines are, and what they depend on."""

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
        """Changes when the lines do."""
        raise NotImplementedError

    def draw(self, view: RunView, area: Area) -> Sequence[Line]:
        """The lines."""
        raise NotImplementedError

    def title(self, view: RunView) -> str:
        """What stands on the border."""
        return self.label

    def show(self, view: RunView) -> None:
        """Draw this moment of the run, if it differs from the last one or the size does."""
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
        plain = view.ascii or self.app.no_color
        area = Area(size.width, size.height, glyphs(view.ascii), plain)
        self.lines.show(self.draw(view, area))

    def on_resize(self) -> None:
        """The lines depend on the size."""
        if self._view is not None:
            self.call_after_refresh(self.show_safely, self._view)

    def on_lines_scrolled(self, event: Lines.Scrolled) -> None:
        """Say on the border how much is out of sight."""
        event.stop()
        self.set_border(subtitle=out_of_sight(self.lines))


def out_of_sight(lines: Lines) -> str:
    """How many lines are not seen, in words; empty when all are."""
    up, down = ("^", "v") if lines.ascii else ("▲", "▼")
    parts = []
    if lines.above:
        parts.append(f"{up} {lines.above:,} above")
    if lines.below:
        parts.append(f"{down} {lines.below:,} below")
    return "  ".join(parts)
