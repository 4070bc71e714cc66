"""The playground's screen: a line to ask in, checkpoints, answers, and what hidden positions hold.

It opens over the live screen, or is all there is of `icot-tui play`.
"""

import random
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from icot_tui.analysis.checkpoint_entries import CheckpointEntry, all_entries, modified_times
from icot_tui.analysis.checkpoints import find_sources
from icot_tui.plain import plain
from icot_tui.tui.frame.footer import Footer
from icot_tui.tui.play import handlers
from icot_tui.tui.play.action_table import FOOTER_KEYS, PLAY_ACTIONS, PLAY_KEYS, footer
from icot_tui.tui.play.answers_pane import AnswersPane
from icot_tui.tui.play.backend import Backend
from icot_tui.tui.play.checkpoints_pane import HEADING, CheckpointList, CheckpointsPane, defaults
from icot_tui.tui.play.heat_map import HeatMap
from icot_tui.tui.play.hidden_pane import HiddenPane, ViewTabs
from icot_tui.tui.play.question_field import QuestionField
from icot_tui.tui.play.records import VIEWS, AskOptions, AskResult, ViewName, ViewRequest
from icot_tui.tui.play.status_line import head
from icot_tui.tui.play.worker import Job, Worker

LOOK_SECONDS = 5.0
ROOMY = (104, 30)
Read = tuple[list[Path], list[CheckpointEntry]]


class PlayScreen(ModalScreen[None]):
    """Asks checkpoints, and looks inside them.

    Args:
        runs: the folder that all runs are in.
        names: runs and checkpoints by name or folder; none: the latest run.
        ascii_only: draw with ASCII characters.
        live: is the first run trained meanwhile? Then its newest checkpoint answers.
        device: says where models go; asked on the worker's thread.
        question: asked at once.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(key, f"do('{action.name}')", action.help, show=False, priority=key == "ctrl+c")
        for action in PLAY_ACTIONS
        for key in PLAY_KEYS[action.name]
    ]
    DEFAULT_CSS = """
    PlayScreen, PlayScreen:ansi {
        background: $background; color: $foreground; layout: vertical; align: left top;
    }
    PlayScreen > .header { height: 1; background: $panel; padding: 0 1; text-wrap: nowrap;
        text-overflow: ellipsis; }
    PlayScreen > .ask { height: 1; }
    PlayScreen > .ask > .label { width: 10; padding: 0 1; color: $accent; text-style: bold; }
    PlayScreen > .ask > Input { width: 1fr; height: 1; }
    PlayScreen CheckpointsPane { width: 36; }
    PlayScreen .heading { height: 1; color: $foreground 70%; text-wrap: nowrap; }
    PlayScreen .heading:ansi { color: ansi_bright_black; }
    PlayScreen CheckpointList {
        background: $background; border: none; padding: 0; height: 1fr;
        scrollbar-size-vertical: 1; text-wrap: nowrap; text-overflow: clip;
    }
    PlayScreen CheckpointList:focus { border: none; background-tint: $foreground 0%; }
    PlayScreen #right { width: 1fr; }
    PlayScreen AnswersPane { height: 1fr; }
    PlayScreen HiddenPane { height: 2fr; background: $background; }
    PlayScreen.-looking HiddenPane { display: block; }
    PlayScreen.-compact CheckpointsPane { width: 30; }
    PlayScreen.-compact.-looking CheckpointsPane { display: none; }
    PlayScreen.-compact.-looking AnswersPane { height: 6; }
    PlayScreen.-compact.-looking HiddenPane { height: 1fr; }
    """

    def __init__(
        self,
        runs: Path,
        names: Sequence[str] = (),
        *,
        ascii_only: bool = False,
        live: bool = False,
        device: Callable[[], str] = lambda: "cpu",
        question: str = "",
    ) -> None:
        super().__init__()
        self._runs, self._names, self._live = runs, names, live
        self._ascii = ascii_only
        self.sources: list[Path] = []
        self.header = Static("", markup=False, classes="header")
        self.field: QuestionField = QuestionField()
        self.list: CheckpointList = CheckpointList()
        self.answers: AnswersPane = AnswersPane()
        self.hidden = HiddenPane()
        self.foot = Footer(FOOTER_KEYS)
        self.backend = Backend(device)
        self.worker = Worker(self.backend.load, self.call_later, self._working)
        self.prober = Worker(lambda say: None, self.call_later, self._probing)
        self.text = question
        self.options = AskOptions()
        self.view: ViewName = "probe"
        self.heads = self.averaged = False
        self.reader: int | None = None
        self.probing = ""
        self._doing = ""
        self._hardest = 0
        self._dice = random.Random()
        self._stamp: tuple[int, ...] = ()

    def compose(self) -> ComposeResult:
        """Header, question, panes, footer."""
        yield self.header
        yield Horizontal(
            Static("question", markup=False, classes="label"), self.field, classes="ask"
        )
        yield Horizontal(
            CheckpointsPane(Static(HEADING, markup=False, classes="heading"), self.list),
            Vertical(self.answers, self.hidden, id="right"),
        )
        yield self.foot

    def on_mount(self) -> None:
        """Read the list; PyTorch is loaded meanwhile."""
        self.answers.lines.ascii = self._ascii
        self.hidden.set_ascii(self._ascii)
        self.field.write(self.text)
        self.field.focus()
        self.show_head()
        self._foot()
        self.read_list()
        self.set_interval(LOOK_SECONDS, self._look_for_news)

    def on_unmount(self) -> None:
        """Nothing is wanted any more."""
        self.worker.close()
        self.prober.close()

    def on_resize(self, event: events.Resize) -> None:
        """Choose what there is room for."""
        width, height = event.size
        compact = width < ROOMY[0] or height < ROOMY[1]
        self.set_class(compact, "-compact")
        self._shorten()

    def _shorten(self) -> None:
        self.answers.short = self.looking and self.has_class("-compact")
        self.call_after_refresh(self.answers.draw)

    def on_descendant_focus(self) -> None:
        """Other keys matter now."""
        self._foot()

    def _foot(self) -> None:
        self.foot.show(footer(self.focused in (self.field, None), self.looking))

    # Checkpoints --------------------------------------------------------------------------------

    def read_list(self) -> None:
        """Find the checkpoints."""

        def work(job: Job) -> Read:
            job.report("reading the list of checkpoints")
            sources = self.sources or find_sources(self._names, self._runs)
            return sources, all_entries(sources)

        self._stamp = modified_times(self.sources)
        self.worker.submit("list", work, self._listed, self._list_failed)

    def _look_for_news(self) -> None:
        if self.sources and modified_times(self.sources) != self._stamp:
            self.read_list()

    def _listed(self, read: Read) -> None:
        self.sources, entries = read
        if not self._stamp:
            self._stamp = modified_times(self.sources)
        if not entries:
            self.answers.say("There is no checkpoint yet: the first is written soon.")
        if entries == self.list.entries:
            return
        first = not self.list.entries
        chosen = defaults(entries, self.sources, self._live) if self.list.is_default else None
        self.list.show(entries, chosen)
        self.show_head()
        if first:
            self.answers.say("")
            self._warm_up()
            if self.text:
                self.ask(self.text)

    def _list_failed(self, problem: str) -> None:
        self.answers.clear(problem)
        self.show_head()

    def _warm_up(self) -> None:
        """Open the first checkpoint before it is asked; what is wrong with it is told then."""
        chosen = self.list.chosen[:1]
        if chosen and not self.text:
            self.worker.submit("open", lambda job: self.backend.open(chosen[0]), _ignore, _ignore)

    @on(CheckpointList.Changed)
    def _chosen_changed(self) -> None:
        self.show_head()
        if self.text:
            self.ask(self.text)

    # Asking -------------------------------------------------------------------------------------

    @on(Input.Submitted)
    def _submitted(self, event: Input.Submitted) -> None:
        self.ask(event.value)

    def ask(self, text: str) -> None:
        """Put a question to all chosen checkpoints, one after another."""
        text = text.strip()
        asked = self.list.chosen
        if not text:
            self.tell("Write a question first, such as 12*34.", "warning")
            return
        if not asked and self.list.entries:
            self.tell("No checkpoint is chosen: Tab to the list, Space chooses.", "warning")
            return
        self.field.history.add(text)
        self.text = text
        if not self.list.entries:  # they are asked once they are there
            self.answers.say("waiting for the checkpoints ...")
            return
        if self.options.sampled is not None:
            self.options = AskOptions(
                self.options.raw, self._dice.randrange(10**6), self.options.written
            )
        self.answers.clear("asking ...")
        self.worker.submit(
            "ask", partial(self._ask, asked, text, self.options), self._asked, self._failed
        )

    def _ask(
        self, asked: Sequence[CheckpointEntry], text: str, options: AskOptions, job: Job
    ) -> None:
        """On the worker's thread."""
        for entry in asked:
            job.report(f"asking {entry.label}")
            self.worker.deliver(job, self._answered, self.backend.ask(entry, text, options))

    def _answered(self, result: AskResult) -> None:
        self.answers.add(result)
        if len(self.answers.results) == 1 or self.answers.current is result:
            self.look_again()

    def _asked(self, _: None) -> None:
        self.show_head()

    def _failed(self, problem: str) -> None:
        self.answers.clear(problem)

    def pick(self, hardest: bool) -> None:
        """Ask a random example, or the hardest one, then the next."""
        entry = self.list.current if self.focused is self.list else None
        entry = entry or next(iter(self.list.chosen), None)
        if entry is None:
            self.tell("No checkpoint is chosen: Tab to the list, Space chooses.", "warning")
            return
        at, raw, asked = self._hardest, self.options.raw, self.text
        self._hardest = at + 1 if hardest else 0

        def work(job: Job) -> str:
            job.report("looking for the hardest examples" if hardest else "drawing an example")
            backend = self.backend
            if hardest:
                found = backend.hard_question(entry, at)
            else:
                found = backend.random_question(entry, asked)
            return found.input if raw else found.shown

        def picked(text: str) -> None:
            self.field.write(text)
            self.ask(text)

        self.worker.submit("ask", work, picked, lambda problem: self.tell(problem, "warning"))

    # Looking inside -----------------------------------------------------------------------------

    @property
    def looking(self) -> bool:
        """Is the pane of hidden positions open?"""
        return self.has_class("-looking")

    def open_hidden(self, view: ViewName | None = None) -> None:
        """Show what the chosen token's hidden positions hold."""
        if self.answers.chosen is None:
            self.tell("Ask something first: then a token of the answer can be looked at.")
            return
        self.view = view or self.view
        self.add_class("-looking")
        self._shorten()
        self.look_again()
        self.hidden.grid.focus()

    def close_hidden(self) -> None:
        """Show all answers again."""
        self.remove_class("-looking")
        self.worker.cancel("look")
        self._shorten()
        self.answers.lines.focus()

    def next_view(self) -> None:
        """Go round the views."""
        at = VIEWS.index(self.view) + 1 if self.looking else VIEWS.index(self.view)
        self.open_hidden(VIEWS[at % len(VIEWS)])

    @on(ViewTabs.Clicked)
    def _view_clicked(self, event: ViewTabs.Clicked) -> None:
        self.open_hidden(event.view)

    @on(AnswersPane.ChoiceChanged)
    def _choice_changed(self) -> None:
        self.reader = None
        self.look_again()

    def look_again(self) -> None:
        """The map of what is chosen now."""
        if not self.looking:
            return
        self.hidden.tabs.show(self.view)
        result, chosen = self.answers.current, self.answers.chosen
        if result is None or result.answer is None or chosen is None:
            problem = "" if result is None else result.problem
            self.hidden.show_words(self.view, problem or "waiting for an answer ...", bool(problem))
            return
        looking = ViewRequest(
            result.entry, self.view, chosen, self.averaged, self.heads, self.reader
        )
        answer = result.answer

        def work(job: Job) -> HeatMap:
            job.report(f"working out: {looking.view}")
            return self.backend.look(looking, answer)

        self.hidden.set_border(title=looking.words)
        self.answers.draw()
        if self.hidden.heat is None:
            self.hidden.show_words(self.view, self.probing or "working it out ...")
        key = looking.view, chosen.name, looking.entry.path

        def done(heat: HeatMap) -> None:
            self.hidden.show_map(heat, key)

        self.worker.submit("look", work, done, self._no_map)

    def _no_map(self, problem: str) -> None:
        self.hidden.show_words(self.view, self.probing or problem, not self.probing)

    # Saying -------------------------------------------------------------------------------------

    def _working(self, what: str) -> None:
        self._doing = what
        if what and not self.answers.results and (self.text or not self.list.entries):
            self.answers.say(f"{what} ...")
        self.show_head()

    def _probing(self, what: str) -> None:
        self.probing = what
        if what and self.looking and self.hidden.heat is None:
            self.hidden.show_words(self.view, f"{what} (Escape stops it)")
        self.show_head()

    def show_head(self) -> None:
        """Say how is asked, and what is being done."""
        chosen, listed = len(self.list.chosen), len(self.list.entries)
        self.header.update(head(self.options, chosen, listed, self.probing or self._doing))

    def tell(self, text: str, severity: Any = "information", seconds: float = 6.0) -> None:
        """A short message in the corner; nothing in it is markup."""
        self.notify(plain(text), severity=severity, timeout=seconds, markup=False)

    # Doing --------------------------------------------------------------------------------------

    def action_do(self, name: str) -> None:
        """Do an action of the playground's table."""
        handlers.do(self, name)

    @on(QuestionField.Left)
    def _field_left(self) -> None:
        self.answers.lines.focus()

    @on(Footer.Clicked)
    def _footer_clicked(self, event: Footer.Clicked) -> None:
        self.action_do(event.action)


def _ignore(_: object) -> None:
    """Nobody waits for it."""
