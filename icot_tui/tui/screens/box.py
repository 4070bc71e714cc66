"""The box of a dialog, which cuts off as little as can be where there is not room for all."""

from textual.containers import Vertical
from textual.geometry import Region, Size
from textual.layout import ArrangeResult, Layout, WidgetPlacement
from textual.layouts.vertical import VerticalLayout
from textual.widget import Widget
from textual.widgets import OptionList

LEAST_ROWS = 4
"""Of a list, before words are cut off for it."""


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
    """Takes what does not fit from the list, which scrolls, and only then from the longest text."""

    name = "fitted"

    def arrange(
        self, parent: Widget, children: list[Widget], size: Size, greedy: bool = True
    ) -> ArrangeResult:
        """A placement for every widget; with a height of 0 it is asked how much all would take."""
        placed = list(super().arrange(parent, children, size, greedy))
        too_much = max((one.region.bottom + one.margin.bottom for one in placed), default=0)
        too_much -= size.height
        if size.height and too_much > 0:
            return _shortened(placed, too_much)
        return placed


def _shortened(placed: list[WidgetPlacement], by: int) -> list[WidgetPlacement]:
    rows = {one.widget: one.region.height for one in placed}
    for widget in sorted(rows, key=lambda one: (not isinstance(one, OptionList), -rows[one]))[:2]:
        least = LEAST_ROWS if isinstance(widget, OptionList) else 1
        less = max(0, min(by, rows[widget] - least))
        rows[widget] -= less
        by -= less
    fitted, up = [], 0
    for one in placed:
        x, y, width, height = one.region
        fitted.append(one._replace(region=Region(x, y - up, width, rows[one.widget])))
        up += height - rows[one.widget]
    return fitted
