"""Lists of options that take every key at any time."""

from typing import Any

from textual.widgets import OptionList


class SafeOptionList(OptionList):
    """Textual raises a KeyError when it is to move by a page in a list that has no height yet."""

    def _move_page(self, direction: Any) -> None:
        if self.scrollable_content_region:
            super()._move_page(direction)
