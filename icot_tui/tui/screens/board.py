"""The part of the live screen that holds the panels, and gives each its place."""

from collections.abc import Sequence

from textual.containers import Container
from textual.geometry import NULL_OFFSET, Region, Size
from textual.layout import ArrangeResult, Layout, WidgetPlacement
from textual.widget import Widget

from icot_tui.tui.layout import Box, Wanted, arrange, shape_of
from icot_tui.tui.panel import Panel

NOWHERE = Box(0, 0, 0, 0)


class Board(Container):
    """Panels side by side, as `layout.arrange` has it."""

    DEFAULT_CSS = """
    Board { width: 1fr; height: 1fr; overflow: hidden hidden; }
    """

    def __init__(self, wanted: Wanted) -> None:
        super().__init__()
        self.panels: dict[str, Panel] = {}
        self.wanted = wanted
        self._placed = PlacedLayout()

    async def fill(self, panels: Sequence[Panel]) -> None:
        """Put these panels in."""
        self.panels = {panel.id or "": panel for panel in panels}
        places = self.places(self.size)
        for name, panel in self.panels.items():
            panel.display = name in places
        await self.mount(*panels)
        for panel in panels:
            panel.contain()

    @property
    def layout(self) -> Layout:
        """Our own, whatever a style sheet says."""
        return self._placed

    def places(self, size: Size) -> dict[str, Box]:
        """The panels that are seen in so much room, and where."""
        terminal = self.app.size
        wanted = self.wanted
        shape = shape_of(terminal.width, terminal.height)
        return arrange(size.width, size.height, shape, wanted)

    def on_resize(self) -> None:
        """Other panels may have room."""
        self.rearrange()

    def rearrange(self) -> None:
        """Show and hide panels, and give them their places."""
        places = self.places(self.size)
        for name, panel in self.panels.items():
            if panel.display != (name in places):
                panel.display = name in places
        for panel in self.seen[:1]:  # Textual keeps a parent's old places until a child asks
            panel.refresh(layout=True)

    @property
    def seen(self) -> list[Panel]:
        """The panels in sight, in their order."""
        return [panel for panel in self.panels.values() if panel.display]


class PlacedLayout(Layout):
    """Puts each panel of a board into its box."""

    name = "placed"

    def arrange(
        self, parent: Widget, children: list[Widget], size: Size, greedy: bool = True
    ) -> ArrangeResult:
        """A placement for every panel."""
        assert isinstance(parent, Board)
        parent.pre_layout(self)
        places = parent.places(size)
        placements = []
        for child in children:
            box = places.get(child.id or "", NOWHERE)
            region = Region(box.x, box.y, box.width, box.height)
            placements.append(WidgetPlacement(region, NULL_OFFSET, child.styles.margin, child))
        return placements
