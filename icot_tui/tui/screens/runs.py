"""The list of runs: open one, or overlay it on the one on show."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.cells import cell_len, set_cell_size
from textual import on
from textual.binding import Binding
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Input, OptionList, Static
from textual.widgets.option_list import Option

from icot_tui.engine.run_folder import RunFolder
from icot_tui.errors import UserError
from icot_tui.formatting import age, percent, plain
from icot_tui.runs.moving import delete_run, refuse_training, rename_run
from icot_tui.runs.notes import Notes, write_notes
from icot_tui.tui.frame.header import COLOURS
from icot_tui.tui.run.monitor import RunMonitor
from icot_tui.tui.screens.config import ConfigDialog
from icot_tui.tui.screens.dialog import Dialog, confirmation, text
from icot_tui.tui.screens.lists import SafeOptionList
from icot_tui.tui.screens.questions import InputDialog
from icot_tui.watch.filters import in_order, run_filter
from icot_tui.watch.runs import RunLine, RunList

if TYPE_CHECKING:
    from icot_tui.studies.trial_list import TrialList

REFRESH_SECONDS = 1.0
"""Between two readings of the journals."""
READING_SECONDS = 0.25
"""Of journals that were not read yet, at each reading."""
NAME_WIDTHS = (22, 40)
"""Cells of a name, in narrow and in wide terminals."""
SORTS = ("", "accuracy", "best", "steps", "name")
"""Keys that the list is sorted by, in turn; the first is newest first."""
KEYS = "s sort  t tags  n note  m rename  c config  D delete"
METHODS = {"No CoT": "no CoT", "Explicit CoT": "explicit", "ICoT-KD": "distilled"}
"""What stands in place of the stage for methods without stages."""


class Runs(Dialog[bool]):
    """All runs of a folder, newest first, or a study's trials; returns whether one was opened."""

    title_in_words = "runs"
    hint = "enter opens, space overlays, / filters, escape closes"
    width = 110
    BINDINGS = [
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
    ) -> None:
        super().__init__()
        self._list = study or RunList(runs)
        if study is not None:
            self.title_in_words = plain(f"trials of {study.name}")
        self._runs = runs
        self._monitor = monitor
        self._ascii = ascii
        self._lines: list[RunLine] = []
        self._shown: list[RunLine] = []
        self._sorted_by = ""
        self._fits = run_filter("", ())

    def content(self) -> Sequence[Widget]:
        self._lines = self._list.read(time.time(), READING_SECONDS)
        if not self._lines:
            self.hint = "escape closes"
            empty = (
                f"There is no run in {plain(str(self._runs))} yet.\n\n"
                "Start one:               icot-tui launch\n"
                "Look in another folder:  icot-tui attach --runs FOLDER"
            )
            return [text(empty)]
        field = Input(placeholder="words, or conditions such as accuracy>0.9 tag:paper")
        field.cursor_blink = False
        heading = f"   {'run':<{self._name_width}} {'status':<10}{'stage':>9} {'exact':>9}  "
        heading += f"{'began':<14}about"
        return [
            text(Content.styled(heading, "bold $primary")),
            field,
            text("", id="about"),
            SafeOptionList(markup=False),
            text(Content.styled(KEYS, "dim")),
        ]

    @property
    def _name_width(self) -> int:
        few, most = NAME_WIDTHS
        longest = max((cell_len(plain(line.name)) for line in self._lines), default=0)
        if self.app.size.width < self.width:
            return min(few, longest + 1)
        return min(most, max(few, longest))

    def on_mount(self) -> None:
        if self._lines:
            self._fill()
            self.query_one(OptionList).focus()
            self.set_interval(REFRESH_SECONDS, self._update_list)

    def _update_list(self) -> None:
        self._lines = self._list.read(time.time(), READING_SECONDS)
        self._fill()

    def _fill(self) -> None:
        """Show the runs that are wanted; what is highlighted stays so."""
        if not self.is_on_stack:
            return
        options = self.query_one(OptionList)
        before, at = self._shown, options.highlighted or 0
        self._shown = [line for line in self._lines if self._fits(line)]
        if self._sorted_by:
            self._shown = in_order(self._shown, self._sorted_by)
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
        stage = METHODS.get(line.method, "" if line.of is None else f"{line.stage} of {line.of}")
        accuracy = "" if line.accuracy is None else percent(line.accuracy)
        began = "" if line.age is None else age(line.age)
        return Content.assemble(
            (f"{here}{over} ", "bold $accent"),
            (f"{set_cell_size(plain(line.name), width)} ", "bold"),
            (f"{line.status:<10}", COLOURS.get(line.status, "$error")),
            (f"{stage:>9} {accuracy:>9}  ", ""),
            (f"{began:<14}", "dim"),
            _about(line),
        )

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
        option = self.query_one(OptionList).highlighted_option
        if option is not None and self._monitor.source is not None:
            folder = self._begun(option.id)
            if folder is not None:
                self._monitor.toggle_overlay(folder)
                self._fill()

    def action_filter(self) -> None:
        if self._lines:
            field = self.query_one(Input)
            field.display = True
            field.focus()

    @on(Input.Changed)
    def _narrow(self, event: Input.Changed) -> None:
        """Show what the filter chooses; while it makes no sense, why, and what was chosen last."""
        if not self.is_on_stack:
            return
        about = self.query_one("#about", Static)
        try:
            self._fits, problem = run_filter(event.value, self._lines), ""
        except UserError as error:
            problem = str(error)
        about.update(Content(plain(problem)))
        about.display = bool(problem)
        about.set_class(bool(problem), "-wrong")
        self._fill()

    @on(Input.Submitted)
    def _narrowed(self, event: Input.Submitted) -> None:
        self.query_one(OptionList).focus()

    def action_sort(self) -> None:
        self._sorted_by = SORTS[(SORTS.index(self._sorted_by) + 1) % len(SORTS)]
        title = self.title_in_words + (f", by {self._sorted_by}" if self._sorted_by else "")
        self.query_one(".box").border_title = Content(title)
        if self._lines:
            self._fill()

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
                self._do(lambda: self._move(line, lambda: delete_run(line.folder)))

        meaning = "It is moved into the folder .trash beside the runs, and can be moved back."
        self.app.push_screen(confirmation(plain(f"delete {line.name}"), meaning), answered)

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


def _about(line: RunLine) -> Content:
    """Tags, and the note or else what the config says it is for."""
    tags = plain("".join(f"#{tag} " for tag in line.tags))
    return Content.assemble((tags, "$secondary"), (plain(line.note or line.description), "dim"))
