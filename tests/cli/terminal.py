"""Commands in a terminal of their own, in a child of the test's process."""

import os
import pty
import sys

from icot_tui.cli.app import run


def in_terminal(
    *arguments: str, answer: bytes = b"", after: bytes = b"", columns: int = 100
) -> tuple[int, str]:
    """(exit status, all that is shown) of a command in a terminal of 30 rows.

    `answer` is typed once `after` is shown.
    """
    child, master = pty.fork()
    if child == 0:
        os.environ |= {"TERM": "xterm-256color", "COLUMNS": str(columns), "LINES": "30"}
        os.environ.pop("NO_COLOR", None)
        with open(1, "w", closefd=False) as sys.stdout:
            status = run(arguments)
        os._exit(status)
    seen = b""
    try:
        while part := os.read(master, 65536):
            seen += part
            if answer and after in seen:
                os.write(master, answer)
                answer = b""
    except OSError:  # the child has ended
        os.close(master)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), seen.decode()
