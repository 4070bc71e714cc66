"""The list of runs: open one, or overlay it on the one on show."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import is_
from pathlib import Path
from typing import TYPE_CHECKING

from textual import on
from textual.binding import Binding
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Input, OptionList, Static
from textual.widgets.option_list import Option

from icot_tui.engine.run_folder import RunFolder
from icot_tui.errors import UserError
from icot_tui.formatting import plain
from icot_tui.runs.moving import TRASH, delete_run, refuse_training, rename_run
from icot_tui.runs.notes import Notes, write_notes
from icot_tui.tui.run.monitor import RunMonitor
from icot_tui.tui.screens.config import ConfigDialog
from icot_tui.tui.screens.dialog import Dialog, confirmation, text
from icot_tui.tui.screens.lists import SafeOptionList
from icot_tui.tui.screens.questions import InputDialog
from icot_tui.tui.screens.run_rows import heading, name_width, run_row, subjects
from icot_tui.watch.filters import in_order, run_filter
from icot_tui.watch.runs import RunLine, RunList

if TYPE_CHECKING:
    from icot_tui.studies.trial_list import TrialList

REFRESH_SECONDS = 1.0
"""Between two readings of the journals."""
READING_SECONDS = 0.25
"""Of journals that were not read yet, at each reading."""
SORTS = ("", "accuracy", "best", "steps", "name")
"""Keys that the list is sorted by, in turn; the first is newest first."""
KEYS = (
    ("s", "sort"), ("t", "tags"), ("n", "note"), ("m", "rename"), ("c", "config"), ("D", "delete")
)  # fmt: skip
"""What the bar at the bottom says."""
WRITING = "enter keeps the filter, escape clears it"
WITH_OVERLAYS = "enter opens, space overlays, / filters, escape closes"
"""What the border says while a filter is written, and where a run is on show."""


@dataclass
class ListChoices:
    """How a list of runs is sorted and filtered, for when it is opened again."""

    sorted_by: str = ""
    filter: str = ""


class Runs(Dialog[bool]):
    """All runs of a folder, newest first, or a study's trials; returns whether one was opened."""

    title_in_words = "runs"
    hint = "enter opens, / filters, escape closes"
    width = 110
    BINDINGS = [
        Binding("escape,backspace", "clear_filter", "clear filter", show=False),
        Binding("escape", "dismiss", "close", show=False),
        Binding("space", "compare", "overlay", show=False),
        Binding("slash", "filter", "filter", show=False),
        Binding("s", "sort", "sort", show=False),
        Binding("t", "tags", "tags", show=False),
        Binding("n", "note", "note", show=False),
        Binding("m", "rename", "rename", show=False),
        Binding("c", "config", "config", show=False),
        Binding("D,delete", "delete", "delete", show=False),
        Binding("q,r", "dismiss", "close", show=False),
    ]
    DEFAULT_CSS = """
    Runs .text { margin: 0; text-wrap: nowrap; text-overflow: ellipsis; }
    Runs Input, Runs #about { display: none; }
    Runs OptionList {
        height: auto;
        max-height: 30;
        text-wrap: nowrap;
        text-overflow: ellipsis;
    }
    """

    def __init__(
        self,
        runs: Path,
        monitor: RunMonitor,
        study: "TrialList | None" = None,
        ascii: bool = False,
        choices: ListChoices | None = None,
        title: str = "",
    ) -> None:
        super().__init__()
        self.title_in_words = title or self.title_in_words
        self._list = study or RunList(runs)
        if study is not None:
            self.title_in_words = plain(f"trials of {study.name}")
        self._runs = runs
        self._monitor = monitor
        self._ascii = ascii
        self._lines: list[RunLine] = []
        self._shown: list[RunLine] = []
        self._choices = choices or ListChoices()
        self._fits = run_filter("", ())
        self._problem = ""
        self._about: dict[Path, str] = {}
        self._reading = self.hint if monitor.source is None else WITH_OVERLAYS
        self.hint = self._reading

    def content(self) -> Sequence[Widget]:
        self._read()
        if not self._lines:
            self.hint = "escape closes"
            empty = (
                f"There is no run in {plain(str(self._runs))} yet.\n\n"
                "Start one:               icot-tui launch\n"
                "Look in another folder:  icot-tui attach --runs FOLDER"
            )
            return [text(empty)]
        field = Input(
            self._choices.filter,
            placeholder="words, or conditions such as accuracy>0.9 tag:paper",
        )
        field.cursor_blink = False
        field.display = bool(self._choices.filter)
        return [text("", id="heading"), field, text("", id="about"), SafeOptionList(markup=False)]

    @property
    def _name_width(self) -> int:
        return name_width(self._lines, roomy=self.app.size.width >= self.width)

    def on_mount(self) -> None:
        if self._lines and self.is_on_stack:  # else it is being closed already
            self._show_sort()
            self._narrow(self._choices.filter)
            self.query_one(OptionList).focus()
            self.set_interval(REFRESH_SECONDS, self._update_list)

    def on_descendant_focus(self) -> None:
        """In the line of the filter, letters are no keys."""
        if not self.is_on_stack:
            return
        writing = isinstance(self.focused, Input)
        self.show_keys(WRITING if writing else self._reading, () if writing else KEYS)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        allowed = super().check_action(action, parameters)
        if action == "clear_filter" and allowed:
            return bool(self._lines) and self.query_one(Input).display
        return allowed

    def _read(self) -> None:
        before = [line.config for line in self._lines]
        self._lines = self._list.read(time.time(), READING_SECONDS)
        configs = [line.config for line in self._lines]
        if len(before) != len(configs) or not all(map(is_, before, configs)):
            self._about = subjects(self._lines)

    def _update_list(self) -> None:
        self._read()
        self._fill()

    def _fill(self, from_the_top: bool = False) -> None:
        """Show the runs that are wanted; what is highlighted stays so, or the first row is."""
        if not self.is_on_stack:
            return
        self._fill_rows()
        if from_the_top and self._shown:
            self.query_one(OptionList).highlighted = 0
        self._explain()

    def _explain(self) -> None:
        """Say what is wrong with the filter, or that no run meets it."""
        told = self._problem
        if not told and not self._shown and self._choices.filter.strip():
            wanted = self._choices.filter.strip()
            told = f"No run meets the filter '{wanted}'. Escape clears it, as does Backspace."
        about = self.query_one("#about", Static)
        about.update(Content(plain(told)))
        about.display = bool(told)
        about.set_class(bool(self._problem), "-wrong")

    def _fill_rows(self) -> None:
        options = self.query_one(OptionList)
        before, at = self._shown, options.highlighted or 0
        self._shown = [line for line in self._lines if self._fits(line)]
        if self._choices.sorted_by:
            self._shown = in_order(self._shown, self._choices.sorted_by)
        width = self._name_width
        prompts = [self._prompt(line, width) for line in self._shown]
        paths = [line.folder.path for line in self._shown]
        if paths == [line.folder.path for line in before] and options.option_count:
            for index, prompt in enumerate(prompts):
                if options.get_option_at_index(index).prompt != prompt:
                    options.replace_option_prompt_at_index(index, prompt)
            return
        options.clear_options()
        options.add_options(
            Option(prompt, id=str(path)) for prompt, path in zip(prompts, paths, strict=True)
        )
        if at < len(before) and before[at].folder.path in paths:
            at = paths.index(before[at].folder.path)
        options.highlighted = min(at, len(paths) - 1) if paths else None

    def _prompt(self, line: RunLine, width: int) -> Content:
        source = self._monitor.source
        here = ">" if source is not None and source.folder.path == line.folder.path else " "
        over = "+" if self._monitor.is_overlaid(line.folder) else " "
        about = self._about.get(line.folder.path, "")
        return run_row(line, here + over, width, self._choices.sorted_by, about)

    @on(OptionList.OptionSelected)
    def _open(self, event: OptionList.OptionSelected) -> None:
        folder = self._begun(event.option_id)
        if folder is not None:
            self._monitor.open(folder)
            self.dismiss(True)

    def _begun(self, path: str | None) -> RunFolder | None:
        """The run of a line, if it is still listed; None for a trial that has not begun."""
        folder = next((one.folder for one in self._shown if str(one.folder.path) == path), None)
        if folder is None or folder.path.is_dir():
            return folder
        self.notify("This trial has not begun yet.", markup=False)
        return None

    def action_compare(self) -> None:
        line = self._highlighted()
        if line is None:
            return
        if self._monitor.source is None:
            self.notify("Open a run first: others are overlaid on it.", markup=False)
        elif line.folder.path == self._monitor.shown:
            told = f"{line.name} is on show already: others are overlaid on it."
            self.notify(plain(told), markup=False)
        else:
            self._monitor.toggle_overlay(line.folder)
            self._fill()

    def action_filter(self) -> None:
        if self._lines:
            field = self.query_one(Input)
            field.display = True
            field.focus()

    def action_clear_filter(self) -> None:
        field = self.query_one(Input)
        field.value = ""
        field.display = False
        self.query_one(OptionList).focus()

    @on(Input.Changed)
    def _filter_changed(self, event: Input.Changed) -> None:
        if event.value != self._choices.filter:
            self._narrow(event.value)

    def _narrow(self, wanted: str) -> None:
        """Show what a filter chooses; while it makes no sense, why, and what was chosen last."""
        self._choices.filter = wanted
        try:
            self._fits, self._problem = run_filter(wanted, self._lines), ""
        except UserError as error:
            self._problem = str(error)
        self._fill(from_the_top=True)

    @on(Input.Submitted)
    def _narrowed(self, event: Input.Submitted) -> None:
        event.input.display = bool(event.value.strip())
        self.query_one(OptionList).focus()

    def action_sort(self) -> None:
        if self._lines:
            next_one = (SORTS.index(self._choices.sorted_by) + 1) % len(SORTS)
            self._choices.sorted_by = SORTS[next_one]
            self._show_sort()
            self._fill(from_the_top=True)

    def _show_sort(self) -> None:
        by = self._choices.sorted_by
        title = self.title_in_words + (f", by {by}" if by else "")
        self.query_one(".box").border_title = Content(title)
        columns = heading(self._name_width, by)
        self.query_one("#heading", Static).update(Content.styled(columns, "bold $primary"))

    def _highlighted(self) -> RunLine | None:
        """The run of the highlighted line, if it has begun."""
        option = self.query_one(OptionList).highlighted_option if self._lines else None
        if option is None or self._begun(option.id) is None:
            return None
        return next(line for line in self._shown if str(line.folder.path) == option.id)

    def action_config(self) -> None:
        """The config of the highlighted run, and how that of the run on show differs."""
        line, source = self._highlighted(), self._monitor.source
        if line is not None:
            runs = [(line.name, line.folder)]
            if source is not None and source.folder.path != line.folder.path:
                runs.append((source.folder.name, source.folder))
            self.app.push_screen(ConfigDialog(runs, self._ascii))

    def action_tags(self) -> None:
        line = self._highlighted()
        if line is not None:
            self._ask(
                f"tags of {line.name}",
                "Words, separated by blanks.",
                " ".join(line.tags),
                lambda answer: write_notes(line.folder, Notes(tuple(answer.split()), line.note)),
            )

    def action_note(self) -> None:
        line = self._highlighted()
        if line is not None:
            self._ask(
                f"note on {line.name}",
                "Anything worth knowing later.",
                line.note,
                lambda answer: write_notes(line.folder, Notes(line.tags, answer)),
            )

    def action_rename(self) -> None:
        line = self._movable()
        if line is not None:
            self._ask(
                f"rename {line.name}",
                "The folder's new name.",
                line.folder.name,
                lambda answer: self._move(line, lambda: rename_run(line.folder, answer)),
            )

    def action_delete(self) -> None:
        line = self._movable()
        if line is None:
            return

        def answered(sure: bool | None) -> None:
            if sure:
                self._do(lambda: self._delete(line))

        meaning = (
            f"It is moved into the folder {TRASH} beside the runs; 'icot-tui runs restore "
            f"{plain(line.folder.name)}' moves it back."
        )
        self.app.push_screen(confirmation(plain(f"delete {line.name}"), meaning), answered)

    def _delete(self, line: RunLine) -> None:
        moved: list[Path] = []
        self._move(line, lambda: moved.append(delete_run(line.folder)))
        back = f"icot-tui runs restore {moved[0].name} --runs {moved[0].parent.parent}"
        self.notify(plain(f"{line.name} is deleted. It comes back with: {back}"), markup=False)

    def _movable(self) -> RunLine | None:
        """The highlighted run, unless it trains or is on show."""
        line = self._highlighted()
        if line is None:
            return None
        if line.folder.path == self._monitor.shown:
            self.notify("This run is on show: open another one first.", markup=False)
            return None
        movable = self._do(lambda: refuse_training(line.folder, line.folder.is_locked()))
        return line if movable else None

    def _move(self, line: RunLine, work: Callable[[], object]) -> None:
        work()
        if self._monitor.is_overlaid(line.folder):
            self._monitor.toggle_overlay(line.folder)

    def _ask(self, title: str, intro: str, present: str, work: Callable[[str], object]) -> None:
        def answered(answer: str | None) -> None:
            if answer is not None:
                self._do(lambda: work(answer))

        dialog = InputDialog[str](plain(title), intro, present, str, lambda answer: "")
        self.app.push_screen(dialog, answered)

    def _do(self, work: Callable[[], object]) -> bool:
        """Do it and show the result, or say why not."""
        try:
            work()
        except UserError as error:
            self.notify(plain(str(error)), severity="error", markup=False)
            return False
        self._update_list()
        return True
