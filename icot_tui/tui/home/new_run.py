"""The dialogs of a new run: pick a sample, change the values that matter, check, start."""

from collections.abc import Sequence

from textual import on
from textual.binding import Binding
from textual.containers import Horizontal, VerticalScroll
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Input, Label, Static

from icot_tui.errors import UserError
from icot_tui.formatting import plain
from icot_tui.tui.home.samples import (
    SampleConfig,
    changes,
    check,
    meaning,
    needs_gpu,
    samples,
    value_of,
    values_that_matter,
)
from icot_tui.tui.screens.dialog import ChoiceDialog, Dialog, DialogChoice, text


def sample_dialog() -> ChoiceDialog[SampleConfig]:
    """All samples; below the list, what the highlighted one is and costs."""
    choices = [
        DialogChoice(one, f"{one.name:<32} {'GPU' if needs_gpu(one.config) else 'CPU'}")
        for one in samples()
    ]
    return ChoiceDialog("new run", choices, about=lambda sample: sample.about, width=76)


class NewRunDialog(Dialog[list[str]]):
    """A line for each value; below, what the one in focus means, or what is wrong.

    The answer is the arguments of `icot-tui` that start the run.
    """

    hint = "tab next field, enter starts, escape cancels"
    width = 76
    BINDINGS = [
        Binding("down", "app.focus_next", "next", show=False),
        Binding("up", "app.focus_previous", "previous", show=False),
    ]
    DEFAULT_CSS = """
    NewRunDialog .values { height: auto; max-height: 9; scrollbar-size-vertical: 1; }
    NewRunDialog .values Horizontal { height: 1; }
    NewRunDialog .values Label { width: 28; text-style: bold; }
    NewRunDialog .values Input { width: 1fr; }
    NewRunDialog .values Input:focus { background: $block-cursor-background; }
    NewRunDialog .values Input.-wrong { color: $error; }
    """

    def __init__(self, sample: SampleConfig) -> None:
        super().__init__()
        self.title_in_words = f"new run of {sample.name}"
        self._sample = sample
        self._keys = values_that_matter(sample.config)

    def content(self) -> Sequence[Widget]:
        config = self._sample.config
        rows = []
        for number, key in enumerate(self._keys):
            field = Input(value_of(config, key), id=f"value-{number}", select_on_focus=True)
            field.cursor_blink = False
            rows.append(Horizontal(Label(key, markup=False), field))
        return [
            text(plain(config.description)),
            VerticalScroll(*rows, classes="values", can_focus=False),
            text("", id="about"),
        ]

    def on_mount(self) -> None:
        self.query(Input).first().focus()
        self._explain()

    @on(Input.Changed)
    def _changed(self) -> None:
        self._explain()

    def on_descendant_focus(self) -> None:
        self._explain()

    @on(Input.Submitted)
    def _start(self) -> None:
        try:
            check(self._sample, self._overrides)
        except UserError:
            self.app.bell()
            return
        settings = [argument for one in self._overrides for argument in ("--set", one)]
        self.dismiss(["launch", self._sample.name, *settings])

    @property
    def _overrides(self) -> list[str]:
        fields = self.query(Input)
        written = {key: field.value.strip() for key, field in zip(self._keys, fields, strict=True)}
        return changes(self._sample.config, written)

    def _explain(self) -> None:
        """Say what the value in focus means and what the run costs, or what is wrong."""
        focused = self.focused
        if not isinstance(focused, Input):
            return
        about = self.query_one("#about", Static)
        key = self._keys[[*self.query(Input)].index(focused)]
        try:
            costs = check(self._sample, self._overrides)
        except UserError as error:
            about.add_class("-wrong")
            about.update(Content(plain(str(error).removeprefix("--set: "))))
            return
        about.remove_class("-wrong")
        explained = meaning(self._sample.config, key)
        about.update(Content.assemble(explained, "\n", (costs, "dim")))
