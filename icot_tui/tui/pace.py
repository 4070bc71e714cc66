"""How often the screen is drawn: as often as its share of a processor core allows."""

SHARE = 0.012
"""Of one core, while training."""
SHORTEST, LONGEST = 0.5, 3.0
"""Seconds between two redraws."""
LOW_BANDWIDTH_SHORTEST = 2.0
LOW_BANDWIDTH_BYTES = 1500.0
"""Bytes a second, on average, that the low-bandwidth mode aims at."""
WEIGHT = 0.3
"""Of the newest cost in the running mean."""


class Pace:
    """Chooses the time between two redraws from what the last ones cost.

    Attributes:
        cost: running mean of the screen's processor time a redraw, in seconds.
        size: running mean of the bytes a redraw sends to the terminal.
    """

    def __init__(self, low_bandwidth: bool = False) -> None:
        self.low_bandwidth = low_bandwidth
        self.cost: float | None = None
        self.size = 0.0

    def note(self, seconds: float, sent: int = 0) -> None:
        """A redraw, and what followed it until the next one, took so much."""
        if self.cost is None:
            self.cost, self.size = seconds, float(sent)
        self.cost += WEIGHT * (seconds - self.cost)
        self.size += WEIGHT * (sent - self.size)

    def interval(self, training: bool) -> float:
        """Seconds until the next redraw."""
        shortest = LOW_BANDWIDTH_SHORTEST if self.low_bandwidth else SHORTEST
        longest = 2 * LONGEST if self.low_bandwidth else LONGEST
        wait = (self.cost or 0.0) / SHARE if training else SHORTEST
        if self.low_bandwidth:
            wait = max(wait, self.size / LOW_BANDWIDTH_BYTES)
        return min(max(wait, shortest), longest)
