"""The home screen as an app: a choice, which ends it, and is run as a command next."""

import time
from typing import TYPE_CHECKING

from textual import events, on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from icot_tui.formatting import plain
from icot_tui.tui.actions.action import key_label, key_map
from icot_tui.tui.actions.runner import ActionRunner, bind_keys, notify_user
from icot_tui.tui.app.base import BaseApp
from icot_tui.tui.app.settings import Options
from icot_tui.tui.app.themes import ThemeSwitcher
from icot_tui.tui.app.user_state import UserState
from icot_tui.tui.frame.footer import Footer
from icot_tui.tui.home.entries import HomeEntry, entries, latest_command
from icot_tui.tui.home.table import FOOTER, HOME_TABLE
from icot_tui.tui.screens.lists import SafeOptionList
from icot_tui.version import __version__
from icot_tui.watch.runs import RunLine, RunList

if TYPE_CHECKING:
    from icot_tui.tui.home.samples import SampleConfig
    from icot_tui.tui.home.studies import StudyChoice
    from icot_tui.tui.screens.runs import ListChoices

REFRESH_SECONDS = 2.0
"""Between two readings of the runs."""
WIDE, HIGH = 64, 22
"""Columns and rows from which on there is room for the picture."""
STEPS = ("12·4 ", "12·30 ", "48+360 ")
"""The written steps of the picture, which vanish row by row."""


class HomeApp(BaseApp, inherit_bindings=False):
    """Offers what one can begin with.

    Attributes:
        command: the arguments of `icot-tui` that the user has chosen; empty: none.
    """

    CSS = """
    #header { height: 1; background: $panel; padding: 0 1; text-wrap: nowrap; }
    #home { align: center middle; width: 1fr; height: 1fr; }
    #home > .box { width: 76; max-width: 100%; height: auto; padding: 0 2; }
    #picture { width: 1fr; height: auto; margin-bottom: 2; text-align: center; }
    .-small #picture { display: none; }
    #choices { height: auto; border: none; background: $background; padding: 0; }
    #choices { text-wrap: nowrap; text-overflow: ellipsis; scrollbar-size-vertical: 1; }
    #choices:focus { border: none; background-tint: $foreground 0%; }
    """

    def __init__(self, options: Options, state: UserState | None = None) -> None:
        super().__init__()
        self.command: list[str] = []
        self.options = options
        self.keys = key_map(HOME_TABLE, options.settings.keys)
        self.themes = ThemeSwitcher(self, options, state or UserState.load())
        self.runner = ActionRunner(
            self,
            HOME_TABLE,
            self.keys,
            {
                "latest": lambda: self._leave(latest_command(self._lines)),
                "new": self._new_run,
                "runs": lambda: self._choose_run("attach"),
                "play": self._play,
                "studies": self._show_studies,
                "theme": self.themes.choose,
                "suspend": self.action_suspend_process,
                "quit": lambda: self.exit("close"),
            },
            ascii=options.draws_ascii,
        )
        self._list = RunList(options.runs)
        self._lines: list[RunLine] = []
        self._list_choices: ListChoices | None = None
        self._shown: list[HomeEntry] = []
        bind_keys(self, HOME_TABLE, self.keys)

    def compose(self) -> ComposeResult:
        name = Content.styled(f"icot-tui {__version__}", "bold $primary")
        where = Content.styled(plain(f"  {self.options.runs}/"), "dim")
        yield Static(name + where, id="header")
        choices = SafeOptionList(markup=False, id="choices")
        with Vertical(id="home"):
            yield Vertical(Static(self._picture(), id="picture"), choices, classes="box")
        yield Footer(self.keys)

    def on_mount(self) -> None:
        self.themes.start()
        self._refresh()
        self.query_one("#choices").focus()
        self.query_one(Footer).show([HOME_TABLE.by_name[name] for name in FOOTER])
        self.set_interval(REFRESH_SECONDS, self._refresh)

    def on_resize(self, event: events.Resize) -> None:
        """Leave the picture out where there is no room for it."""
        small = event.size.width < WIDE or event.size.height < HIGH
        self.query_one("#home").set_class(small, "-small")

    def action_perform(self, name: str) -> None:
        """Run an action of the table: what every key is bound to."""
        self.runner.run(name)

    @on(OptionList.OptionSelected, "#choices")
    def _chosen(self, event: OptionList.OptionSelected) -> None:
        self.runner.run(self._shown[event.option_index].action)

    def _refresh(self) -> None:
        """Read what is new of the runs, and say it."""
        self._lines = self._list.read(time.time())
        shown = entries(self.options.runs, self._lines)
        if shown == self._shown:
            return
        self._shown = shown
        options = self.query_one("#choices", OptionList)
        at = options.highlighted or 0
        options.set_options(Option(self._prompt(entry)) for entry in shown)
        options.highlighted = at

    def _prompt(self, entry: HomeEntry) -> Content:
        key = next(iter(self.keys[entry.action]), "")
        return Content.assemble(
            (f"{key_label(key) if key else ' ':<3}", "bold $accent"),
            (entry.label, "bold"),
            (f"\n   {entry.meaning}", "dim"),
        )

    def _picture(self) -> Content:
        """The method in four rows: written steps vanish, the answer stays."""
        arrow = "->" if self.options.draws_ascii else "→"
        steps = [each.replace("·", "*") if self.options.draws_ascii else each for each in STEPS]
        rows = []
        for removed in range(len(steps) + 1):
            gone = " " * sum(map(len, steps[:removed]))
            written = "".join(steps[removed:])
            rows.append(
                Content.assemble(
                    ("12 * 34 ", "bold"),
                    (f"{arrow} ", "dim"),
                    gone,
                    (written, "$secondary"),
                    (f"{arrow} ", "dim"),
                    ("408", "bold $success"),
                )
            )
        return Content("\n").join(rows)

    # What the choices do --------------------------------------------------------------------

    def _leave(self, command: list[str]) -> None:
        self.command = [*command, "--runs", str(self.options.runs)]
        self.exit("close")

    def _new_run(self) -> None:
        from icot_tui.tui.home.new_run import NewRunDialog, sample_dialog

        def started(command: list[str] | None) -> None:
            if command:
                self._leave(command)

        def picked(sample: "SampleConfig | None") -> None:
            if sample is not None:
                self.push_screen(NewRunDialog(sample), started)

        self.push_screen(sample_dialog(), picked)

    def _choose_run(self, command: str, title: str = "") -> None:
        """Open the list of runs; the command is run with the one that is opened."""
        from icot_tui.tui.run.monitor import RunMonitor
        from icot_tui.tui.screens.runs import ListChoices, Runs

        ascii = self.options.draws_ascii
        monitor = RunMonitor(None, None, ascii, "step")
        self._list_choices = self._list_choices or ListChoices()

        def closed(opened: bool | None) -> None:
            if opened and monitor.shown is not None:
                self._leave([command, str(monitor.shown)])

        runs = Runs(self.options.runs, monitor, None, ascii, self._list_choices, title)
        self.push_screen(runs, closed)

    def _play(self) -> None:
        if not self._lines:
            notify_user(self, "There is no run to ask yet: start one first.", "warning")
        elif len(self._lines) == 1:
            self._leave(["play"])
        else:
            self._choose_run("play", "whose checkpoints are to be asked?")

    def _show_studies(self) -> None:
        from icot_tui.tui.home.studies import study_dialog

        def picked(choice: "StudyChoice | None") -> None:
            if choice is not None:
                self._leave(choice.command)

        self.push_screen(study_dialog(self.options.runs), picked)
