"""The workbench: follows a run, shows it, and passes wishes on."""

import logging
import time
from typing import TYPE_CHECKING, Any, Literal

from textual import events, on, work
from textual.app import App
from textual.screen import Screen

from icot_tui.engine.loop.commands import Command
from icot_tui.engine.run_folder import RunFolder
from icot_tui.plain import plain
from icot_tui.tui.actions import handlers, theme_actions
from icot_tui.tui.actions.action import Action
from icot_tui.tui.actions.keymap import KeyMap
from icot_tui.tui.actions.run_commands import step_in
from icot_tui.tui.actions.table import ACTIONS, BY_NAME
from icot_tui.tui.app.ascii import draw_with
from icot_tui.tui.app.options import Options
from icot_tui.tui.app.redraw_rate import Pace
from icot_tui.tui.app.themes import ThemeShelf
from icot_tui.tui.app.user_state import UserState
from icot_tui.tui.frame.footer import Footer
from icot_tui.tui.frame.layout import LayoutChoices
from icot_tui.tui.run.command_sender import CommandResult, CommandSender
from icot_tui.tui.run.view import RunView
from icot_tui.tui.screens.board import Board
from icot_tui.tui.screens.live import LiveScreen
from icot_tui.tui.session.screen_exit import ExitChoice
from icot_tui.tui.session.training_thread import TrainingThread
from icot_tui.watch.notify import Notifier

if TYPE_CHECKING:
    from icot_tui.tui.run.following import Following
    from icot_tui.watch.source import Source

log = logging.getLogger("icot_tui.screen")
THEME_LOOK_SECONDS = 2.0
CATCHING_UP_SECONDS = 0.1
ANSWER_SECONDS = 0.15
COVERED_SECONDS = 4.0
Severity = Literal["information", "warning", "error"]


class WorkbenchApp(App[ExitChoice], inherit_bindings=False):
    """One run on the screen: an engine's of this process, or one that is only watched.

    Args:
        engine: trains in this process; None for a viewer.
        source: the run that is watched; None: the engine's, or the user chooses from a list.
        options: how the screen was asked for.
        state: what is remembered of the user.
    """

    CSS_PATH = "app.tcss"
    ENABLE_COMMAND_PALETTE = False
    TITLE = "icot-tui"

    def __init__(
        self,
        engine: TrainingThread | None,
        source: "Source | None",
        options: Options,
        state: UserState | None = None,
    ) -> None:
        super().__init__()
        self.animation_level = "none"
        self.engine = engine
        self.options = options
        self.state = state or UserState.load()
        self.keys: KeyMap = options.settings.key_map()
        self.wanted = LayoutChoices(self.state.hidden, self.state.widths, self.state.heights)
        self._source = source
        self._following: Following | None = None
        self.view: RunView | None = None
        self.pace = Pace(options.saves_bandwidth)
        self.shelf = ThemeShelf()
        alerts = options.settings.alerts
        self.notifier = Notifier(alerts.command, alerts.webhook or "", log.warning)
        self.live = LiveScreen(self.wanted, self.keys)
        self._wishes: CommandSender | None = None
        self._wishes_of: RunFolder | None = None
        self._summed_up = False
        self._ran: Source | None = None
        self._spent = 0.0
        self._sent = 0
        self._measured_at = 0.0
        self._touched = True
        self._shown_at = 0.0
        for action in ACTIONS:
            for key in self.keys[action.name]:
                self.bind(key, f"do('{action.name}')", description=action.help)

    def on_resize(self, event: events.Resize) -> None:
        """Textual tells the uppermost screen only; what lies below has to fit as well."""
        if self.live.is_mounted and self.screen is not self.live:
            self.live.fit(event.size)

    def get_default_screen(self) -> Screen[Any]:
        """The live screen."""
        return self.live

    def on_mount(self) -> None:
        """Colours, first picture, first words."""
        theme_actions.set_up_themes(self)
        draw_with(self, ascii=self.options.draws_ascii)
        if self.state.warning:
            self.tell(self.state.warning, "warning")
        self.set_interval(THEME_LOOK_SECONDS, lambda: theme_actions.look_at_themes(self))
        shown = self._source or self.engine
        if self.options.study is not None:
            shown = self.following.source
        if shown is None:
            self.action_do("runs")
        else:
            self.live.header.begin(shown.folder.name)
            self.live.footer.show(self.actions())
            if self.options.welcome:
                handlers.welcome(self)
        self.call_after_refresh(lambda: self.screen.call_after_refresh(self._begin))

    async def _begin(self) -> None:
        """What takes long to import comes after the first frame."""
        from icot_tui.tui.panels.registry import create_panels

        await self.live.fill(create_panels(), self.options.draws_ascii)
        self._tick()

    # Following ----------------------------------------------------------------------------------

    @property
    def following(self) -> "Following":
        """The run on show and those beside it."""
        if self._following is None:
            from icot_tui.tui.run.following import Following
            from icot_tui.tui.run.study_rotation import Trials

            study = self.options.study
            self._following = Following(
                self.engine,
                self._source,
                self.options.draws_ascii,
                self.state.axis,
                None if study is None else Trials(study),
            )
        return self._following

    def _tick(self) -> None:
        """Redraw, and choose when to do so again."""
        self._measure()
        try:
            self.draw()
        except Exception:
            log.exception("a redraw failed")  # the next one may not
        self.set_timer(self._interval(), self._tick)

    def draw(self) -> None:
        """Read the news and show them."""
        if not self.screen_stack:  # the app is on its way out
            return
        view = self.view = self.following.view()
        if view is None:
            return
        if self._is_due():
            self.live.show(view, handlers.mode(self), self.actions())
        for told in self._wishes.look(time.monotonic()) if self._wishes else ():
            self._tell_answer(told)
        self._sum_up_at_end(view)
        for alert in self.following.alerts(view):
            handlers.raise_alert(self, alert)

    def _is_due(self) -> bool:
        """Below a dialog everything is drawn again with each change: that is done seldom."""
        now = time.monotonic()
        covered = self.screen is not self.live
        if covered and (self.pace.low_bandwidth or now < self._shown_at + COVERED_SECONDS):
            return False
        self._shown_at = now
        return True

    def _measure(self) -> None:
        """What the last redraw sent, and what it cost if nobody pressed a key meanwhile."""
        spent, sent, now = time.thread_time(), getattr(self._driver, "written", 0), time.monotonic()
        self.pace.sent(sent - self._sent, now - self._measured_at)
        if not self._touched and self.view is not None and self.view.status == "training":
            self.pace.note(spent - self._spent)
        self._spent, self._sent, self._measured_at, self._touched = spent, sent, now, False

    def _interval(self) -> float:
        if self.view is not None and not self.view.source.caught_up:
            return CATCHING_UP_SECONDS
        return self.pace.interval(self.view is not None and self.view.status == "training")

    async def on_event(self, event: events.Event) -> None:
        """Note that the user did something: what follows is no measure of a redraw."""
        if isinstance(event, events.InputEvent):
            self._touched = True
        await super().on_event(event)

    def _sum_up_at_end(self, view: RunView) -> None:
        """Once, when the training ends that this process does, or that was watched."""
        engine = self.engine
        if engine is None or not self.following.own:
            self._sum_up_watched(view)
        elif self._summed_up:
            return
        elif engine.phase == "failed" or (engine.phase == "ended" and view.source.caught_up):
            self._summed_up = True
            handlers.sum_up(self, engine.error or "")

    def _sum_up_watched(self, view: RunView) -> None:
        if self.following.replaying or view.study or not view.source.caught_up:
            return
        if view.status not in ("finished", "stopped", "dead"):
            if self._ran is None:
                handlers.sum_up_no_more(self)
            self._ran = view.source
        elif self._ran is view.source:
            self._ran = None
            handlers.sum_up(self)

    # Doing --------------------------------------------------------------------------------------

    @property
    def controls(self) -> bool:
        """May the user step into the run on show?"""
        if self.following.replaying:
            return False
        if self.following.own:
            return True
        return self.options.control

    def actions(self) -> list[Action]:
        """What can be done now."""
        replaying = self.view is not None and self.following.replaying
        controls = handlers.at_work(self) and self.controls
        return [
            action
            for action in ACTIONS
            if (not action.needs_control or controls)
            and (action.group != "replay" or replaying)
            and (not action.needs_removals or handlers.removes(self))
        ]

    def action_do(self, name: str) -> None:
        """Do an action of the table."""
        action = BY_NAME[name]
        if action not in self.actions():
            self.tell(handlers.why_not(self, action), "warning")
        elif action.needs_control:
            self._step_in(action)
        elif action.chart:
            chart = self.live.chart
            if chart is not None:
                getattr(chart, action.chart)()
        elif action.panel:
            self.live.go_to(action.panel)
        else:
            handlers.HANDLERS[name](self)

    @work(exclusive=True, group="question")
    async def _step_in(self, action: Action) -> None:
        await step_in(self, action)

    @on(Footer.Clicked)
    def _footer_clicked(self, event: Footer.Clicked) -> None:
        self.action_do(event.action)

    @on(Board.Resized)
    def _resized(self, event: Board.Resized) -> None:
        if event.done or not self.pace.low_bandwidth:
            self.live.rearrange()
        if event.done:
            self.remember()

    def send(self, command: Command) -> None:
        """Wish something of the run on show; the answer is told once it is there."""
        assert self.following.source is not None
        folder = self.following.source.folder
        if self._wishes is None or self._wishes_of is not folder:
            send = self.engine.send if self.following.own and self.engine is not None else None
            self._wishes, self._wishes_of = CommandSender(folder, send), folder
        problem = self._wishes.wish(command, time.monotonic())
        if problem is not None:
            self._tell_answer(problem)
        else:
            self.set_timer(ANSWER_SECONDS, self._look_for_answers)

    def _look_for_answers(self) -> None:
        """An answer is told soon, however seldom the screen is drawn."""
        if self._wishes is None:
            return
        answers = self._wishes.look(time.monotonic())
        for told in answers:
            self._tell_answer(told)
        if answers:
            self.draw()
        elif self._wishes.open:
            self.set_timer(ANSWER_SECONDS, self._look_for_answers)

    def _tell_answer(self, told: CommandResult) -> None:
        self.tell(told.text, "information" if told.good else "error")

    def tell(self, text: str, severity: Severity = "information", seconds: float = 6.0) -> None:
        """A short message in the corner; nothing in it is markup."""
        self.notify(plain(text), severity=severity, timeout=seconds, markup=False)

    def remember(self) -> None:
        """Keep what the user has chosen."""
        self.state.axis = self.following.axis
        problem = self.state.save()
        if problem:
            self.tell(problem, "warning")
