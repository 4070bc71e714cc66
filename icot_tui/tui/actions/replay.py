"""Play, faster, slower, back and forth in a replay."""

from collections.abc import Callable
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from icot_tui.tui.app.app import WorkbenchApp
    from icot_tui.watch.replay import Replay

SLOWEST, FASTEST = 0.25, 4096.0
STRIDE = 0.05
"""Of the whole run, at a time."""


def words(app: "WorkbenchApp") -> str:
    """Speed and place."""
    replay = _replay(app)
    how = "standing still" if replay.paused else f"{replay.speed:g} times as fast"
    return f"replay, {how}, {replay.place / max(replay.length, 1e-9):.0%}"


def play_or_pause(app: "WorkbenchApp") -> None:
    """Stand still, or go on."""
    replay = _replay(app)
    replay.paused = not replay.paused
    app.draw()


def _at_speed(app: "WorkbenchApp", factor: float) -> None:
    replay = _replay(app)
    replay.speed = min(max(replay.speed * factor, SLOWEST), FASTEST)
    app.draw()


def _moved(app: "WorkbenchApp", share: float) -> None:
    replay = _replay(app)
    replay.seek(replay.place + share * replay.length)
    app.draw()


def _replay(app: "WorkbenchApp") -> "Replay":
    assert app.following.replaying
    return cast("Replay", app.following.source)


HANDLERS: "dict[str, Callable[[WorkbenchApp], None]]" = {
    "replay-pause": play_or_pause,
    "replay-slower": lambda app: _at_speed(app, 0.5),
    "replay-faster": lambda app: _at_speed(app, 2.0),
    "replay-back": lambda app: _moved(app, -STRIDE),
    "replay-forward": lambda app: _moved(app, STRIDE),
}
