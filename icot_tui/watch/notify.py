"""Alerts for those who look elsewhere: a command of the user's, or a web address.

Each alert goes out on a thread of its own, within a time limit; what goes wrong is told to a
callback and never stops anything.
"""

import json
import os
import subprocess
import threading
from collections.abc import Callable, Sequence
from dataclasses import asdict
from urllib.parse import urlsplit

from icot_tui.watch.alerts import Alert

SECONDS = 10.0
"""A command or a server that takes longer is given up."""
MOST_AT_ONCE = 8
"""So many may be on their way; more than that are dropped, and it is told."""


Notice = dict[str, str | float]
"""An alert as it is sent: run, folder, kind, severity, text and time."""


class Notifier:
    """Sends alerts to a command, to a web address, or to both.

    The command gets the JSON object on its standard input, and its values in the environment as
    ICOT_TUI_ALERT_RUN, ..._FOLDER, ..._KIND, ..._SEVERITY, ..._TEXT and ..._TIME; no shell reads
    any of it. The address gets the object as the body of a POST; an http or https address.

    Args:
        command: the program and its arguments; empty: none.
        url: the web address; empty: none.
        trouble: told in a sentence what went wrong, on another thread.
        seconds: time limit of each.
    """

    def __init__(
        self,
        command: Sequence[str] = (),
        url: str = "",
        trouble: Callable[[str], None] = lambda sentence: None,
        seconds: float = SECONDS,
    ) -> None:
        self._command = list(command)
        self._url = url
        self._trouble = trouble
        self._seconds = seconds
        self._under_way = threading.Semaphore(MOST_AT_ONCE)

    def send(self, alert: Alert, run: str, folder: str) -> None:
        """Send an alert; returns at once."""
        notice = {"run": run, "folder": folder, **asdict(alert)}
        if self._command:
            self._start(lambda: _run(self._command, notice, self._seconds), "the alert command")
        if self._url:
            self._start(lambda: _post(self._url, notice, self._seconds), "the alert address")

    def _start(self, work: Callable[[], None], what: str) -> None:
        if not self._under_way.acquire(blocking=False):
            self._trouble(f"{what} is too slow: an alert was not sent")
            return

        def guarded() -> None:
            try:
                work()
            except Exception as error:  # whatever it is: an alert must not end anything
                self._trouble(f"{what} failed: {error}")
            finally:
                self._under_way.release()

        threading.Thread(target=guarded, name="alert", daemon=True).start()


def _run(command: list[str], notice: Notice, seconds: float) -> None:
    """Run the command; its output is not shown.

    Raises:
        OSError, subprocess.SubprocessError: it does not start, fails, or takes too long.
    """
    values = {
        f"ICOT_TUI_ALERT_{name.upper()}": str(value).replace("\0", " ")
        for name, value in notice.items()
    }
    subprocess.run(
        command,
        input=json.dumps(notice).encode(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=os.environ | values,
        timeout=seconds,
        check=True,
        start_new_session=True,  # it never touches the terminal that the screen is on
    )


def _post(url: str, notice: Notice, seconds: float) -> None:
    """Post to the address.

    Raises:
        ValueError: it is no http or https address.
        OSError: nobody answers there, or says no.
    """
    if urlsplit(url).scheme not in ("http", "https"):
        raise ValueError(f"{url!r} is no http or https address")
    import urllib.request  # takes long, and few have an address

    request = urllib.request.Request(
        url,
        data=json.dumps(notice).encode(),
        headers={"Content-Type": "application/json", "User-Agent": "icot-tui"},
        method="POST",
    )
    with urllib.request.urlopen(request, timeout=seconds):
        pass
