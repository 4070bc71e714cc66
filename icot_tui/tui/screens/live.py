"""The live screen: header, panels, footer."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from textual import events, on
from textual.app import ComposeResult
from textual.geometry import Size
from textual.screen import Screen
from textual.widget import Widget
from textual.widgets import Static

from icot_tui.tui.actions.action import Action, KeyMap
from icot_tui.tui.frame.footer import Footer, Tabs
from icot_tui.tui.frame.header import Header
from icot_tui.tui.frame.layout import SMALLEST, LayoutChoices, shape_of
from icot_tui.tui.frame.panel import Panel
from icot_tui.tui.run.view import RunView
from icot_tui.tui.screens.board import Board

if TYPE_CHECKING:
    from icot_tui.tui.chart.widget import Chart


class LiveScreen(Screen[None]):
    """Shows one run; the app tells it when."""

    DEFAULT_CSS = """
    LiveScreen { layout: vertical; }
    LiveScreen > #small {
        display: none;
        width: 1fr;
        height: 1fr;
        content-align: center middle;
        text-align: center;
    }
    LiveScreen.-small > * { display: none; }
    LiveScreen.-small > #small { display: block; }
    LiveScreen.-tabs > Tabs { display: block; }
    """

    def __init__(self, wanted: LayoutChoices, keys: KeyMap) -> None:
        super().__init__()
        self.header = Header()
        self.board = Board(wanted)
        self.tabs = Tabs()
        self.footer = Footer(keys)
        self._last_chart: Chart | None = None
        self._view: RunView | None = None

    def compose(self) -> ComposeResult:
        """One column."""
        yield self.header
        yield self.board
        yield self.tabs
        yield self.footer
        yield Static("", markup=False, id="small")

    # Showing ------------------------------------------------------------------------------------

    def show(self, view: RunView, mode: str, actions: Sequence[Action]) -> None:
        """Draw this moment; a panel that fails says so, and is left out from then on."""
        self._view = view
        if self.has_class("-small"):
            return
        self.header.show(view, mode)
        self.footer.show(actions)
        if self.has_class("-tabs"):
            self.tabs.show([panel.id or "" for panel in self.board.seen])
        for panel in self.board.seen:
            panel.show_safely(view)

    async def fill(self, panels: Sequence[Panel], ascii: bool) -> None:
        """Put the panels in, which are not there for the first frame."""
        from icot_tui.tui.chart.widget import Chart

        await self.board.fill(panels)
        for chart in self.query(Chart):
            chart.ascii = ascii
        if self.focused is None and self.is_current:
            self.focus_next()

    # Size ---------------------------------------------------------------------------------------

    def on_resize(self, event: events.Resize) -> None:
        """Choose what there is room for."""
        self.fit(event.size)

    def fit(self, size: Size) -> None:
        """Choose what there is room for in a terminal of this size."""
        width, height = size
        shape = shape_of(width, height)
        self.set_class(shape == "too small", "-small")
        self.set_class(shape in ("compact", "stack", "spine"), "-tabs")
        if shape == "too small":
            columns, rows = SMALLEST
            self.query_one("#small", Static).update(
                f"This needs {columns} columns and {rows} rows;\n"
                f"the terminal has {width} and {height}.\n\n"
                "Make it larger, or the letters smaller.\nTraining goes on meanwhile."
            )
        self.call_after_refresh(self.rearrange)

    def rearrange(self) -> None:
        """Place the panels anew and draw those that came in."""
        self.board.rearrange()
        self.call_after_refresh(self._draw_again)

    def _draw_again(self) -> None:
        if self._view is not None:
            for panel in self.board.seen:
                panel.show_safely(self._view)
            if self.has_class("-tabs"):
                self.tabs.show([panel.id or "" for panel in self.board.seen])

    # Focus --------------------------------------------------------------------------------------

    @property
    def focused_panel(self) -> Panel | None:
        """The panel that has the focus."""
        node: object = self.focused
        while isinstance(node, Widget):
            if isinstance(node, Panel):
                return node
            node = node.parent
        return None

    def go_to(self, name: str) -> None:
        """Bring a panel in and give it the focus."""
        self.board.choices.go_to(name)
        self.rearrange()
        self._focus(name)  # now, not at the next redraw: the next key means this panel

    def _focus(self, name: str) -> None:
        panel = self.board.panels.get(name)
        if panel is None:
            return
        target = next((w for w in panel.query("*") if w.focusable and w.display), None)
        if target is not None:
            self.set_focus(target, scroll_visible=False)

    def on_descendant_focus(self, event: events.DescendantFocus) -> None:
        """Remember which chart was used last."""
        from icot_tui.tui.chart.widget import Chart

        if isinstance(event.widget, Chart):
            self._last_chart = event.widget

    @property
    def chart(self) -> "Chart | None":
        """The chart that keys mean: in focus, or used last, or the first in sight."""
        from icot_tui.tui.chart.widget import Chart

        panel = self.focused_panel
        charts = [chart for seen in self.board.seen for chart in seen.query(Chart)]
        mine = [chart for chart in charts if panel is not None and panel in chart.ancestors]
        if mine:
            return mine[0]
        if self._last_chart in charts:
            return self._last_chart
        return charts[0] if charts else None

    @on(Tabs.Clicked)
    def _tab(self, event: Tabs.Clicked) -> None:
        self.go_to(event.panel)

    @property
    def panel_with_chart(self) -> Panel | None:
        """The panel of the chart that keys mean."""
        chart = self.chart
        if chart is None:
            return None
        return next((panel for panel in self.board.seen if panel in chart.ancestors), None)
