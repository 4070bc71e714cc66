"""The workbench: shows a run while it trains or afterwards, and takes the user's keys."""

from collections.abc import Iterable
from functools import cached_property
from typing import TYPE_CHECKING

from textual import events, on

from icot_tui.tui.actions.action import Action
from icot_tui.tui.actions.runner import notify_user
from icot_tui.tui.actions.table import (
    FIRST_ACTIONS,
    FOOTER,
    FOOTER_ALWAYS,
    HOME_ACTIONS,
    PANEL_KEYS,
)
from icot_tui.tui.app.redraw_rate import RedrawLoop
from icot_tui.tui.app.workbench import Workbench
from icot_tui.tui.run.view import RunView
from icot_tui.tui.screens.board import Board
from icot_tui.tui.screens.welcome import Welcome

if TYPE_CHECKING:
    from icot_tui.tui.actions.live import LiveActions


class WorkbenchApp(Workbench, inherit_bindings=False):
    """One run on the screen: an engine's of this process, or one that is only watched."""

    @cached_property
    def redraws(self) -> RedrawLoop:
        return RedrawLoop(self)

    @cached_property
    def actions(self) -> "LiveActions":
        from icot_tui.tui.actions.live import LiveActions

        return LiveActions(self)

    def on_mount(self) -> None:
        """Apply the colours, and show the frame or the list of runs."""
        self.themes.start()
        notify_user(self, self.state.warning, "warning")
        shown = self._source or self.engine
        if self.options.study is not None:
            shown = self.monitor.source
        if shown is None:
            self.action_perform("runs")
        else:
            self.live.header.begin(shown.folder.name)
            home = HOME_ACTIONS if self.options.from_home else ()
            self.live.footer.show(footer_actions((*home, *FIRST_ACTIONS)))
            if self.options.welcome:
                self._welcome()
        self.call_after_refresh(lambda: self.screen.call_after_refresh(self._begin))

    def _welcome(self) -> None:
        def closed(action: str | None) -> None:
            if action is not None:
                self.action_perform(action)

        self.push_screen(Welcome(self.keys, self._phase, self.options.draws_ascii), closed)

    def _phase(self) -> str | None:
        return None if self.engine is None else self.engine.startup_phase

    async def _begin(self) -> None:
        """Put the panels in after the first frame: they take long to import."""
        from icot_tui.tui.panels.registry import create_panels

        await self.live.fill(create_panels(), self.options.draws_ascii)
        self.redraws.run()

    def draw(self) -> RunView | None:
        """Read what is new and show it."""
        if not self.screen_stack:  # the app is on its way out
            return None
        self.actions.before_redraw()
        view = self.monitor.refresh()
        if view is not None:
            if self.redraws.is_due(covered=self.screen is not self.live):
                self.live.show(view, self.actions.mode(), self._footer_actions())
            self.actions.after_redraw(view)
        return view

    def on_descendant_focus(self) -> None:
        """The keys of another panel matter now."""
        if self.view is not None:
            self.live.footer.show(self._footer_actions())

    def _footer_actions(self) -> list[Action]:
        panel = self.live.focused_panel
        focused = "" if panel is None else panel.id or ""
        return footer_actions(self.actions.runner.available(), focused)

    def action_perform(self, name: str) -> None:
        """Run an action of the table: what every key is bound to."""
        self.actions.runner.run(name)

    def on_resize(self, event: events.Resize) -> None:
        """Fit the live screen below a dialog too: Textual tells the uppermost screen only."""
        if self.live.is_mounted and self.screen is not self.live:
            self.live.fit(event.size)

    async def on_event(self, event: events.Event) -> None:
        """Note what the user does, for the measure of the redraws."""
        if isinstance(event, events.InputEvent):
            self.redraws.note_input()
        await super().on_event(event)

    @on(Board.Resized)
    def _board_resized(self, event: Board.Resized) -> None:
        if event.done or not self.redraws.rate.low_bandwidth:
            self.live.rearrange()
        if event.done:
            self.save_state()


def footer_actions(available: Iterable[Action], focused: str = "") -> list[Action]:
    """Those that the footer has room for, the most important first: also of the focused panel."""
    by_name = {action.name: action for action in available}
    always, others = FOOTER[:FOOTER_ALWAYS], FOOTER[FOOTER_ALWAYS:]
    names = dict.fromkeys((*always, *PANEL_KEYS.get(focused, ()), *others))
    return [by_name[name] for name in names if name in by_name]
