"""The one way to end long work early: whoever does the work calls a check now and then."""

from collections.abc import Callable

Check = Callable[[], None]
"""Called between the parts of long work; raises `Cancelled` once the work is no longer wanted."""


class Cancelled(Exception):
    """The work is no longer wanted, and there is no result."""


def never_cancelled() -> None:
    """The check of work that nobody cancels."""
