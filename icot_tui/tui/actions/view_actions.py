"""What one can change of how the run is shown: panels, sizes, charts, a replay."""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from icot_tui.tui.actions.export import NO_PANEL
from icot_tui.tui.actions.runner import Handler, notify_user
from icot_tui.tui.actions.table import PANEL_IDS
from icot_tui.tui.app.user_state import AXES
from icot_tui.tui.chart.widget import Chart
from icot_tui.tui.panels.accuracy import AccuracyPanel
from icot_tui.tui.panels.loss import LossPanel
from icot_tui.tui.screens.board import PanelsDialog
from icot_tui.watch.source import Replay

if TYPE_CHECKING:
    from icot_tui.tui.app.workbench import Workbench

RESIZE = 1.2
"""How much larger or smaller a panel gets at a time."""
SLOWEST, FASTEST = 0.25, 4096.0
"""Speeds of a replay."""
STRIDE = 0.05
"""Share of a whole replay that it moves at a time."""


class ViewActions:
    """Shows the run in another way, or another moment of a replay."""

    def __init__(self, app: "Workbench") -> None:
        self._app = app
        self._live = app.live
        self._wanted = app.live.board.choices

    def handlers(self) -> dict[str, Handler]:
        panels = {f"show-{panel}": partial(self._live.go_to, panel) for panel in PANEL_IDS}
        charts: dict[str, Callable[[Chart], None]] = {
            "previous-removal": partial(Chart.go_to_mark, forward=False),
            "next-removal": partial(Chart.go_to_mark, forward=True),
            "zoom-in": partial(Chart.zoom, factor=0.5),
            "zoom-out": partial(Chart.zoom, factor=2.0),
            "zoom-values-in": partial(Chart.zoom_values, factor=0.5),
            "zoom-values-out": partial(Chart.zoom_values, factor=2.0),
            "zoom-reset": Chart.reset_view,
            "pan-left": partial(Chart.pan, share=-0.25),
            "pan-right": partial(Chart.pan, share=0.25),
            "cursor-left": partial(Chart.step_cursor, columns=-1),
            "cursor-right": partial(Chart.step_cursor, columns=1),
            "log-axis": Chart.toggle_log,
            "smoothing": Chart.cycle_smoothing,
        }
        return {
            **panels,
            **{name: partial(self._with_chart, change) for name, change in charts.items()},
            "axis": self._switch_axis,
            "digits": self._toggle_digits,
            "parts": self._toggle_parts,
            "filter": self._filter_log,
            "full-screen": self._toggle_full_screen,
            "back": self._go_back,
            "panels": self._choose_panels,
            "grow": partial(self._resize, RESIZE),
            "shrink": partial(self._resize, 1 / RESIZE),
            "replay-pause": self._toggle_pause,
            "replay-slower": partial(self._change_speed, 0.5),
            "replay-faster": partial(self._change_speed, 2.0),
            "replay-back": partial(self._move, -STRIDE),
            "replay-forward": partial(self._move, STRIDE),
        }

    def _with_chart(self, change: Callable[[Chart], None]) -> None:
        if self._live.chart is not None:
            change(self._live.chart)

    def _switch_axis(self) -> None:
        monitor, state = self._app.monitor, self._app.state
        state.axis = monitor.axis = AXES[(AXES.index(monitor.axis) + 1) % len(AXES)]
        self._app.save_state()
        self._app.draw()

    def _toggle_digits(self) -> None:
        panel = self._live.board.panels["accuracy"]
        assert isinstance(panel, AccuracyPanel)
        panel.toggle_digits()

    def _toggle_parts(self) -> None:
        panel = self._live.board.panels["loss"]
        assert isinstance(panel, LossPanel)
        panel.with_parts = not panel.with_parts
        self._app.draw()

    def _filter_log(self) -> None:
        self._live.go_to("log")
        panel, app = self._live.board.panels["log"], self._app
        app.call_later(lambda: app.call_after_refresh(panel.run_action, "filter"))

    def _toggle_full_screen(self) -> None:
        """Give a panel the whole screen: the one in focus, or else the one with the chart."""
        panel, wanted = self._live.focused_panel, self._wanted
        if wanted.full is not None:
            wanted.full = None
        elif panel is not None and panel.id is not None:
            wanted.full = panel.id
        else:  # in a terminal that is too small nothing is seen
            first = self._live.panel_with_chart or next(iter(self._live.board.seen), None)
            wanted.full = None if first is None else first.id
        self._live.rearrange()

    def _go_back(self) -> None:
        if self._wanted.full is not None:
            self._toggle_full_screen()
        else:
            self._with_chart(Chart.hide_cursor)

    def _choose_panels(self) -> None:
        dialog = PanelsDialog(self._wanted, self._live.rearrange)
        self._app.push_screen(dialog, lambda _: self._app.save_state())

    def _resize(self, factor: float) -> None:
        panel = self._live.focused_panel
        name = panel.id if panel is not None else None
        if name not in PANEL_IDS:
            notify_user(self._app, NO_PANEL, "warning")
            return
        self._wanted.scale(name, factor)
        self._live.rearrange()
        self._app.save_state()

    @property
    def _replay(self) -> Replay:
        replay = self._app.monitor.replay
        assert replay is not None
        return replay

    def _toggle_pause(self) -> None:
        self._replay.change(paused=not self._replay.paused)
        self._app.draw()

    def _change_speed(self, factor: float) -> None:
        speed = min(max(self._replay.speed * factor, SLOWEST), FASTEST)
        self._replay.change(speed=speed)
        self._app.draw()

    def _move(self, share: float) -> None:
        self._replay.seek(self._replay.place + share * self._replay.length)
        self._app.draw()
