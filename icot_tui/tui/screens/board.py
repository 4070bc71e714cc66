"""The part of the live screen that holds the panels, and the dialog that shows and hides them."""

from collections.abc import Callable, Sequence

from textual import events, on
from textual.containers import Container
from textual.content import Content
from textual.geometry import NULL_OFFSET, NULL_REGION, Region, Size
from textual.layout import ArrangeResult, Layout, WidgetPlacement
from textual.message import Message
from textual.widget import Widget
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from icot_tui.tui.actions.table import PANEL_IDS
from icot_tui.tui.frame.layout import (
    BorderDrag,
    BorderHandle,
    LayoutChoices,
    Shape,
    arrange,
    border_at,
    panel_rows,
    shape_of,
)
from icot_tui.tui.frame.panel import FULL, Panel
from icot_tui.tui.screens.dialog import Dialog, text
from icot_tui.tui.screens.lists import SafeOptionList


class Board(Container):
    """Panels where `frame.layout.arrange` puts them; the borders between them can be dragged."""

    DEFAULT_CSS = """
    Board { width: 1fr; height: 1fr; overflow: hidden hidden; }
    """

    class Resized(Message):
        """The sizes of panels have changed; `done` once the border is let go."""

        def __init__(self, done: bool) -> None:
            super().__init__()
            self.done = done

    def __init__(self, choices: LayoutChoices) -> None:
        super().__init__()
        self.panels: dict[str, Panel] = {}
        self.choices = choices
        self._handle = BorderHandle()
        self._drag: BorderDrag | None = None
        self.styles.set_rule("layout", BoardLayout())

    async def fill(self, panels: Sequence[Panel]) -> None:
        self.panels = {panel.id or "": panel for panel in panels}
        self._show_and_hide()
        await self.mount(*panels)
        for panel in panels:
            panel.catch_paint_errors()

    def regions(self, size: Size) -> dict[str, Region]:
        """The panels that have room in this size, and where."""
        return arrange(size.width, size.height, self.shape, self.choices)

    @property
    def shape(self) -> Shape:
        return shape_of(*self.app.size)

    def on_resize(self) -> None:
        self._end_drag()
        self.rearrange()

    def rearrange(self) -> None:
        if self._drag is None:
            self._highlight(BorderHandle())  # the border may be elsewhere now
        self._show_and_hide()
        for panel in self.seen[:1]:  # Textual keeps a parent's old places until a child asks
            panel.refresh(layout=True)

    def _show_and_hide(self) -> None:
        regions = self.regions(self.size)
        for name, panel in self.panels.items():
            panel.display = name in regions
            panel.set_class(name == self.choices.full, FULL)

    @property
    def seen(self) -> list[Panel]:
        return [panel for panel in self.panels.values() if panel.display]

    # Dragging borders ---------------------------------------------------------------------------

    def on_mouse_move(self, event: events.MouseMove) -> None:
        """Move the border that is dragged, or highlight the one under the pointer."""
        x, y = event.screen_offset - self.region.offset
        if not event.button:  # it may have been released outside of the terminal
            self.on_mouse_up()
        if self._drag is not None:
            self._drag.move_to(x, y, self.choices)
            self.post_message(self.Resized(done=False))
        elif self.app.mouse_captured is None:  # no chart is dragged across it
            self._highlight(border_at(self.regions(self.size), x, y))

    def on_mouse_down(self, event: events.MouseDown) -> None:
        x, y = event.screen_offset - self.region.offset
        regions = self.regions(self.size)
        handle = border_at(regions, x, y)
        if event.button == 1 and handle != BorderHandle():
            rows = panel_rows(self.shape, self.size.height, self.choices)
            self._drag = BorderDrag(handle, (x, y), regions, self.shape, rows)
            self.capture_mouse()

    def on_mouse_up(self) -> None:
        if self._end_drag():
            self.post_message(self.Resized(done=True))

    def on_leave(self) -> None:
        over = self.app.mouse_over
        if self._drag is None and (over is None or self not in over.ancestors_with_self):
            self._highlight(BorderHandle())

    def _end_drag(self) -> bool:
        dragging, self._drag = self._drag is not None, None
        if dragging:
            self.release_mouse()
        return dragging

    def _highlight(self, handle: BorderHandle) -> None:
        if handle == self._handle:
            return
        self._handle = handle
        self.styles.pointer = handle.pointer
        for edge, names in handle.edges.items():
            for name, panel in self.panels.items():
                panel.set_class(name in names, f"-{edge}")


class BoardLayout(Layout):
    """Puts each panel of a board into its region."""

    name = "board"

    def arrange(
        self, parent: Widget, children: list[Widget], size: Size, greedy: bool = True
    ) -> ArrangeResult:
        assert isinstance(parent, Board)
        parent.pre_layout(self)
        regions = parent.regions(size)
        return [
            WidgetPlacement(
                regions.get(child.id or "", NULL_REGION), NULL_OFFSET, child.styles.margin, child
            )
            for child in children
        ]


class PanelsDialog(Dialog[bool]):
    """Enter or space shows and hides a panel; the last line resets the layout."""

    title_in_words = "panels"
    hint = "enter shows or hides, escape closes"
    width = 48
    BINDINGS = [("space", "show_or_hide", "show or hide"), ("v", "dismiss", "close")]

    def __init__(self, choices: LayoutChoices, changed: Callable[[], None]) -> None:
        super().__init__()
        self._choices = choices
        self._changed = changed

    def content(self) -> Sequence[Widget]:
        options = SafeOptionList(*map(Option, self._prompts()), markup=False)
        options.highlighted = 0
        return [text("A hidden panel takes no space and no time."), options]

    def action_show_or_hide(self) -> None:
        self.query_one(OptionList).action_select()

    @on(OptionList.OptionSelected)
    def _toggle(self, event: OptionList.OptionSelected) -> None:
        at, hidden = event.option_index, self._choices.hidden
        if at >= len(PANEL_IDS):
            hidden.clear()
            self._choices.widths.clear()
            self._choices.heights.clear()
        elif PANEL_IDS[at] in hidden:
            hidden.remove(PANEL_IDS[at])
        elif len(hidden) < len(PANEL_IDS) - 1:  # one is left
            hidden.append(PANEL_IDS[at])
        options = self.query_one(OptionList)
        for index, line in enumerate(self._prompts()):
            options.replace_option_prompt_at_index(index, line)
        self._changed()

    def _prompts(self) -> list[Content]:
        lines: list[Content] = []
        for number, panel in enumerate(PANEL_IDS, start=1):
            mark, style = ("[ ] ", "dim") if panel in self._choices.hidden else ("[x] ", "")
            lines.append(Content.assemble((mark, "bold $accent"), (f"{number} {panel}", style)))
        lines.append(Content.assemble(("    ", ""), ("reset to the default layout", "dim")))
        return lines
