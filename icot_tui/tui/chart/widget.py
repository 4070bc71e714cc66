"""The chart as a widget: it draws when something changed and repaints only the cells that did."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from textual import events
from textual.geometry import Region
from textual.reactive import reactive
from textual.strip import Strip
from textual.widget import Widget

from icot_tui.tui.chart.canvas import Frame
from icot_tui.tui.chart.colours import ThemeColours, changes, strips_of
from icot_tui.tui.chart.data import ChartData
from icot_tui.tui.chart.draw import draw
from icot_tui.tui.chart.export import as_csv, as_svg, as_text
from icot_tui.tui.chart.layout import ChartLayout, zoomed_values
from icot_tui.tui.chart.style import ChartStyle
from icot_tui.tui.chart.viewport import (
    Viewport,
    next_smoothing,
    panned,
    stepped,
    to_mark,
    visible,
    whole,
    with_cursor,
    with_range_of,
    zoomed,
)


def link(charts: Sequence["Chart"]) -> None:
    """From now on all show the same range of positions and the same cursor."""
    for chart in charts:
        chart.linked = tuple(charts)


_NOTHING = ChartData(curves=(), x_label="", y_label="", version=None)


class Chart(Widget, can_focus=True):
    """A chart of curves over steps, hours or removed tokens, with marks of events.

    It has no keys of its own: actions call its methods. The wheel zooms at the pointer (with Ctrl
    the values), dragging pans, a click sets the value cursor.

    Attributes:
        linked: charts that show the same range of positions and the same cursor, this one too.
        margin: cells for the labels of values, at least.
    """

    DEFAULT_CSS = """
    Chart { width: 1fr; height: 1fr; min-height: 1; }
    """
    ALLOW_SELECT = False  # dragging pans
    ascii: reactive[bool] = reactive(False, repaint=False)
    """Draw with ASCII characters only."""

    def __init__(
        self, data: ChartData | None = None, *, ascii: bool = False, log: bool = False
    ) -> None:
        super().__init__()
        self.set_reactive(Chart.ascii, ascii)
        self.viewport = Viewport(log=log)
        self.data = data or _NOTHING
        self.linked: tuple[Chart, ...] = ()
        self.margin = 0
        self._drawn: object = None
        self._strips: list[Strip] = []
        self._frame: Frame | None = None
        self._layout = ChartLayout(0, 0, 0, 0, axis=False)
        self._dragged_from: tuple[int, Viewport] | None = None
        self._moved = False

    def show(self, data: ChartData) -> None:
        """Show these data; costs nothing if their version is the one shown."""
        before = self.data
        if data.version == before.version and data.x_label == before.x_label:
            return
        if data.x_label != before.x_label:
            self.viewport = whole(self.viewport)
        if data.y_label != before.y_label and not (data.percent and before.percent):
            self.viewport = replace(self.viewport, values=None)  # other values
        self.data = data
        if before.extent is None or data.x_label != before.x_label:
            first = next(self._alike(), self)  # what linked charts were told meanwhile
            self.viewport = with_range_of(self.viewport, first.viewport)
        self._redraw()

    def zoom(self, factor: float, anchor: float | None = None) -> None:
        """Show `factor` times the range, around the cursor or the given position."""
        if self.data.extent is not None:
            self._set_viewport(zoomed(self.viewport, self.data.extent, factor, anchor))

    def pan(self, share: float) -> None:
        """Move the view by this share of its width, to the right if positive."""
        if self.data.extent is not None:
            self._set_viewport(panned(self.viewport, self.data.extent, share))

    def reset_view(self) -> None:
        """Show everything, follow new data, and hide the cursor, in linked charts, too."""
        for chart in (self, *self._alike()):
            chart._set_viewport(whole(chart.viewport))

    def zoom_values(self, factor: float) -> None:
        """Show `factor` times the range of values, around the one at the cursor or the newest."""
        data, view = self.data, self.viewport
        if data.extent is None:
            return
        window = visible(view, data.extent)
        at = window[1] if view.cursor is None else view.cursor
        self._set_viewport(zoomed_values(data, view, window, factor, data.value_at(at)))

    def toggle_log(self) -> None:
        """Switch the value axis between logarithmic and linear."""
        self._set_viewport(replace(self.viewport, log=not self.viewport.log, values=None))

    def cycle_smoothing(self) -> None:
        """Smooth more; after the strongest, none."""
        self._set_viewport(next_smoothing(self.viewport))

    def step_cursor(self, columns: int) -> None:
        """Move the value cursor, left if negative; without one, put it on the newest point."""
        self._set_viewport(stepped(self.viewport, self.data, self._layout.columns, columns))

    def hide_cursor(self) -> None:
        """Hide the value cursor; the view stays."""
        self._set_viewport(replace(self.viewport, cursor=None))

    def go_to_mark(self, forward: bool) -> None:
        """Put the cursor on the next or previous removal and bring it into view."""
        self._set_viewport(to_mark(self.viewport, self.data, forward))

    def text(self) -> str:
        """The chart as on the screen, as plain lines."""
        style = self._style(ThemeColours.of(self))
        return as_text(self.data, self.viewport, *self.size, style)

    def csv(self) -> str:
        """Every point of every curve within the view, one a line."""
        return as_csv(self.data, self.viewport)

    def svg(self) -> str:
        return as_svg(self.data, self.viewport)

    def render_lines(self, crop: Region) -> list[Strip]:
        """Lines of the chart; drawn again if what they depend on has changed."""
        self._update()
        return super().render_lines(crop)

    def render_line(self, y: int) -> Strip:
        return self._strips[y] if y < len(self._strips) else Strip.blank(self.size.width)

    def watch_ascii(self) -> None:
        self._redraw()

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        self._wheel(event, 0.5)

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        self._wheel(event, 2.0)

    def on_mouse_down(self, event: events.MouseDown) -> None:
        if event.button == 1:
            self._dragged_from = (event.x, self.viewport)
            self._moved = False
            self.capture_mouse()

    def on_mouse_move(self, event: events.MouseMove) -> None:
        if self._dragged_from is None or self.data.extent is None:
            return
        start, view = self._dragged_from
        self._moved = self._moved or event.x != start
        if self._moved:
            share = (start - event.x) / max(self._layout.columns, 1)
            moved = panned(view, self.data.extent, share)
            self._set_viewport(replace(moved, cursor=view.cursor))

    def on_mouse_up(self, event: events.MouseUp) -> None:
        """End a drag; without movement it was a click."""
        self.release_mouse()
        clicked = self._dragged_from is not None and not self._moved
        self._dragged_from = None
        if clicked and self.data.extent is not None:
            extent = self.data.extent
            self._set_viewport(with_cursor(self.viewport, extent, self._position_at(event.x)))

    def _wheel(self, event: events.MouseEvent, factor: float) -> None:
        """Zoom at the pointer."""
        event.stop()
        if event.ctrl:
            self.zoom_values(factor)
        elif self.data.extent is not None:
            self.zoom(factor, self._position_at(event.x))

    def _position_at(self, x: int) -> float:
        """The position under the middle of a column of the widget."""
        assert self.data.extent is not None
        start, end = visible(self.viewport, self.data.extent)
        share = (x - self.gutter.left - self._layout.left + 0.5) / max(self._layout.columns, 1)
        return start + min(max(share, 0.0), 1.0) * (end - start)

    def _set_viewport(self, view: Viewport) -> None:
        if view == self.viewport:
            return
        self.viewport = view
        self._redraw()
        for other in self._alike():
            other._follow(view)

    def _alike(self) -> Iterator["Chart"]:
        """Linked charts of the same range of positions, those out of view too, whose data wait."""
        own = self.data
        for other in self.linked:
            data = other.data
            shared = own.since is not None and data.since is not None
            alike = data.x_label == own.x_label and (shared or data.extent == own.extent)
            if alike and other is not self:
                yield other

    def _follow(self, view: Viewport) -> None:
        """Show the range of positions of a linked chart, and its cursor."""
        followed = with_range_of(self.viewport, view)
        if followed != self.viewport:
            self.viewport = followed
            self._redraw()

    def _redraw(self) -> None:
        """Draw now if the chart is visible, and repaint the cells that differ."""
        if not self.is_mounted:
            return
        if not self.size or not self.is_on_screen:
            self.refresh()  # draws nothing now, and everything once visible
            return
        before = self._frame
        self._update()
        assert self._frame is not None
        changed = changes(before, self._frame)
        if changed:
            self.refresh(*changed)

    def _style(self, colours: ThemeColours) -> ChartStyle:
        sparse = colours.ansi or colours.colourless
        return ChartStyle(ascii=self.ascii, sparse=sparse, margin=self.margin)

    def _update(self) -> None:
        """Draw if data, size, view or theme have changed since the last drawing."""
        colours = ThemeColours.of(self)
        state = (self.data, self.viewport, self.size, self.ascii, self.margin, colours)
        if state == self._drawn:
            return
        style = self._style(colours)
        self._frame, self._layout = draw(self.data, self.viewport, *self.size, style)
        self._strips = strips_of(self._frame, colours)
        self._drawn = state
