"""The playground's screen: a line to ask in, checkpoints, answers, and what hidden positions hold.

It opens over the live screen, or is all there is of `icot-tui play`.
"""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from textual import events, on
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.widgets import Input, Static

from icot_tui.analysis.checkpoints import CheckpointEntry, all_entries, find_sources, modified_times
from icot_tui.formatting import count, plain
from icot_tui.tui.actions.action import KeyMap
from icot_tui.tui.actions.export import save_screenshot
from icot_tui.tui.actions.runner import ActionRunner, Handler, bind_keys, notify_user
from icot_tui.tui.frame.footer import Footer
from icot_tui.tui.play.action_table import FIELD_KEYS, PLAY_TABLE, footer_actions
from icot_tui.tui.play.answers_pane import AnswersPane
from icot_tui.tui.play.asker import Asker
from icot_tui.tui.play.backend import Backend
from icot_tui.tui.play.budget_plot import plot_budget
from icot_tui.tui.play.checkpoints_pane import HEADING, CheckpointList, CheckpointsPane, defaults
from icot_tui.tui.play.export import ShownAnswers, copy_answers, write_answers
from icot_tui.tui.play.inspector import Inspector
from icot_tui.tui.play.playground import Playground
from icot_tui.tui.play.question_file import ask_file
from icot_tui.tui.play.worker import Job

REFRESH_SECONDS = 5.0
ROOMY = (104, 30)
"""Columns and rows from which on nothing has to be left out."""
Checkpoints = tuple[list[Path], list[CheckpointEntry]]


class PlayScreen(Playground):
    """Asks checkpoints, and looks inside them.

    Args:
        runs: the folder that all runs are in.
        names: runs and checkpoints by name or folder; none: the latest run.
        keys: of the playground's actions.
        ascii_only: draw with ASCII characters.
        live: is the first run being trained? Then its newest checkpoint answers.
        device: says where models go; asked on the worker's thread.
        question: asked at once.
    """

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
    PlayScreen.-map CheckpointsPane, PlayScreen.-map AnswersPane { display: none; }
    PlayScreen.-compact CheckpointsPane { width: 30; }
    PlayScreen.-compact.-looking CheckpointsPane { display: none; }
    PlayScreen.-compact.-looking AnswersPane { height: 6; }
    PlayScreen.-map.-looking AnswersPane { display: none; }
    PlayScreen.-compact.-looking HiddenPane { height: 1fr; }
    """

    def __init__(
        self,
        runs: Path,
        names: Sequence[str],
        keys: KeyMap,
        *,
        ascii_only: bool = False,
        live: bool = False,
        backend: Backend | None = None,
        question: str = "",
    ) -> None:
        super().__init__(backend or Backend())
        self._runs, self._names, self._live = runs, names, live
        self._ascii = ascii_only
        self.sources: list[Path] = []
        self.footer = Footer(keys | FIELD_KEYS, "screen")
        self.inspector = Inspector(self)
        self.asker = Asker(self, self.inspector, question)
        handlers: dict[str, Handler] = {
            **self.asker.handlers(),
            **self.inspector.handlers(),
            "file": partial(ask_file, self, self.asker),
            "budget-plot": partial(plot_budget, self),
            "copy": lambda: copy_answers(self.app, self._shown()),
            "export": lambda: write_answers(self.app, self._shown()),
            "screenshot": lambda: save_screenshot(self.app),
            "refresh": self.read_checkpoints,
            "back": self._go_back,
            "quit": self.dismiss,
        }
        self.runner = ActionRunner(self, PLAY_TABLE, keys, handlers, ascii=ascii_only)
        bind_keys(self, PLAY_TABLE, keys)
        self._work = ""
        self._stamp: tuple[int, ...] = ()

    def compose(self) -> ComposeResult:
        yield self.header
        yield Horizontal(
            Static("question", markup=False, classes="label"), self.field, classes="ask"
        )
        yield Horizontal(
            CheckpointsPane(Static(HEADING, markup=False, classes="heading"), self.list),
            Vertical(self.answers, self.hidden, id="right"),
        )
        yield self.footer

    def on_mount(self) -> None:
        """Read the list; PyTorch is loaded meanwhile."""
        self.answers.lines.ascii = self._ascii
        self.hidden.set_ascii(self._ascii)
        self.field.write(self.asker.text)
        self.field.focus()
        self.update_header()
        self._update_footer()
        self.read_checkpoints()
        self.set_interval(REFRESH_SECONDS, self._read_if_changed)

    def on_unmount(self) -> None:
        self.worker.close()
        self.inspector.prober.close()

    def on_resize(self, event: events.Resize) -> None:
        width, height = event.size
        self.set_class(width < ROOMY[0] or height < ROOMY[1], "-compact")
        self.inspector.fit()

    # Checkpoints --------------------------------------------------------------------------------

    def read_checkpoints(self) -> None:
        def work(job: Job) -> Checkpoints:
            job.report("reading the list of checkpoints")
            sources = self.sources or find_sources(self._names, self._runs)
            return sources, all_entries(sources)

        def failed(problem: str) -> None:
            self.answers.clear(problem)
            self.update_header()

        self._stamp = modified_times(self.sources)
        self.worker.submit("list", work, self._show_checkpoints, failed)

    def _read_if_changed(self) -> None:
        if self.sources and modified_times(self.sources) != self._stamp:
            self.read_checkpoints()

    def _show_checkpoints(self, read: Checkpoints) -> None:
        self.sources, entries = read
        self._stamp = self._stamp or modified_times(self.sources)
        if not entries:
            self.answers.say("There is no checkpoint yet: the first is written soon.")
        if entries == self.list.entries:
            return
        first = not self.list.entries
        chosen = defaults(entries, self.sources, self._live) if self.list.is_default else None
        self.list.show(entries, chosen)
        self.update_header()
        if first:
            self.answers.say("")
            self._warm_up()
            self.asker.ask_again()

    def _warm_up(self) -> None:
        """Open the first checkpoint before it is asked; what is wrong with it is told then."""
        chosen = self.list.chosen[:1]
        if chosen and not self.asker.text:
            work = partial(self.backend.open, chosen[0])
            self.worker.submit("open", lambda job: work(), lambda _: None, lambda _: None)

    # Header and footer --------------------------------------------------------------------------

    def note_work(self, what: str) -> None:
        self._work = what
        if what and not self.answers.results and (self.asker.text or not self.list.entries):
            self.answers.say(f"{what} ...")
        self.update_header()

    def update_header(self) -> None:
        options, listed = self.asker.options, len(self.list.entries)
        parts = [
            f"{len(self.list.chosen)} of {count(listed, 'checkpoint')} asked" if listed else "",
            "sampled" if options.sampled is not None else "greedy",
            "the model's form" if options.raw else "",
            "" if options.written is None else f"{options.written} tokens written",
        ]
        work = self.inspector.probing or self._work
        self.header.update(
            Content.assemble(
                ("playground", "bold $primary"),
                f"  {', '.join(filter(None, parts))}",
                (f"   {plain(work)} ..." if work else "", "$accent"),
            )
        )

    def _shown(self) -> ShownAnswers:
        return ShownAnswers(self.asker.text, self.answers.results, self.inspector.heat)

    def _update_footer(self) -> None:
        writing = self.focused in (self.field, None)
        self.footer.show(footer_actions(writing, self.inspector.is_open))

    # Events -------------------------------------------------------------------------------------

    def action_perform(self, name: str) -> None:
        self.runner.run(name)

    def _go_back(self) -> None:
        """Stop what takes long; or close the view; or leave."""
        if self.inspector.probing:
            self.inspector.stop_probes()
        elif any([self.worker.cancel(kind) for kind in ("batch", "budget")]):
            notify_user(self, "It was stopped.")
        elif self.inspector.is_open:
            self.inspector.close()
        else:
            self.dismiss()

    def on_descendant_focus(self) -> None:
        self._update_footer()

    @on(CheckpointList.Changed)
    def _checkpoints_chosen(self) -> None:
        self.asker.ask_again()

    @on(Input.Submitted)
    def _submitted(self, event: Input.Submitted) -> None:
        self.asker.ask(event.value)

    @on(AnswersPane.ChoiceChanged)
    def _choice_changed(self) -> None:
        self.inspector.choice_changed()
