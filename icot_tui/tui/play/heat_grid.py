"""Draws a heat map in cells shaded by the theme's colours, or by characters without colour."""

from rich.cells import set_cell_size
from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.binding import Binding
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from icot_tui.formatting import plain
from icot_tui.tui.play.heat_map import (
    ASCII_SHADES,
    ENCODED,
    GIVEN,
    LABEL,
    LEVELS,
    SHADES,
    TALLEST,
    Fit,
    HeatMap,
    cell_text,
    fit,
)


class HeatGrid(Widget, can_focus=True):
    """A heat map with a cursor; shaded with ASCII characters if `ascii`."""

    BINDINGS = [
        Binding("left", "move(0, -1)", "left", show=False),
        Binding("right", "move(0, 1)", "right", show=False),
        Binding("up", "move(1, 0)", "up", show=False),
        Binding("down", "move(-1, 0)", "down", show=False),
    ]
    COMPONENT_CLASSES = {f"heat-grid--{level}" for level in range(LEVELS + 1)}
    DEFAULT_CSS = """
    HeatGrid { height: auto; width: 1fr; }
    HeatGrid > .heat-grid--0 { background: $primary 4%; color: auto; }
    HeatGrid > .heat-grid--1 { background: $primary 22%; color: auto; }
    HeatGrid > .heat-grid--2 { background: $primary 45%; color: auto; }
    HeatGrid > .heat-grid--3 { background: $primary 70%; color: auto; }
    HeatGrid > .heat-grid--4 { background: $primary; color: auto; }
    /* The terminal's own colours can't be blended. */
    HeatGrid:ansi > .heat-grid--0 { background: transparent; color: $foreground; text-style: dim; }
    HeatGrid:ansi > .heat-grid--1 { background: transparent; color: $foreground; }
    HeatGrid:ansi > .heat-grid--2 { background: transparent; color: $primary; }
    HeatGrid:ansi > .heat-grid--3 { background: transparent; color: $primary; text-style: bold; }
    HeatGrid:ansi > .heat-grid--4 { background: transparent; color: $primary; text-style: reverse; }
    """

    class Moved(Message):
        """The cursor moved."""

    def __init__(self) -> None:
        super().__init__()
        self.ascii = False
        self.room = 0  # lines that there are for the map; rows are made taller to fill them
        self.heat: HeatMap | None = None
        self.cursor = (0, 0)

    def show(self, heat: HeatMap | None, same: bool = False) -> None:
        """Show a map; with `same`, the cursor stays where it is if the shapes agree."""
        before, self.heat = self.heat, heat
        if heat is not None:
            shape = None if before is None else before.values.shape
            self.cursor = self.cursor if same and shape == heat.values.shape else heat.start
        self.refresh(layout=True)
        self.post_message(self.Moved())

    @property
    def detail(self) -> str:
        return "" if self.heat is None else self.heat.told(*self.cursor)

    def action_move(self, up: int, right: int) -> None:
        if self.heat is None:
            return
        row, column = self.cursor
        rows, columns = self.heat.values.shape
        self._go_to(min(max(row + up, 0), rows - 1), min(max(column + right, 0), columns - 1))

    def _go_to(self, row: int, column: int) -> None:
        self.cursor = row, column
        self.refresh()
        self.post_message(self.Moved())

    @property
    def _plain(self) -> bool:
        return self.ascii or self.app.no_color

    def get_content_height(self, container: object, viewport: object, width: int) -> int:
        """A line for each row, and the headings."""
        heat = self.heat
        return 1 if heat is None else len(heat.rows) * self._tall(heat) + heat.headings

    def _tall(self, heat: HeatMap) -> int:
        """Lines of a row."""
        return min(TALLEST, max(1, (self.room - heat.headings) // max(1, len(heat.rows))))

    def give_room(self, lines: int) -> None:
        """Say how many lines the map may take."""
        if lines != self.room:
            self.room = lines
            self.refresh(layout=True)

    def _fit(self, heat: HeatMap) -> Fit:
        return fit(len(heat.columns), self.size.width, self.cursor[1])

    def render_line(self, y: int) -> Strip:
        base, width, heat = self.rich_style, self.size.width, self.heat
        if heat is None:
            return Strip.blank(width, base)
        seen, row = self._fit(heat), self._row_at(heat, y)
        if y < heat.headings:
            strip = self._heading(heat, seen, heat.columns if y == 0 else heat.tokens, y == 0)
        elif row < 0:
            strip = Strip.blank(width, base)
        else:
            tall = self._tall(heat)
            strip = self._row(heat, seen, row, named=(y - heat.headings) % tall == (tall - 1) // 2)
        return strip.adjust_cell_length(width, base)

    def _row_at(self, heat: HeatMap, y: int) -> int:
        """The map's row at a line; where not all have room, those around the cursor are seen."""
        tall, last = self._tall(heat), len(heat.rows) - 1
        room = max(1, (self.size.height - heat.headings) // tall)
        above = min(max(0, last - self.cursor[0] - room // 2), max(0, last + 1 - room))
        return last - ((y - heat.headings) // tall + above)

    def _heading(self, heat: HeatMap, seen: Fit, names: tuple[str, ...], upper: bool) -> Strip:
        base = self.rich_style
        more = "<" if upper and seen.first else " "
        segments = [Segment(" " * (LABEL - 1) + more, base + Style(dim=True))]
        for column in range(seen.first, seen.first + seen.count):
            style = base + (Style(bold=True) if upper else Style(dim=True))
            if column == self.cursor[1]:
                style += Style(underline=True, bold=True, dim=False)
            if upper and column == heat.reader:
                style += Style(reverse=True)
            name = plain(names[column])[: seen.cell - 1]
            segments += [Segment(name.rjust(seen.cell - 1), style), Segment(" ", base)]
        if upper and seen.first + seen.count < len(heat.columns):
            segments.append(Segment(">", base + Style(dim=True)))
        return Strip(segments)

    def _row(self, heat: HeatMap, seen: Fit, row: int, named: bool = True) -> Strip:
        """A line of a row: the one with its name and its numbers, or one that is only shaded."""
        base = self.rich_style
        label = set_cell_size(heat.rows[row].rjust(LABEL - 1) + " ", LABEL)
        here = row == self.cursor[0]
        name = base + Style(bold=here, dim=not here)
        label = label if named else " " * LABEL
        segments = [Segment(label[:-1], name), Segment(label[-1], base)]
        shades = ASCII_SHADES if self.ascii else SHADES
        for column in range(seen.first, seen.first + seen.count):
            text = plain(cell_text(heat, row, column, seen.cell, shades, self._plain))
            text = set_cell_size(text, seen.cell) if named else self._shade(heat, row, column, seen)
            style = base + self._style(heat, row, column)
            segments += [Segment(text[:-1], style), Segment(text[-1], base)]
        if here:  # framed, so that the cell keeps its shade and its mark
            at, frame = 1 + 2 * (self.cursor[1] - seen.first), base + Style(reverse=True, bold=True)
            segments[at] = Segment("[", frame)
            closing = segments[at + 2].text
            segments[at + 2] = Segment(closing if closing == ")" else "]", frame)
        return Strip(segments)

    def _shade(self, heat: HeatMap, row: int, column: int, seen: Fit) -> str:
        """A cell without its number: coloured, or filled with the shade's character."""
        shades = ASCII_SHADES if self.ascii else SHADES
        known = heat.values[row, column] == heat.values[row, column]
        shade = shades[heat.level(row, column)] if self._plain and known else " "
        return shade * (seen.cell - 1) + " "

    def _style(self, heat: HeatMap, row: int, column: int) -> Style:
        mark, level = heat.marks[row][column], heat.level(row, column)
        extra = Style(bold=True, underline=True) if mark == ENCODED else Style()
        if mark == GIVEN or heat.values[row, column] != heat.values[row, column]:
            return Style(dim=True)
        if self._plain:
            return extra + (Style(bold=True) if level == LEVELS else Style())
        return self.get_component_rich_style(f"heat-grid--{level}") + extra

    def on_click(self, event: events.Click) -> None:
        heat = self.heat
        if heat is None:
            return
        seen, row = self._fit(heat), self._row_at(heat, event.y)
        column = seen.first + (event.x - LABEL) // seen.cell
        if event.x >= LABEL and column < seen.first + seen.count and 0 <= row < len(heat.rows):
            self._go_to(row, column)
