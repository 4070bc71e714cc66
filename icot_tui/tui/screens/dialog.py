"""The base of all dialogs, and the dialog that offers a choice."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from rich.cells import cell_len
from textual import events, on
from textual.app import ComposeResult
from textual.await_complete import AwaitComplete
from textual.binding import Binding
from textual.containers import Vertical
from textual.content import Content
from textual.geometry import Region, Size
from textual.layout import ArrangeResult, WidgetPlacement
from textual.layouts.vertical import VerticalLayout
from textual.screen import ModalScreen, Screen
from textual.widget import Widget
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from icot_tui.tui.screens.lists import SafeOptionList

Result = TypeVar("Result")
Value = TypeVar("Value")
LOW = 23
"""In terminals with fewer rows dialogs have no empty ones."""
ROOM_OF_CORNERS = 6
"""Cells of a border that its text leaves free."""
Keys = Sequence[tuple[str, str]]
"""Keys and what they do, in a word."""
LEAST_ROWS = 4
"""Rows that a list keeps before text is cut off."""


if TYPE_CHECKING:
    AnyScreen = Screen[Any]
else:
    AnyScreen = object  # the styles of a screen come from its first base that is one


class ClosesOnce(AnyScreen):
    """A screen that closes only while it is the uppermost one, and else does nothing till filled.

    Keys that were pressed quickly may ask a screen to close that is closed already; Textual would
    close the one below instead. They may also mean widgets that are not there yet, or no longer.
    """

    @property
    def is_on_stack(self) -> bool:
        """Is it not being closed?"""
        return self.is_running and self in self.app.screen_stack

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        allowed = action == "dismiss" or (self.is_mounted and self.is_on_stack)
        return super().check_action(action, parameters) if allowed else False

    def dismiss(self, result: Any = None) -> AwaitComplete:
        stack = self.app.screen_stack
        return super().dismiss(result) if stack and stack[-1] is self else AwaitComplete()


class KeyBar(Static):
    """Lies over the keys of the screen below, which don't hold now; may show others."""

    DEFAULT_CSS = """
    KeyBar { layer: keys; dock: bottom; height: 1; background: $panel; padding: 0 1; }
    """

    def __init__(self) -> None:
        super().__init__(markup=False)

    def show(self, keys: Keys) -> None:
        hints = (Content.assemble((key, "bold $accent"), f" {label}") for key, label in keys)
        self.update(Content("  ").join(hints))


class Dialog(ClosesOnce, ModalScreen[Result | None], Generic[Result]):
    """A box in the middle of the screen; escape closes it with None."""

    BINDINGS = [Binding("escape", "dismiss", "close", show=False)]
    DEFAULT_CSS = """
    Dialog { align: center middle; layers: keys default; }
    Dialog > .box {
        min-width: 40;
        max-width: 94%;
        height: auto;
        max-height: 94%;
        background: $surface;
        border: round $accent;
        border-title-color: $accent;
        border-title-style: bold;
        border-subtitle-color: $foreground 70%;
        padding: 1 2;
    }
    Dialog.-low > .box { max-height: 100%; padding: 0 2; }
    Dialog OptionList {
        width: 100%;
        background: $surface;
        border: none;
        padding: 0;
        scrollbar-size-vertical: 1;
    }
    Dialog OptionList:focus { border: none; background-tint: $foreground 0%; }
    Dialog .text { width: 100%; height: auto; margin-bottom: 1; }
    Dialog Input { width: 100%; height: 1; }
    Dialog #about { margin: 1 0 0 0; }
    Dialog #about.-wrong { color: $error; }
    """

    VERTICAL_BREAKPOINTS = [(0, "-low"), (LOW, "-high")]
    title_in_words = ""
    hint = "escape cancels"
    width = 64

    def compose(self) -> ComposeResult:
        box = Vertical(*self.content(), classes="box")
        box.styles.set_rule("layout", FittedLayout())
        box.border_title = Content(self.title_in_words)
        box.border_subtitle = Content(self.hint)
        box.styles.width = self.width
        yield box
        yield KeyBar()

    def content(self) -> Sequence[Widget]:
        raise NotImplementedError

    @on(events.Resize)
    def _fit_keys(self, event: events.Resize) -> None:
        self._write_hint(self.hint, event.size.width)

    def show_keys(self, hint: str, keys: Keys) -> None:
        """Have the border say other keys than before, and the bar at the bottom these."""
        self.hint = hint
        self._write_hint(hint, self.app.size.width)
        self.query_one(KeyBar).show(keys)

    def _write_hint(self, hint: str, columns: int) -> None:
        """The keys that the border has room for."""
        widest = min(self.width, columns * 94 // 100) - ROOM_OF_CORNERS
        self.query_one(".box").border_subtitle = Content(fitting_keys(hint, widest))


def fitting_keys(hint: str, width: int) -> str:
    """Keys and what they do, as many as fit; the first and the last (which closes) stay longest."""
    separator = "; " if "; " in hint else ", "
    parts = hint.split(separator)
    while len(parts) > 1 and cell_len(separator.join(parts)) > width:
        del parts[-2 if len(parts) > 2 else 0]
    return separator.join(parts)


def text(content: str | Content, id: str | None = None) -> Static:
    """A paragraph; nothing in it is markup."""
    return Static(content, markup=False, classes="text", id=id)


@dataclass(frozen=True)
class DialogChoice(Generic[Value]):
    """One option: its value, its name, and what it means."""

    value: Value
    label: str
    meaning: str = ""
    key: str = ""


class ChoiceDialog(Dialog[Value]):
    """A choice among several; Enter, the option's own key or a click takes it.

    `about` says what the highlighted option would do; `highlighted` is called with it.
    """

    def __init__(
        self,
        title: str,
        choices: Sequence[DialogChoice[Value]],
        *,
        intro: str = "",
        about: Callable[[Value], str] | None = None,
        start: int = 0,
        width: int = 64,
        highlighted: Callable[[Value], None] | None = None,
    ) -> None:
        super().__init__()
        self.title_in_words = title
        self.hint = "enter chooses, escape cancels"
        self.width = width
        self._choices = choices
        self._intro = intro
        self._about = about
        self._start = start
        self._highlighted = highlighted

    def content(self) -> Sequence[Widget]:
        options = SafeOptionList(*map(_option, self._choices), markup=False)
        options.highlighted = min(self._start, len(self._choices) - 1) if self._choices else None
        intro = [text(self._intro)] if self._intro else []
        about = [text("", id="about")] if self._about is not None else []
        return [*intro, options, *about]

    @on(OptionList.OptionHighlighted)
    def _explain(self, event: OptionList.OptionHighlighted) -> None:
        value = self._choices[event.option_index].value
        if self._about is not None:
            self.query_one("#about", Static).update(Content(self._about(value)))
        if self._highlighted is not None:
            self._highlighted(value)

    @on(OptionList.OptionSelected)
    def _take(self, event: OptionList.OptionSelected) -> None:
        self.dismiss(self._choices[event.option_index].value)

    def on_key(self, event: events.Key) -> None:
        for choice in self._choices:
            if choice.key and choice.key == event.character:
                event.stop()
                self.dismiss(choice.value)
                return


def _option(choice: DialogChoice[Value]) -> Option:
    key = f"{choice.key}  " if choice.key else ""
    indent = "   " if choice.key else "  "
    meaning = f"\n{indent}{choice.meaning}" if choice.meaning else ""
    name = (choice.label, "bold" if meaning else "")
    return Option(Content.assemble((key, "bold $accent"), name, (meaning, "dim")))


def confirmation(title: str, meaning: str) -> ChoiceDialog[bool]:
    """Says what will happen and asks for yes or no."""
    choices = (
        DialogChoice(True, "do it", key="y"),
        DialogChoice(False, "leave it as it is", key="n"),
    )
    return ChoiceDialog(title, choices, intro=meaning)


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
