"""Looks inside: a heat map of what the chosen token's hidden positions hold."""

from collections.abc import Callable
from functools import partial

from icot_tui.tui.actions.runner import Handler
from icot_tui.tui.play import probe_reports
from icot_tui.tui.play.context import PlayContext
from icot_tui.tui.play.heat_map import HeatMap
from icot_tui.tui.play.records import VIEWS, ViewName, ViewRequest
from icot_tui.tui.play.worker import Job, Worker


class Inspector:
    """Opens the pane of hidden positions and keeps which view it shows.

    Attributes:
        view: the view that is open, or was last.
        probing: what the training of probes is doing; empty when none are trained.
        prober: trains them.
    """

    def __init__(self, context: PlayContext, changed: Callable[[], None]) -> None:
        """Show nothing yet; `changed` is called when `probing` has changed."""
        self.view: ViewName = "probe"
        self.probing = ""
        self.prober = Worker(lambda report: None, context.screen.call_later, self._note_probing)
        self._context = context
        self._changed = changed
        self._heads = self._averaged = False
        self._reader: int | None = None

    def handlers(self) -> dict[str, Handler]:
        """By the actions' names."""
        answers = self._context.answers
        return {
            **{view: partial(self.open, view) for view in VIEWS},
            "look": self._toggle,
            "next-view": self._next_view,
            "previous-token": partial(answers.move, -1, 0),
            "next-token": partial(answers.move, 1, 0),
            "sum": lambda: self._context.notify(answers.toggle_sum()),
            "probes": lambda: self._train_probes(probe_reports.FEW),
            "more-probes": lambda: self._train_probes(probe_reports.MANY),
            "heads": self._toggle_heads,
            "average": self._toggle_average,
            "reader": self._choose_reader,
        }

    @property
    def is_open(self) -> bool:
        """Is the pane of hidden positions open?"""
        return self._context.looking

    def open(self, view: ViewName | None = None) -> None:
        """Show what the chosen token's hidden positions hold."""
        context = self._context
        if context.answers.chosen is None:
            context.notify("Ask something first: then a token of the answer can be looked at.")
            return
        self.view = view or self.view
        context.screen.add_class("-looking")
        self.fit()
        self.update()
        context.hidden.grid.focus()

    def close(self) -> None:
        """Show all answers again."""
        self._context.screen.remove_class("-looking")
        self._context.worker.cancel("look")
        self.fit()
        self._context.answers.lines.focus()

    def fit(self) -> None:
        """Shorten the answers where there is little room beside the map."""
        answers = self._context.answers
        answers.short = self.is_open and self._context.screen.has_class("-compact")
        self._context.screen.call_after_refresh(answers.draw)

    def choice_changed(self) -> None:
        """Another token or answer is chosen."""
        self._reader = None
        self.update()

    def update(self) -> None:
        """Work out the map of what is chosen now."""
        if not self.is_open:
            return
        context, hidden = self._context, self._context.hidden
        hidden.tabs.show(self.view)
        result, chosen = context.answers.current, context.answers.chosen
        if result is None or result.answer is None or chosen is None:
            problem = "" if result is None else result.problem
            hidden.show_words(self.view, problem or "waiting for an answer ...", bool(problem))
            return
        looking = ViewRequest(
            result.entry, self.view, chosen, self._averaged, self._heads, self._reader
        )
        answer = result.answer

        def work(job: Job) -> HeatMap:
            job.report(f"working out: {looking.view}")
            return context.backend.look(looking, answer)

        def done(heat: HeatMap) -> None:
            hidden.show_map(heat, (looking.view, chosen.name, looking.entry.path))

        def failed(problem: str) -> None:
            hidden.show_words(self.view, self.probing or problem, not self.probing)

        hidden.set_border(title=looking.words)
        context.answers.draw()
        if hidden.heat is None:
            hidden.show_words(self.view, self.probing or "working it out ...")
        context.worker.submit("look", work, done, failed)

    def _toggle(self) -> None:
        result = self._context.answers.current
        if self.is_open:
            self.close()
        elif result is not None and result.entry.is_pair:
            self.open("thoughts")
        else:
            self.open("probe" if self.view == "thoughts" else None)

    def _next_view(self) -> None:
        self.open(VIEWS[(VIEWS.index(self.view) + self.is_open) % len(VIEWS)])

    # Attention ----------------------------------------------------------------------------------

    def _toggle_heads(self) -> None:
        self._heads = not self._heads
        self.open("attention")

    def _toggle_average(self) -> None:
        self._averaged = not self._averaged
        self.open("attention")

    def _choose_reader(self) -> None:
        """Show what the column under the cursor reads."""
        hidden = self._context.hidden
        if self.view == "attention" and hidden.heat is not None:
            self._reader = hidden.grid.cursor[1]
        self.open("attention")

    # Probes -------------------------------------------------------------------------------------

    def _train_probes(self, examples: int) -> None:
        """Train probes for the checkpoint under the cursor, in a process of their own."""
        context, result = self._context, self._context.answers.current
        if result is None or result.answer is None:
            context.notify("Ask something first: the probes are for the checkpoint that answered.")
            return
        if result.entry.is_pair:
            told = "Probes are for models that think alone: l shows a pair's thoughts."
            context.notify(told, "warning")
            return
        if not result.answer.hidden:
            told = "No chain-of-thought token is hidden at this stage: nothing to probe for."
            context.notify(told, "warning")
            return
        entry, stage, there = result.entry, result.answer.stage, list(context.list.entries)

        def work(job: Job) -> None:
            probe_reports.run(entry, stage, examples, there, job.report)

        def done(_: None) -> None:
            self.probing = ""
            self.update()

        def failed(problem: str) -> None:
            self.probing = ""
            context.hidden.show_words(self.view, problem, True)

        self.probing = "training probes"
        self.prober.submit("probe", work, done, failed)
        self.open(self.view if self.view in ("probe", "patching") else "probe")

    def stop_probes(self) -> None:
        """Train them no further."""
        self.prober.cancel("probe")
        self.probing = ""
        self._context.notify("The probes were stopped.")
        self.update()

    def _note_probing(self, what: str) -> None:
        self.probing = what
        if what and self.is_open and self._context.hidden.heat is None:
            self._context.hidden.show_words(self.view, f"{what} (Escape stops it)")
        self._changed()
