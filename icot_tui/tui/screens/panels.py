"""The dialog that shows and hides panels."""

from collections.abc import Callable, Sequence

from textual import on
from textual.content import Content
from textual.widget import Widget
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from icot_tui.tui.actions.table import PANEL_IDS
from icot_tui.tui.frame.layout import LayoutChoices
from icot_tui.tui.screens.dialog import Dialog, text

RESET = "reset to the default layout"


class PanelsDialog(Dialog[bool]):
    """Enter or space shows and hides a panel; the last line resets the layout."""

    title_in_words = "panels"
    hint = "enter shows or hides, escape closes"
    width = 48
    BINDINGS = [("space", "show_or_hide", "show or hide"), ("v", "cancel", "leave")]

    def __init__(self, choices: LayoutChoices, changed: Callable[[], None]) -> None:
        super().__init__()
        self._choices = choices
        self._changed = changed

    def content(self) -> Sequence[Widget]:
        """A line a panel."""
        options = OptionList(*map(Option, self._lines()), markup=False)
        options.highlighted = 0
        return [text("A hidden panel takes no space and no time."), options]

    def action_show_or_hide(self) -> None:
        """Show or hide the panel that is highlighted."""
        at = self.query_one(OptionList).highlighted
        if at is not None:
            self._toggle(at)

    @on(OptionList.OptionSelected)
    def _selected(self, event: OptionList.OptionSelected) -> None:
        self._toggle(event.option_index)

    def _toggle(self, at: int) -> None:
        hidden = self._choices.hidden
        if at >= len(PANEL_IDS):
            hidden.clear()
            self._choices.reset_sizes()
        elif PANEL_IDS[at] in hidden:
            hidden.remove(PANEL_IDS[at])
        elif len(hidden) < len(PANEL_IDS) - 1:  # one is left
            hidden.append(PANEL_IDS[at])
        options = self.query_one(OptionList)
        for index, line in enumerate(self._lines()):
            options.replace_option_prompt_at_index(index, line)
        self._changed()

    def _lines(self) -> list[Content]:
        lines = []
        for number, panel in enumerate(PANEL_IDS, start=1):
            mark, style = ("[ ] ", "dim") if panel in self._choices.hidden else ("[x] ", "")
            lines.append(Content.assemble((mark, "bold $accent"), (f"{number} {panel}", style)))
        lines.append(Content.assemble(("    ", ""), (RESET, "dim")))
        return lines
