"""How often the screen is drawn: as often as its share of a processor core allows."""

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


class Pace:
    """Chooses the time between two redraws from what the last ones cost.

    Attributes:
        cost: running mean of the screen's processor time a redraw, in seconds.
        owed: bytes that were sent beyond what a slow link should have carried until now.
    """

    def __init__(self, low_bandwidth: bool = False) -> None:
        self.low_bandwidth = low_bandwidth
        self.cost: float | None = None
        self.owed = 0.0

    def note(self, seconds: float) -> None:
        """A redraw, and what followed it until the next one, took so much processor time."""
        cost = seconds if self.cost is None else self.cost
        self.cost = cost + WEIGHT * (seconds - cost)

    def sent(self, count: int, seconds: float) -> None:
        """So many bytes went to the terminal within the last so many seconds."""
        self.owed = max(0.0, self.owed + count - SLOW_LINK_BYTES * seconds)

    def interval(self, training: bool) -> float:
        """Seconds until the next redraw."""
        shortest, longest = SLOW_LINK if self.low_bandwidth else (SHORTEST, LONGEST)
        wait = (self.cost or 0.0) / SHARE if training else SHORTEST
        if self.low_bandwidth:
            wait = max(wait, self.owed / SLOW_LINK_BYTES)
        return min(max(wait, shortest), longest)
