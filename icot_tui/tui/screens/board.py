"""The part of the live screen that holds the panels, and gives each its place."""

from collections.abc import Sequence

from textual import events
from textual.containers import Container
from textual.geometry import NULL_OFFSET, Region, Size
from textual.layout import ArrangeResult, Layout, WidgetPlacement
from textual.message import Message
from textual.widget import Widget

from icot_tui.tui.frame.borders import BorderDrag, BorderHandle, border_at
from icot_tui.tui.frame.layout import Box, LayoutChoices, Shape, arrange, plan, shape_of
from icot_tui.tui.frame.panel import Panel

NOWHERE = Box(0, 0, 0, 0)


class Board(Container):
    """Panels side by side, as `layout.arrange` has it; the borders between them can be dragged."""

    DEFAULT_CSS = """
    Board { width: 1fr; height: 1fr; overflow: hidden hidden; }
    """

    class Resized(Message):
        """Panels are wanted in other sizes; `done` once the border is let go."""

        def __init__(self, done: bool) -> None:
            super().__init__()
            self.done = done

    def __init__(self, wanted: LayoutChoices) -> None:
        super().__init__()
        self.panels: dict[str, Panel] = {}
        self.wanted = wanted
        self._grip = BorderHandle()
        self._hold: BorderDrag | None = None
        self._placed = PlacedLayout()

    async def fill(self, panels: Sequence[Panel]) -> None:
        """Put these panels in."""
        self.panels = {panel.id or "": panel for panel in panels}
        places = self.places(self.size)
        for name, panel in self.panels.items():
            panel.display = name in places
        await self.mount(*panels)
        for panel in panels:
            panel.catch_paint_errors()

    @property
    def layout(self) -> Layout:
        """Our own, whatever a style sheet says."""
        return self._placed

    def places(self, size: Size) -> dict[str, Box]:
        """The panels that are seen in so much room, and where."""
        return arrange(size.width, size.height, self.shape, self.wanted)

    @property
    def shape(self) -> Shape:
        """How the terminal is used."""
        return shape_of(*self.app.size)

    def on_resize(self) -> None:
        """Other panels may have room."""
        self._let_go()
        self.rearrange()

    def rearrange(self) -> None:
        """Show and hide panels, and give them their places."""
        if self._hold is None:
            self._point_at(BorderHandle())  # it may be elsewhere now
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

    # Dragging borders ---------------------------------------------------------------------------

    def on_mouse_move(self, event: events.MouseMove) -> None:
        """Take the held border along, or show which one could be held."""
        x, y = event.screen_offset - self.region.offset
        if not event.button:  # it may have been let go outside of the terminal
            self.on_mouse_up()
        if self._hold is not None:
            self._hold.drag(x, y, self.wanted)
            self.post_message(self.Resized(done=False))
        elif self.app.mouse_captured is None:  # no chart is dragged across it
            self._point_at(border_at(self.places(self.size), x, y))

    def on_mouse_down(self, event: events.MouseDown) -> None:
        """Hold the border under the pointer."""
        x, y = event.screen_offset - self.region.offset
        boxes = self.places(self.size)
        grip = border_at(boxes, x, y)
        if event.button == 1 and grip != BorderHandle():
            rows = plan(self.shape, self.size.height, self.wanted)
            self._hold = BorderDrag(grip, (x, y), boxes, self.shape, rows)
            self.capture_mouse()

    def on_mouse_up(self) -> None:
        """Let go of it."""
        if self._let_go():
            self.post_message(self.Resized(done=True))

    def on_leave(self) -> None:
        """No border is under the pointer once it is elsewhere."""
        over = self.app.mouse_over
        if self._hold is None and (over is None or self not in over.ancestors_with_self):
            self._point_at(BorderHandle())

    def _let_go(self) -> bool:
        held, self._hold = self._hold is not None, None
        if held:
            self.release_mouse()
        return held

    def _point_at(self, grip: BorderHandle) -> None:
        if grip == self._grip:
            return
        self._grip = grip
        self.styles.pointer = grip.pointer
        for edge, names in grip.edges.items():
            for name, panel in self.panels.items():
                panel.set_class(name in names, f"-{edge}")


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
