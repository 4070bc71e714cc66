"""How often the screen is drawn: as often as its share of a processor core allows."""

import logging
import time
from typing import TYPE_CHECKING

from icot_tui.tui.run.view import RunView

if TYPE_CHECKING:
    from icot_tui.tui.app.workbench import Workbench

SHARE = 0.009
"""Of one core, while training."""
SHORTEST, LONGEST = 0.5, 3.0
"""Seconds between two redraws."""
SLOW_LINK = 2.0, 10.0
"""The same in the low-bandwidth mode."""
SLOW_LINK_BYTES = 1400.0
"""Bytes a second, on average, that the low-bandwidth mode aims at."""
WEIGHT = 0.3
"""Of the newest cost in the running mean."""
CATCHING_UP_SECONDS = 0.1
"""Between two redraws while a journal is read."""
COVERED_SECONDS = 4.0
"""Between two redraws of what lies below a dialog."""

log = logging.getLogger("icot_tui.screen")


class RedrawRate:
    """Chooses the time between two redraws from what the last ones cost.

    Attributes:
        cost: running mean of the screen's processor time a redraw, in seconds.
        backlog: bytes that were sent beyond what a slow link should have carried until now.
    """

    def __init__(self, low_bandwidth: bool = False) -> None:
        self.low_bandwidth = low_bandwidth
        self.cost: float | None = None
        self.backlog = 0.0

    def add_cost(self, seconds: float) -> None:
        """A redraw, and what followed it until the next one, took so much processor time."""
        cost = seconds if self.cost is None else self.cost
        self.cost = cost + WEIGHT * (seconds - cost)

    def add_bytes(self, count: int, seconds: float) -> None:
        """So many bytes went to the terminal within the last so many seconds."""
        self.backlog = max(0.0, self.backlog + count - SLOW_LINK_BYTES * seconds)

    def interval(self, training: bool) -> float:
        shortest, longest = SLOW_LINK if self.low_bandwidth else (SHORTEST, LONGEST)
        wait = (self.cost or 0.0) / SHARE if training else SHORTEST
        if self.low_bandwidth:
            wait = max(wait, self.backlog / SLOW_LINK_BYTES)
        return min(max(wait, shortest), longest)


class RedrawLoop:
    """Draws an app again and again, and measures what that costs."""

    def __init__(self, app: "Workbench") -> None:
        self.rate = RedrawRate(app.options.saves_bandwidth)
        self._app = app
        self._view: RunView | None = None
        self._cpu_seconds = 0.0
        self._bytes = 0
        self._measured_at = 0.0
        self._had_input = True
        self._drawn_at = 0.0

    def run(self) -> None:
        """Draw, and choose when to do so again."""
        self._measure()
        try:
            self._view = self._app.draw()
        except Exception:
            log.exception("a redraw failed")  # the next one may not
        catching_up = self._view is not None and not self._view.source.caught_up
        interval = CATCHING_UP_SECONDS if catching_up else self.rate.interval(self._training)
        self._app.set_timer(interval, self.run)

    def note_input(self) -> None:
        """The user did something: what follows is no measure of a redraw."""
        self._had_input = True

    def is_due(self, covered: bool) -> bool:
        """Is it time to draw? Below a dialog, each change draws everything again."""
        now = time.monotonic()
        if covered and (self.rate.low_bandwidth or now < self._drawn_at + COVERED_SECONDS):
            return False
        self._drawn_at = now
        return True

    @property
    def _training(self) -> bool:
        return self._view is not None and self._view.status == "training"

    def _measure(self) -> None:
        """What the last redraw sent, and what it cost if there was no input meanwhile."""
        cpu_seconds, now = time.thread_time(), time.monotonic()
        written = getattr(self._app._driver, "written", 0)
        self.rate.add_bytes(written - self._bytes, now - self._measured_at)
        if not self._had_input and self._training:
            self.rate.add_cost(cpu_seconds - self._cpu_seconds)
        self._cpu_seconds, self._bytes, self._measured_at = cpu_seconds, written, now
        self._had_input = False
