"""Pause, faster, slower, back and forward in a replay."""

from functools import partial

from icot_tui.tui.actions.context import LiveContext
from icot_tui.tui.actions.runner import Handler
from icot_tui.watch.replay import Replay

SLOWEST, FASTEST = 0.25, 4096.0
STRIDE = 0.05
"""Of the whole run, at a time."""


class ReplayActions:
    """Controls the replay on show."""

    def __init__(self, context: LiveContext) -> None:
        self._context = context

    def handlers(self) -> dict[str, Handler]:
        """By the actions' names."""
        return {
            "replay-pause": self._toggle_pause,
            "replay-slower": partial(self._change_speed, 0.5),
            "replay-faster": partial(self._change_speed, 2.0),
            "replay-back": partial(self._move, -STRIDE),
            "replay-forward": partial(self._move, STRIDE),
        }

    @property
    def _replay(self) -> Replay:
        replay = self._context.monitor.replay
        assert replay is not None
        return replay

    def _toggle_pause(self) -> None:
        self._replay.paused = not self._replay.paused
        self._context.draw()

    def _change_speed(self, factor: float) -> None:
        self._replay.speed = min(max(self._replay.speed * factor, SLOWEST), FASTEST)
        self._context.draw()

    def _move(self, share: float) -> None:
        self._replay.seek(self._replay.place + share * self._replay.length)
        self._context.draw()
