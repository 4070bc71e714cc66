"""The pane of hidden positions: a heat map, the cell under the cursor, and its captions."""

from collections.abc import Hashable

from textual import events, on
from textual.app import ComposeResult
from textual.content import Content
from textual.widgets import Static

from icot_tui.formatting import plain
from icot_tui.tui.frame.panel import Panel
from icot_tui.tui.panels.base import Lines
from icot_tui.tui.panels.text import Line, line, paragraph, wrap
from icot_tui.tui.play.heat_grid import HeatGrid
from icot_tui.tui.play.heat_map import HeatMap
from icot_tui.tui.play.records import VIEWS, ViewName

GAP = 2
BESIDE_MAP = 10
"""Lines for the views' names, the cell in words and the captions."""


class ViewTabs(Static):
    """The views with their keys; a click opens one."""

    DEFAULT_CSS = """
    ViewTabs { height: 1; text-wrap: nowrap; text-overflow: clip; }
    """

    def show(self, view: ViewName) -> None:
        """Mark the view that is open."""
        pieces: list[tuple[str, str]] = []
        for at, name in enumerate(VIEWS, start=1):
            style = "bold reverse" if name == view else ""
            pieces += [(f"{at}", "bold $accent"), (" ", ""), (name, style), (" " * GAP, "")]
        self.update(Content.assemble(*pieces))

    async def on_click(self, event: events.Click) -> None:
        at = 0
        for name in VIEWS:
            end = at + 2 + len(name)
            if at <= event.x < end:
                await self.run_action(f"screen.perform('{name}')")
            at = end + GAP


class HiddenPane(Panel):
    """One view of one token at a time."""

    label = "hidden positions"
    DEFAULT_CSS = """
    HiddenPane { display: none; }
    HiddenPane > .cell { height: auto; max-height: 3; color: $accent; }
    HiddenPane > Lines { height: 1fr; min-height: 2; }
    """

    def __init__(self) -> None:
        super().__init__(id="hidden")
        self.tabs = ViewTabs(markup=False)
        self.grid = HeatGrid()
        self.cell = Static("", markup=False, classes="cell")
        self.words = Lines()
        self._captions: tuple[str, ...] = ()
        self._style = ""
        self._key: Hashable = None

    @property
    def heat(self) -> HeatMap | None:
        """The map that is shown."""
        return self.grid.heat

    def compose(self) -> ComposeResult:
        yield self.tabs
        yield self.grid
        yield self.cell
        yield self.words

    def set_ascii(self, ascii_only: bool) -> None:
        self.grid.ascii = self.words.ascii = ascii_only

    def show_map(self, heat: HeatMap, key: Hashable) -> None:
        """Show a map; the cursor stays where it is on a map of the same key."""
        same, self._key = key == self._key, key
        self._give_room()
        self.grid.show(heat, same)
        self._show_captions((heat.captions[0], f"Shown: {heat.title}.", *heat.captions[1:]), "")

    def show_words(self, words: str, problem: bool = False) -> None:
        """Show no map, but why there is none or what is being done."""
        self.grid.show(None)
        self.cell.update("")
        self._show_captions((words,), "warning" if problem else "dim")

    def _show_captions(self, captions: tuple[str, ...], style: str) -> None:
        self._captions, self._style = captions, style
        self.words.scroll_to(y=0, animate=False)
        self._draw_captions()

    def _draw_captions(self) -> None:
        width = self.words.size.width
        if not width:
            return
        lines: list[Line] = []
        for at, sentence in enumerate(self._captions):
            if self._style or at == 0:
                lines += paragraph(sentence, width, self._style or "bold")
            else:
                lines += wrap(line(("- ", "dim"), (sentence, "")), width, hang=2)
        self.words.show(lines)

    def _give_room(self) -> None:
        self.grid.give_room(self.content_size.height - BESIDE_MAP)

    def on_resize(self) -> None:
        self._give_room()
        self.call_after_refresh(self._draw_captions)

    @on(HeatGrid.Moved)
    def _moved(self, event: HeatGrid.Moved) -> None:
        event.stop()
        self.cell.update(Content(plain(self.grid.detail)))
        self.call_after_refresh(self._draw_captions)

    def on_lines_scrolled(self, event: Lines.Scrolled) -> None:
        """Show on the border how much is out of sight."""
        event.stop()
        self.set_border(subtitle=self.words.out_of_view)
