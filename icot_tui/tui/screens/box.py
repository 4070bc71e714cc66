"""The box of a dialog; where there is not room for all of it, the list shrinks first."""

from textual.containers import Vertical
from textual.geometry import Region, Size
from textual.layout import ArrangeResult, Layout, WidgetPlacement
from textual.layouts.vertical import VerticalLayout
from textual.widget import Widget
from textual.widgets import OptionList

LEAST_ROWS = 4
"""Rows that a list keeps before text is cut off."""


class DialogBox(Vertical):
    """Widgets one below the other."""

    def __init__(self, *widgets: Widget) -> None:
        super().__init__(*widgets, classes="box")
        self._fitted = FittedLayout()

    @property
    def layout(self) -> Layout:
        """Our own, whatever a style sheet says."""
        return self._fitted


class FittedLayout(VerticalLayout):
    """Shrinks the list, which scrolls, and only then the longest text."""

    name = "fitted"

    def arrange(
        self, parent: Widget, children: list[Widget], size: Size, greedy: bool = True
    ) -> ArrangeResult:
        """A placement for every widget; a height of 0 asks how much all of them need."""
        placed = list(super().arrange(parent, children, size, greedy))
        bottom = max((each.region.bottom + each.margin.bottom for each in placed), default=0)
        return _shorten(placed, bottom - size.height) if 0 < size.height < bottom else placed


def _shorten(placed: list[WidgetPlacement], by: int) -> list[WidgetPlacement]:
    rows = {each.widget: each.region.height for each in placed}
    for widget in sorted(rows, key=lambda it: (not isinstance(it, OptionList), -rows[it]))[:2]:
        least = LEAST_ROWS if isinstance(widget, OptionList) else 1
        less = max(0, min(by, rows[widget] - least))
        rows[widget] -= less
        by -= less
    fitted, up = [], 0
    for each in placed:
        x, y, width, height = each.region
        fitted.append(each._replace(region=Region(x, y - up, width, rows[each.widget])))
        up += height - rows[each.widget]
    return fitted
