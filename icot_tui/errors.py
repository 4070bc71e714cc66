"""The exceptions of the package: a message meant for users, and work that is no longer wanted."""

import os
from collections.abc import Callable

Check = Callable[[], None]
"""Called between the parts of long work; raises `Cancelled` once the work is no longer wanted."""
LONGEST_REASON = 240
"""Characters of a library's own message that an error repeats."""


class UserError(ValueError):
    """Bad input or a refused request; the message is one sentence that says what to do.

    The command line prints the message alone and exits with `exit_status`: 2 for bad input,
    1 if the input was good but the work failed.
    """

    def __init__(self, message: str, exit_status: int = 2) -> None:
        super().__init__(message)
        self.exit_status = exit_status


def reason(error: BaseException) -> str:
    """What a failure says to the user, with the kind of an error that was not expected."""
    return str(error) if isinstance(error, UserError) else f"{type(error).__name__}: {error}"


def disk_reason(error: OSError) -> str:
    """What could not be done with a file, and with which."""
    where = f"{os.fsdecode(error.filename)}: " if error.filename else ""
    return f"{where}{error.strerror or error}"


def first_line(error: object) -> str:
    """The first line of what a library says of an error, cut, or the error's kind.

    One that ends with a colon goes on with the next.
    """
    said, *more = (str(error).strip() or type(error).__name__).splitlines()
    if said.endswith(":") and more:
        said += f" {more[0].strip()}"
    return said[:LONGEST_REASON]


class Cancelled(Exception):
    """The work is no longer wanted, and there is no result."""


def never_cancelled() -> None:
    """The check of work that nobody cancels."""
