"""Looks inside: a heat map of what the chosen token's hidden positions hold."""

from functools import partial
from typing import TYPE_CHECKING

from icot_tui.tui.actions.runner import Handler, notify_user
from icot_tui.tui.play import probe_reports
from icot_tui.tui.play.heat_map import HeatMap
from icot_tui.tui.play.question_views import heat_map
from icot_tui.tui.play.records import VIEWS, ViewName, ViewRequest
from icot_tui.tui.play.worker import Job, Worker

if TYPE_CHECKING:
    from icot_tui.tui.play.playground import Playground


class Inspector:
    """Opens the pane of hidden positions and keeps which view it shows.

    Attributes:
        view: the view that is open, or was last.
        probing: what the training of probes is doing; empty when none are trained.
        prober: trains them.
    """

    def __init__(self, screen: "Playground") -> None:
        self.view: ViewName = "probe"
        self.probing = ""
        self.prober = Worker(lambda report: None, screen.call_later, self._note_probing)
        self._screen = screen
        self._heads = self._averaged = False
        self._reader: int | None = None

    def handlers(self) -> dict[str, Handler]:
        """By the actions' names."""
        answers = self._screen.answers
        return {
            **{view: partial(self.open, view) for view in VIEWS},
            "look": self._toggle,
            "full-map": self._toggle_full,
            "next-view": self._next_view,
            "previous-token": partial(answers.move, -1, 0),
            "next-token": partial(answers.move, 1, 0),
            "sum": lambda: notify_user(self._screen, answers.toggle_sum()),
            "probes": lambda: self._train_probes(probe_reports.FEW),
            "more-probes": lambda: self._train_probes(probe_reports.MANY),
            "heads": self._toggle_heads,
            "average": self._toggle_average,
            "reader": self._choose_reader,
        }

    @property
    def is_open(self) -> bool:
        """Is the pane of hidden positions open?"""
        return self._screen.has_class("-looking")

    @property
    def heat(self) -> HeatMap | None:
        """The map on show."""
        return self._screen.hidden.heat if self.is_open else None

    def open(self, view: ViewName | None = None) -> None:
        """Show what the chosen token's hidden positions hold."""
        screen = self._screen
        if screen.answers.chosen is None:
            notify_user(screen, "Ask a question first, then choose a token of the answer.")
            return
        self.view = view or self.view
        screen.add_class("-looking")
        self.fit()
        self.update()
        screen.hidden.grid.focus()

    def close(self) -> None:
        self._screen.remove_class("-looking", "-map")
        self._screen.worker.cancel("look")
        self.fit()
        self._screen.answers.lines.focus()

    def fit(self) -> None:
        """Shorten the answers where there is little room beside the map."""
        answers = self._screen.answers
        answers.short = self.is_open and self._screen.has_class("-compact")
        self._screen.call_after_refresh(answers.draw)

    def choice_changed(self) -> None:
        """Another token or answer is chosen."""
        self._reader = None
        self.update()

    def update(self) -> None:
        """Work out the map of what is chosen now."""
        if not self.is_open:
            return
        screen, hidden = self._screen, self._screen.hidden
        hidden.tabs.show(self.view)
        result, chosen = screen.answers.current, screen.answers.chosen
        if result is None or result.answer is None or chosen is None:
            problem = "" if result is None else result.problem
            hidden.show_words(problem or "waiting for the answer ...", bool(problem))
            return
        request = ViewRequest(
            entry=result.entry,
            view=self.view,
            chosen=chosen,
            averaged=self._averaged,
            heads=self._heads,
            reader=self._reader,
            lowest_first=result.lowest_first,
        )
        answer = result.answer

        def work(job: Job) -> HeatMap:
            job.report(f"computing: {request.view}")
            return heat_map(screen.backend, request, answer)

        def done(heat: HeatMap) -> None:
            hidden.show_map(heat, (request.view, chosen.name, request.entry.path))

        def failed(problem: str) -> None:
            hidden.show_words(self.probing or problem, not self.probing)

        pair = "the pair's thoughts, layer by layer"
        hidden.set_border(title=pair if self.view == "thoughts" else chosen.words)
        screen.answers.draw()
        if hidden.heat is None:
            hidden.show_words(self.probing or "computing ...")
        screen.worker.submit("look", work, done, failed)

    def _toggle(self) -> None:
        result = self._screen.answers.current
        if self.is_open:
            self.close()
        elif result is not None and result.entry.is_pair:
            self.open("thoughts")
        else:
            self.open("probe" if self.view == "thoughts" else None)

    def _toggle_full(self) -> None:
        """Hide all but the heat map, or show it all again."""
        if not self.is_open:
            self.open()
        if self.is_open:
            self._screen.toggle_class("-map")
            self.fit()

    def _next_view(self) -> None:
        self.open(VIEWS[(VIEWS.index(self.view) + self.is_open) % len(VIEWS)])

    def _toggle_heads(self) -> None:
        self._heads = not self._heads
        self.open("attention")

    def _toggle_average(self) -> None:
        self._averaged = not self._averaged
        self.open("attention")

    def _choose_reader(self) -> None:
        """Show what the column under the cursor reads."""
        hidden = self._screen.hidden
        if self.view == "attention" and hidden.heat is not None:
            self._reader = hidden.grid.cursor[1]
        self.open("attention")

    def _train_probes(self, examples: int) -> None:
        """Train probes for the checkpoint under the cursor, in a process of their own."""
        screen, result = self._screen, self._screen.answers.current
        if result is None or result.answer is None:
            notify_user(
                screen, "Ask something first: the probes are for the checkpoint that answered."
            )
            return
        if result.entry.is_pair:
            screen.warn("Probes are for single models: l shows a pair's thoughts.")
            return
        if not result.answer.hidden:
            screen.warn("No chain-of-thought token is hidden at this stage: nothing to probe for.")
            return
        entry, stage, there = result.entry, result.answer.stage, list(screen.list.entries)

        def work(job: Job) -> None:
            probe_reports.run(entry, stage, examples, there, job.report)

        def done(_: None) -> None:
            self.probing = ""
            self.update()

        def failed(problem: str) -> None:
            self.probing = ""
            screen.hidden.show_words(problem, True)

        self.probing = "training probes"
        self.prober.submit("probe", work, done, failed)
        self.open(self.view if self.view in ("probe", "patching") else "probe")

    def stop_probes(self) -> None:
        """Train them no further."""
        self.prober.cancel("probe")
        self.probing = ""
        notify_user(self._screen, "The probes were stopped.")
        self.update()

    def _note_probing(self, what: str) -> None:
        self.probing = what
        if what and self.is_open and self._screen.hidden.heat is None:
            self._screen.hidden.show_words(f"{what} (Escape stops it)")
        self._screen.update_header()
