"""The live screen: header, panels, footer."""

import logging
from collections.abc import Sequence

from textual import events, on
from textual.app import ComposeResult
from textual.screen import Screen
from textual.widget import Widget
from textual.widgets import Static

from icot_tui.tui.action import Action
from icot_tui.tui.chart.widget import Chart
from icot_tui.tui.footer import Footer
from icot_tui.tui.header import Header
from icot_tui.tui.keymap import KeyMap
from icot_tui.tui.layout import SMALLEST, Wanted, shape_of
from icot_tui.tui.panel import Panel
from icot_tui.tui.screens.board import Board
from icot_tui.tui.screens.tabs import Tabs
from icot_tui.tui.view import RunView
from icot_tui.tui.words import plain

log = logging.getLogger("icot_tui.screen")


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
    Panel > .failure { color: $error; height: auto; }
    """

    def __init__(self, panels: Sequence[Panel], wanted: Wanted, keys: KeyMap) -> None:
        super().__init__()
        self.header = Header()
        self.board = Board(panels, wanted)
        self.tabs = Tabs()
        self.footer = Footer(keys)
        self._failed: set[str] = set()
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
            if panel.id not in self._failed:
                self._show_panel(panel, view)

    def _show_panel(self, panel: Panel, view: RunView) -> None:
        try:
            panel.show(view)
        except Exception as error:
            self._failed.add(panel.id or "")
            log.exception("the panel %s failed", panel.id)
            what = plain(f"{type(error).__name__}: {error}")
            for child in panel.children:
                child.display = False
            said = f"this panel failed: {what}. The training is not touched by it."
            panel.mount(Static(said, markup=False, classes="failure"))

    def set_ascii(self) -> None:
        """Charts draw with ASCII characters."""
        for chart in self.query(Chart):
            chart.ascii = True

    # Size ---------------------------------------------------------------------------------------

    def on_resize(self, event: events.Resize) -> None:
        """Choose what there is room for."""
        width, height = event.size
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
                if panel.id not in self._failed:
                    self._show_panel(panel, self._view)
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
        self.board.wanted.go_to(name)
        self.rearrange()
        self.call_after_refresh(self._focus, name)

    def _focus(self, name: str) -> None:
        panel = self.board.panels.get(name)
        if panel is None:
            return
        target = next((w for w in panel.query("*") if w.focusable and w.display), None)
        if target is not None:
            target.focus(scroll_visible=False)

    def on_descendant_focus(self, event: events.DescendantFocus) -> None:
        """Remember which chart was used last."""
        if isinstance(event.widget, Chart):
            self._last_chart = event.widget

    @property
    def chart(self) -> Chart | None:
        """The chart that keys mean: in focus, or used last, or the first in sight."""
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
