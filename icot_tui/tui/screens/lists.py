"""Lists of options that take every key at any time."""

from textual.widgets import OptionList


class OptionsList(OptionList):
    """Textual raises a KeyError when it is to move by a page in a list that has no height yet."""

    def action_page_up(self) -> None:
        if self.scrollable_content_region:
            super().action_page_up()

    def action_page_down(self) -> None:
        if self.scrollable_content_region:
            super().action_page_down()
