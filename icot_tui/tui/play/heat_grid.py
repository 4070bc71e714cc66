"""Draws a heat map in cells shaded by the theme's colours, or by characters without colour."""

from rich.cells import set_cell_size
from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.binding import Binding
from textual.color import Color, ColorParseError
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
    Fit,
    HeatMap,
    cell_text,
    fit,
)


class HeatGrid(Widget, can_focus=True):
    """A heat map with a cursor.

    Attributes:
        ascii: shade with ASCII characters.
    """

    BINDINGS = [
        Binding("left", "move(0, -1)", "left", show=False),
        Binding("right", "move(0, 1)", "right", show=False),
        Binding("up", "move(1, 0)", "up", show=False),
        Binding("down", "move(-1, 0)", "down", show=False),
    ]
    DEFAULT_CSS = """
    HeatGrid { height: auto; width: 1fr; }
    """

    class Moved(Message):
        """The cursor moved."""

    def __init__(self) -> None:
        super().__init__()
        self.ascii = False
        self.heat: HeatMap | None = None
        self.cursor = (0, 0)
        self._shading: list[Style] = []

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
        """The cell under the cursor in words."""
        return "" if self.heat is None else self.heat.details[self.cursor[0]][self.cursor[1]]

    def action_move(self, up: int, right: int) -> None:
        """Move the cursor by a cell."""
        if self.heat is None:
            return
        row, column = self.cursor
        rows, columns = self.heat.values.shape
        self.cursor = min(max(row + up, 0), rows - 1), min(max(column + right, 0), columns - 1)
        self.refresh()
        self.post_message(self.Moved())

    # Drawing ----------------------------------------------------------------------------------

    @property
    def _plain(self) -> bool:
        return self.ascii or self.app.no_color

    def get_content_height(self, container: object, viewport: object, width: int) -> int:
        """A line for each row, and the headings."""
        heat = self.heat
        return 1 if heat is None else len(heat.rows) + self._headings(heat)

    @staticmethod
    def _headings(heat: HeatMap) -> int:
        return 2 if heat.tokens else 1

    def _fit(self, heat: HeatMap) -> Fit:
        return fit(len(heat.columns), self.size.width, self.cursor[1])

    def render_line(self, y: int) -> Strip:
        """One line of the screen."""
        base, width, heat = self.rich_style, self.size.width, self.heat
        if heat is None:
            return Strip.blank(width, base)
        seen = self._fit(heat)
        headings = self._headings(heat)
        if y < headings:
            strip = self._heading(heat, seen, heat.columns if y == 0 else heat.tokens, y == 0)
        else:
            at = y - headings + self._above(heat, headings)
            row = len(heat.rows) - 1 - at
            strip = self._row(heat, seen, row) if row >= 0 else Strip.blank(width, base)
        return strip.adjust_cell_length(width, base)

    def _above(self, heat: HeatMap, headings: int) -> int:
        """Rows that are out of sight above, where there are more than there is room for."""
        room = max(1, self.size.height - headings)
        at = len(heat.rows) - 1 - self.cursor[0]
        return min(max(0, at - room // 2), max(0, len(heat.rows) - room))

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
            name = plain(names[column])
            if len(name) > seen.cell - 1:
                name = name[: seen.cell - 1]
            segments += [Segment(name.rjust(seen.cell - 1), style), Segment(" ", base)]
        if upper and seen.first + seen.count < len(heat.columns):
            segments.append(Segment(">", base + Style(dim=True)))
        return Strip(segments)

    def _row(self, heat: HeatMap, seen: Fit, row: int) -> Strip:
        base = self.rich_style
        label = set_cell_size(heat.rows[row].rjust(LABEL - 1) + " ", LABEL)
        here = row == self.cursor[0]
        segments = [Segment(label, base + Style(bold=here, dim=not here))]
        shades = ASCII_SHADES if self.ascii else SHADES
        for column in range(seen.first, seen.first + seen.count):
            text = plain(cell_text(heat, row, column, seen.cell, shades, self._plain))
            text = set_cell_size(text, seen.cell)
            style = base + self._style(heat, row, column)
            if (row, column) == self.cursor:
                style += Style(reverse=True, bold=True, dim=False)
            gap = 0 if text.endswith(")") else 1
            segments.append(Segment(text[: len(text) - gap], style))
            segments.append(Segment(" " * gap, base))
        return Strip(segments)

    def _style(self, heat: HeatMap, row: int, column: int) -> Style:
        mark, level = heat.marks[row][column], heat.level(row, column)
        extra = Style(bold=True, underline=True) if mark == ENCODED else Style()
        if mark == GIVEN or heat.values[row, column] != heat.values[row, column]:
            return Style(dim=True)
        if self._plain:
            return extra + (Style(bold=True) if level == LEVELS else Style())
        return self._shades[level] + extra

    @property
    def _shades(self) -> list[Style]:
        """A style for each level, from the theme's background to its primary colour."""
        if not self._shading:
            variables = self.app.theme_variables
            try:
                under, over = (Color.parse(variables[name]) for name in ("background", "primary"))
            except (KeyError, ColorParseError):
                under = over = Color.parse("ansi_default")
            if under.ansi is not None or over.ansi is not None:
                colour = over.rich_color  # the terminal's own colours can't be blended
                self._shading = [
                    Style(dim=True),
                    Style(),
                    Style(color=colour),
                    Style(color=colour, bold=True),
                    Style(color=colour, reverse=True),
                ]
            else:
                self._shading = [
                    Style(
                        bgcolor=(mixed := under.blend(over, share)).rich_color,
                        color=mixed.get_contrast_text(0.95).rich_color,
                    )
                    for share in (0.04, 0.22, 0.45, 0.7, 1.0)
                ]
        return self._shading

    def notify_style_update(self) -> None:
        """Another theme: blend again."""
        super().notify_style_update()
        self._shading = []

    def on_click(self, event: events.Click) -> None:
        """Put the cursor where the click was."""
        heat = self.heat
        if heat is None:
            return
        seen, headings = self._fit(heat), self._headings(heat)
        column = seen.first + (event.x - LABEL) // seen.cell
        row = len(heat.rows) - 1 - (event.y - headings + self._above(heat, headings))
        if event.x >= LABEL and column < seen.first + seen.count and 0 <= row < len(heat.rows):
            self.cursor = row, column
            self.refresh()
            self.post_message(self.Moved())
