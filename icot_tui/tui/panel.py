"""The base of the live screen's panels."""

from typing import ClassVar

from textual.containers import Vertical

from icot_tui.tui.view import RunView


class Panel(Vertical):
    """A titled box that shows one side of a run; `show` is called at each redraw it is seen in.

    `show` must cost little when nothing changed: a panel remembers the version it has drawn.
    """

    name_in_words: ClassVar[str] = ""
    """Title on the border, and what settings and the palette call the panel."""

    DEFAULT_CSS = """
    Panel {
        border: round $panel;
        border-title-color: $primary;
        padding: 0 1;
    }
    Panel:focus-within {
        border: round $accent;
    }
    """

    def on_mount(self) -> None:
        self.border_title = self.name_in_words

    def show(self, view: RunView) -> None:
        """Draw this moment of the run."""
        raise NotImplementedError
