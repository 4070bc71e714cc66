"""The base of the live screen's panels."""

import logging
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from textual.containers import Vertical
from textual.content import Content
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget
from textual.widgets import Static

from icot_tui.formatting import plain
from icot_tui.tui.run.view import RunView

if TYPE_CHECKING:
    from icot_tui.tui.chart.widget import Chart

log = logging.getLogger("icot_tui.screen")
FULL = "-full"
"""Class of the panel that the user gave the whole screen."""


class Panel(Vertical):
    """A titled box that shows one side of a run; `show` is called at each redraw while in view.

    `show` must cost little when nothing changed: a panel remembers the version it has drawn.
    """

    label: ClassVar[str] = ""
    """The panel's name: on its border, in settings and in the palette."""

    DEFAULT_CSS = """
    Panel { border: round $panel; border-title-color: $primary; padding: 0 1; }
    Panel:focus-within { border: round $accent; }
    Panel > .failure { color: $error; height: auto; }
    """
    ALLOW_SELECT = False  # its borders are dragged; the text within can be selected
    failed = False  # if True, an error message has replaced the panel

    chart: "Chart | None" = None

    @property
    def charts(self) -> "tuple[Chart, ...]":
        """All charts that share one range of steps and one cursor, the main one first."""
        return () if self.chart is None else (self.chart,)

    def __init__(self, *children: Widget, id: str | None = None) -> None:
        super().__init__(*children, id=id)
        self._on_border: dict[str, str] = {}

    def on_mount(self) -> None:
        self.set_border(title=self.label)

    def set_border(self, **texts: str) -> None:
        """Set `title` or `subtitle` if it differs: setting it redraws the whole box."""
        for name, text in texts.items():
            if self._on_border.get(name, "") != text:
                self._on_border[name] = text
                setattr(self, f"border_{name}", Content(plain(text)))

    def show(self, view: RunView) -> None:
        raise NotImplementedError

    def show_safely(self, view: RunView) -> None:
        if self.failed:
            return
        try:
            self.show(view)
        except Exception as error:
            self.fail(error)

    def fail(self, error: Exception) -> None:
        if self.failed:
            return
        self.failed = True
        log.error("the panel %s failed", self.id, exc_info=error)
        for child in self.children:
            child.display = False
        what = plain(f"{type(error).__name__}: {error}")
        message = f"this panel failed: {what}. The training is not affected."
        self.mount(Static(message, markup=False, classes="failure"))

    def catch_paint_errors(self) -> None:
        """From now on an error while Textual paints this panel fails the panel, not the app."""
        for widget in self.query("*"):
            setattr(widget, "render_lines", partial(self._paint, widget.render_lines))  # noqa: B010

    def _paint(self, paint: Callable[[Region], list[Strip]], crop: Region) -> list[Strip]:
        try:
            return paint(crop)
        except Exception as error:
            self.call_later(self.fail, error)  # nothing may change during painting
            return [Strip.blank(crop.width)] * crop.height
