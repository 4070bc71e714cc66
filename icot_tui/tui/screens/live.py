"""The live screen: header, panels, footer."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from textual import events
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
        self._last_with_chart: Panel | None = None
        self._view: RunView | None = None

    def compose(self) -> ComposeResult:
        yield self.header
        yield self.board
        yield self.tabs
        yield self.footer
        yield Static("", markup=False, id="small")

    def show(self, view: RunView, mode: str, actions: Sequence[Action]) -> None:
        """Draw this moment; a panel that fails says so, and is left out from then on."""
        self._view = view
        if self.has_class("-small"):
            return
        self.header.show(view, mode)
        self.footer.show(actions)
        self._draw_panels()

    def _draw_panels(self) -> None:
        if self.has_class("-tabs"):
            self.tabs.show([panel.id or "" for panel in self.board.seen])
        if self._view is not None:
            for panel in self.board.seen:
                panel.show_safely(self._view)

    async def fill(self, panels: Sequence[Panel], ascii: bool) -> None:
        """Put the panels in, which are not there for the first frame."""
        from icot_tui.tui.chart.widget import link  # heavy, too

        await self.board.fill(panels)
        for panel in panels:
            if panel.chart is not None:
                panel.chart.ascii = ascii
        link([chart for panel in panels for chart in panel.charts])
        if self.focused is None and self.is_current:
            self.focus_next()

    def on_resize(self, event: events.Resize) -> None:
        self.fit(event.size)

    def fit(self, size: Size) -> None:
        width, height = size
        shape = shape_of(width, height)
        self.set_class(shape == "too small", "-small")
        self.set_class(shape in ("compact", "stack", "spine"), "-tabs")
        if shape == "too small":
            columns, rows = SMALLEST
            self.query_one("#small", Static).update(
                f"This needs {columns} columns and {rows} rows;\n"
                f"the terminal has {width} and {height}.\n\n"
                "Make it larger, or its font smaller.\nTraining goes on meanwhile."
            )
        self.call_after_refresh(self.rearrange)

    def rearrange(self) -> None:
        """Place the panels again and draw those that came in."""
        self.board.rearrange()
        self.call_after_refresh(self._draw_panels)

    def tells_news(self) -> bool:
        """Does the newest line of the log stand there for all to see?"""
        from icot_tui.tui.panels.log import LogPanel  # heavy: not for the first frame

        logs = [panel for panel in self.board.seen if isinstance(panel, LogPanel)]
        return self.is_current and any(log.lines.at_end and not log.filter for log in logs)

    @property
    def focused_panel(self) -> Panel | None:
        return _panel_of(self.focused)

    def go_to(self, name: str) -> None:
        """Bring a panel in and give it the focus."""
        self.board.choices.go_to(name)
        self.rearrange()
        if name not in self.board.panels:
            return
        widgets = self.board.panels[name].query("*")
        target = next((widget for widget in widgets if widget.focusable and widget.display), None)
        if target is not None:  # now, not at the next redraw: the next key means this panel
            self.set_focus(target, scroll_visible=False)

    def on_descendant_focus(self, event: events.DescendantFocus) -> None:
        panel = _panel_of(event.widget)
        if panel is not None and panel.chart is not None:
            self._last_with_chart = panel

    @property
    def panel_with_chart(self) -> Panel | None:
        """The panel whose chart keys mean: in focus, or used last, or the first in view."""
        panels = [panel for panel in self.board.seen if panel.chart is not None]
        preferred = (self.focused_panel, self._last_with_chart, *panels)
        return next((panel for panel in preferred if panel in panels), None)

    @property
    def chart(self) -> "Chart | None":
        """The one that chart keys mean: in focus, or else the main one of its panel."""
        panel = self.panel_with_chart
        if panel is None:
            return None
        return next((chart for chart in panel.charts if chart.has_focus), panel.chart)


def _panel_of(widget: Widget | None) -> Panel | None:
    nodes = () if widget is None else widget.ancestors_with_self
    return next((node for node in nodes if isinstance(node, Panel)), None)
