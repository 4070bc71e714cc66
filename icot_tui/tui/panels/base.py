"""The base of all panels made of text, and its widget: only what changed is redrawn.

Lines are plain tuples, not Textual's `Content`: that takes 2.8 times as long to wrap and far
longer to render, and compares equal whatever its styles.
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

from rich.segment import Segment
from rich.style import Style
from textual.app import ComposeResult
from textual.color import Color, ColorParseError
from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.selection import Selection
from textual.strip import Strip

from icot_tui.tui.frame.panel import FULL, Panel
from icot_tui.tui.panels.text import ASCII, Glyphs, Line, cut, glyphs, text_of
from icot_tui.tui.run.view import RunView

ATTRIBUTES = frozenset(("bold", "dim", "strike", "underline", "reverse", "italic"))


@dataclass(frozen=True)
class Area:
    """The cells of a panel, and the characters and colours it may use.

    Longer text scrolls. Where `plain` is set, nothing may depend on colour; where `full` is, the
    panel has the whole screen, which has room for more than the usual lines.
    """

    width: int
    height: int
    glyph: Glyphs
    plain: bool = False
    full: bool = False

    @property
    def ascii(self) -> bool:
        return self.glyph is ASCII

    def cut(self, pieces: Line) -> Line:
        return cut(pieces, self.width, self.glyph.ellipsis)


class Lines(ScrollView, can_focus=True):
    """Lines of styled text that scroll; with `follow` the last one stays in view.

    Attributes:
        at_end: was it in view when the lines were last scrolled? Other sizes don't change that.
    """

    ALLOW_SELECT = True
    DEFAULT_CSS = """
    Lines { height: 1fr; width: 1fr; scrollbar-size: 0 0; }
    """

    class Scrolled(Message):
        """Other lines are in view, or their number has changed."""

    def __init__(self) -> None:
        super().__init__()
        self.follow = False
        self.at_end = True
        self.ascii = False
        self.lines: list[Line] = []
        self._styles: dict[str, Style] = {}
        self._paints = False

    @property
    def above(self) -> int:
        return min(round(self.scroll_y), len(self.lines))

    @property
    def below(self) -> int:
        return max(0, len(self.lines) - self.above - self.size.height)

    @property
    def out_of_view(self) -> str:
        """`▲ 3 above  ▼ 12 below`; empty when all lines are in view."""
        up, down = ("^", "v") if self.ascii else ("▲", "▼")
        above = f"{up} {self.above:,} above" if self.above else ""
        below = f"{down} {self.below:,} below" if self.below else ""
        return "  ".join(filter(None, (above, below)))

    def show(self, lines: Sequence[Line]) -> None:
        """Replace all lines; those that stay the same are not redrawn."""
        before, self.lines = self.lines, list(lines)
        for at, (old, new) in enumerate(zip(before, self.lines, strict=False)):
            if old != new:
                self.refresh_lines(at)
        if len(before) != len(self.lines):
            few, many = sorted((len(before), len(self.lines)))
            self.refresh_lines(few, many - few)
            self._resized(self.follow and self.at_end)

    def append(self, lines: Sequence[Line], most: int) -> None:
        """Add lines at the end; about the last `most` of all lines are kept."""
        if not lines:
            return
        at_end = self.at_end
        self.lines += lines
        surplus = len(self.lines) - most
        if surplus > most // 10:  # rarely, since everything moves
            del self.lines[:surplus]
            self.scroll_to(y=max(0, self.scroll_y - surplus), animate=False)
            self.refresh()
        else:
            self.refresh_lines(len(self.lines) - len(lines), len(lines))
        self._resized(self.follow and at_end)

    def _resized(self, to_end: bool) -> None:
        self.virtual_size = Size(self.size.width, len(self.lines))
        if to_end:
            # Forced: Textual scrolls nothing whose scroll bar is not shown yet.
            self.scroll_end(animate=False, immediate=True, force=True)
        self.post_message(self.Scrolled())

    def render_line(self, y: int) -> Strip:
        at, width = round(self.scroll_y) + y, self.size.width
        base = self.rich_style
        if at >= len(self.lines):
            return Strip.blank(width, base)
        pieces = cut(self.lines[at], width, "~" if self.ascii else "…")
        strip = Strip([Segment(text, self._style(name)) for text, name in pieces])
        strip = strip.extend_cell_length(width, base)
        selection = self.text_selection
        if selection is not None and (span := selection.get_span(at)) is not None:
            strip = self._selected(strip, *span)
        return strip if self._paints else strip.apply_offsets(0, at)

    def render_lines(self, crop: Region) -> list[Strip]:
        """Paint them: without their places, which only a selection asks `render_line` for.

        A place makes a style of its own, of which Textual keeps the last 16,384.
        """
        self._paints = True
        try:
            return super().render_lines(crop)
        finally:
            self._paints = False

    def _style(self, name: str) -> Style:
        if name not in self._styles:
            style = self.rich_style
            for word in name.split():
                style += Style.parse(word) if word in ATTRIBUTES else self._colour(word)
            self._styles[name] = style
        return self._styles[name]

    def _colour(self, name: str) -> Style:
        """A colour of the theme; none if the theme lacks it."""
        try:
            colour = Color.parse(self.app.theme_variables[name])
        except (KeyError, ColorParseError):
            return Style()
        return Style(color=colour.rich_color)

    def notify_style_update(self) -> None:
        super().notify_style_update()
        self._styles.clear()

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        """Tell the panel, whose border says how much is out of view."""
        super().watch_scroll_y(old_value, new_value)
        self.at_end = new_value >= self.max_scroll_y - 0.5
        if round(old_value) != round(new_value):
            self.post_message(self.Scrolled())

    def on_resize(self) -> None:
        self._resized(self.follow and self.at_end)

    def get_selection(self, selection: Selection) -> tuple[str, str]:
        return selection.extract("\n".join(map(text_of, self.lines))), "\n"

    def _selected(self, strip: Strip, start: int, end: int) -> Strip:
        end = strip.cell_length if end == -1 else min(end, strip.cell_length)
        if end <= start:
            return strip
        style = self.screen.get_component_rich_style("screen--selection")
        before, marked, after = strip.divide([start, end, strip.cell_length])
        marked = Strip([Segment(text, (own or Style()) + style) for text, own, _ in marked])
        return Strip.join([before, marked, after])


class TextPanel(Panel):
    """A panel of lines: subclasses define the lines and the values they depend on."""

    DEFAULT_CSS = """
    TextPanel { border-subtitle-color: $secondary; }
    """

    def __init__(self, id: str | None = None) -> None:
        super().__init__(id=id)
        self.lines = Lines()
        self._view: RunView | None = None
        self._drawn: Hashable = None

    def compose(self) -> ComposeResult:
        yield self.lines

    def key(self, view: RunView) -> Hashable:
        """What the lines depend on: they are redrawn when it changes."""
        raise NotImplementedError

    def draw(self, view: RunView, area: Area) -> Sequence[Line]:
        raise NotImplementedError

    def title(self, view: RunView) -> str:
        return self.label

    def show(self, view: RunView) -> None:
        self._view = view
        size = self.content_size
        if not size.width or not size.height:
            return
        full = self.has_class(FULL)
        key = (id(view.source), self.key(view), size, view.ascii, self.app.no_color, full)
        if key == self._drawn:
            return
        self._drawn = key
        self.set_border(title=self.title(view))
        self.lines.ascii = view.ascii
        area = Area(*size, glyphs(view.ascii), view.ascii or self.app.no_color, full)
        self.lines.show(self.draw(view, area))

    def on_resize(self) -> None:
        if self._view is not None:
            self.call_after_refresh(self.show_safely, self._view)

    def on_lines_scrolled(self, event: Lines.Scrolled) -> None:
        event.stop()
        self.set_border(subtitle=self.lines.out_of_view)
