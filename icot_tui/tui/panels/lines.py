"""The widget of all text panels: lines, of which only those that changed are redrawn.

The lines are plain tuples, not Textual's `Content`: that takes 2.8 times as long to wrap and far
longer to render, and compares equal whatever its styles.
"""

from collections.abc import Sequence

from rich.segment import Segment
from rich.style import Style
from textual.color import Color, ColorParseError
from textual.geometry import Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.selection import Selection
from textual.strip import Strip

from icot_tui.tui.panels.text import Line, cut, text_of

ATTRIBUTES = frozenset(("bold", "dim", "strike", "underline", "reverse", "italic"))


class Lines(ScrollView, can_focus=True):
    """Lines of styled text that scroll.

    Attributes:
        follow: keep the last line in view until the user scrolls up.
        ascii: mark a cut line with an ASCII character, not `…`.
    """

    ALLOW_SELECT = True
    DEFAULT_CSS = """
    Lines {
        height: 1fr;
        width: 1fr;
        scrollbar-size: 0 0;
    }
    """

    class Scrolled(Message):
        """Other lines are in view, or their number has changed."""

    def __init__(self, follow: bool = False) -> None:
        super().__init__()
        self.follow = follow
        self.ascii = False
        self._lines: list[Line] = []
        self._styles: dict[str, Style] = {}

    # What is shown ----------------------------------------------------------------------------

    @property
    def lines(self) -> Sequence[Line]:
        """All lines."""
        return self._lines

    @property
    def above(self) -> int:
        """Number of lines out of view above."""
        return min(round(self.scroll_y), len(self._lines))

    @property
    def below(self) -> int:
        """Number of lines out of view below."""
        return max(0, len(self._lines) - self.above - self.size.height)

    @property
    def at_end(self) -> bool:
        """Is the last line in view?"""
        return self.scroll_y >= self.max_scroll_y - 0.5

    def show(self, lines: Sequence[Line]) -> None:
        """Replace all lines; those that stay the same are not redrawn."""
        before, self._lines = self._lines, list(lines)
        for at, (old, new) in enumerate(zip(before, self._lines, strict=False)):
            if old != new:
                self.refresh_lines(at)
        if len(before) != len(self._lines):
            few, many = sorted((len(before), len(self._lines)))
            self.refresh_lines(few, many - few)
            self._resized(self.follow and self.at_end)

    def append(self, lines: Sequence[Line], most: int) -> None:
        """Add lines at the end; about the last `most` of all lines are kept."""
        if not lines:
            return
        at_end = self.at_end
        self._lines += lines
        surplus = len(self._lines) - most
        if surplus > most // 10:  # rarely, since everything moves
            del self._lines[:surplus]
            self.set_scroll(None, max(0, self.scroll_y - surplus))
            self.refresh()
        else:
            self.refresh_lines(len(self._lines) - len(lines), len(lines))
        self._resized(self.follow and at_end)

    def set_scroll(self, x: float | None, y: float | None) -> None:
        """Move at once."""
        self.scroll_to(x, y, animate=False)

    def _resized(self, to_end: bool) -> None:
        self.virtual_size = Size(self.size.width, len(self._lines))
        if to_end:
            # Forced: Textual scrolls nothing whose scroll bar is not shown yet.
            self.scroll_end(animate=False, immediate=True, force=True)
        self.post_message(self.Scrolled())

    # Drawing ----------------------------------------------------------------------------------

    def render_line(self, y: int) -> Strip:
        """One row of the screen."""
        at, width = round(self.scroll_y) + y, self.size.width
        base = self.rich_style
        if at >= len(self._lines):
            return Strip.blank(width, base)
        pieces = cut(self._lines[at], width, "~" if self.ascii else "…")
        strip = Strip([Segment(text, self._style(name)) for text, name in pieces])
        strip = strip.extend_cell_length(width, base)
        selection = self.text_selection
        if selection is not None and (span := selection.get_span(at)) is not None:
            strip = self._selected(strip, *span)
        return strip.apply_offsets(0, at)

    def _style(self, name: str) -> Style:
        style = self._styles.get(name)
        if style is None:
            style = self.rich_style
            for word in name.split():
                style += Style.parse(word) if word in ATTRIBUTES else self._colour(word)
            self._styles[name] = style
        return style

    def _colour(self, name: str) -> Style:
        """A colour of the theme; none if the theme lacks it."""
        try:
            colour = Color.parse(self.app.theme_variables[name])
        except (KeyError, ColorParseError):
            return Style()
        return Style(color=colour.rich_color)

    def notify_style_update(self) -> None:
        """The theme or the focus has changed: resolve the colours again."""
        super().notify_style_update()
        self._styles.clear()

    # Scrolling and selecting ------------------------------------------------------------------

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        """Tell the panel, whose border says how much is out of view."""
        super().watch_scroll_y(old_value, new_value)
        if round(old_value) != round(new_value):
            self.post_message(self.Scrolled())

    def on_resize(self) -> None:
        """Stay at the end if the end was in view."""
        self._resized(self.follow and self.at_end)

    def get_selection(self, selection: Selection) -> tuple[str, str]:
        """The selected text, to be copied."""
        return selection.extract("\n".join(map(text_of, self._lines))), "\n"

    def selection_updated(self, selection: Selection | None) -> None:
        """Redraw with the selection."""
        self.refresh()

    def _selected(self, strip: Strip, start: int, end: int) -> Strip:
        end = strip.cell_length if end == -1 else min(end, strip.cell_length)
        if end <= start:
            return strip
        style = self.screen.get_component_rich_style("screen--selection")
        before, marked, after = strip.divide([start, end, strip.cell_length])
        marked = Strip([Segment(text, (own or Style()) + style) for text, own, _ in marked])
        return Strip.join([before, marked, after])
