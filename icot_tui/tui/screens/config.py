"""A run's config on the screen, and where those of other runs differ from it."""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from textual.binding import Binding
from textual.widget import Widget

from icot_tui.engine.run_folder import RunFolder
from icot_tui.formatting import plain
from icot_tui.tui.panels.base import Lines
from icot_tui.tui.panels.text import EMPTY, Line, line, wrap
from icot_tui.tui.screens.dialog import Dialog
from icot_tui.watch.differences import differing_keys
from icot_tui.watch.filters import in_words
from icot_tui.watch.run_reader import read_facts

NAME_WIDTH = 20
"""Cells of a run's name before its value of a key."""


class ConfigDialog(Dialog[None]):
    """The whole config of the first of some runs, below what differs between them."""

    hint = "up and down scroll, escape closes"
    width = 90
    BINDINGS = [Binding("q,c,C,enter", "dismiss", "close", show=False)]
    DEFAULT_CSS = """
    ConfigDialog > .box { height: 94%; }
    ConfigDialog.-low > .box { height: 100%; }
    """

    def __init__(self, runs: Sequence[tuple[str, RunFolder]], ascii: bool) -> None:
        super().__init__()
        self.title_in_words = plain(f"config of {runs[0][0]}")
        found = [(name, read_facts(folder.config)) for name, folder in runs]
        problems = [line((facts.problem, "error")) for _, facts in found if facts.problem]
        configs = [(name, facts.values) for name, facts in found if not facts.problem]
        self._entries = [*problems, *config_lines(configs)]
        self.lines = Lines()
        self.lines.ascii = ascii

    def content(self) -> Sequence[Widget]:
        return [self.lines]

    def on_mount(self) -> None:
        self.call_after_refresh(self.on_resize)

    def on_resize(self) -> None:
        width = self.lines.size.width
        if width > 0:
            broken = map(partial(wrap, width=width, hang=4), self._entries)
            self.lines.show([each for lines in broken for each in lines or [EMPTY]])


def config_lines(runs: Sequence[tuple[str, Mapping[str, Any]]]) -> Iterator[Line]:
    """First the keys that differ, with each run's value; then all of the first run's."""
    if len(runs) > 1:
        differing = differing_keys([values for _, values in runs])
        title = "what differs" if differing else "their configs are the same"
        yield line((title, "bold primary"))
        for key in differing:
            yield line((key, "bold"))
            for name, values in runs:
                yield line(f"  {plain(name):<{NAME_WIDTH}} {in_words(values.get(key)) or 'none'}")
        yield EMPTY
    section = None
    for key, value in runs[0][1].items() if runs else ():
        group, _, name = key.rpartition(".")
        if group != section and group:
            yield from (EMPTY, line((f"[{group}]", "bold primary")))
        section = group
        yield line((f"{name} = ", "dim"), in_words(value) or ("none", "dim"))
