"""Sends alerts to a command, a webhook, and whatever address the apprise library knows.

Each of these has a thread and a bounded queue of its own, and a time limit for each alert; what
goes wrong is reported to a callback and stops nothing.
"""

import json
import os
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from queue import Full, Queue
from urllib.parse import urlsplit

from icot_tui.config.alerts import AlertSettings
from icot_tui.errors import UserError, reason
from icot_tui.watch.alerts import Alert

SECONDS = 10.0
"""A command or a server that takes longer is given up."""
MOST_WAITING = 16
"""Alerts that wait for a slow target; more are dropped, which is reported."""

Notice = dict[str, str | float]
"""An alert as it is sent: run, folder, kind, severity, text and time."""


def notice_of(alert: Alert, folder: Path) -> Notice:
    """An alert about the run in a folder, as it is sent."""
    return {"run": folder.name, "folder": str(folder), **asdict(alert)}


@dataclass(frozen=True)
class AlertTarget:
    """Where alerts go; `send` takes a notice and a time limit in seconds, or raises."""

    name: str
    send: Callable[[Notice, float], None]


def targets(settings: AlertSettings) -> list[AlertTarget]:
    """Where the settings send alerts; addresses are named without what may be secret in them."""
    found = []
    if settings.command:
        found.append(AlertTarget("the alert command", partial(_run, settings.command)))
    if settings.webhook:
        found.append(AlertTarget("the alert webhook", partial(_post, settings.webhook)))
    for address in settings.addresses:
        service = address.partition("://")[0]
        found.append(AlertTarget(f"the alert address {service}://…", partial(_notify, address)))
    return found


class Notifier:
    """Sends notices to all targets, to each in turn, without waiting for them.

    Args:
        targets: where they go.
        trouble: told in a sentence what went wrong, on another thread.
        seconds: time limit of each.
    """

    def __init__(
        self,
        targets: Sequence[AlertTarget],
        trouble: Callable[[str], None],
        seconds: float = SECONDS,
    ) -> None:
        self._trouble = trouble
        self._seconds = seconds
        self._queues: list[tuple[AlertTarget, Queue[Notice | None]]] = []
        self._threads = []
        for target in targets:
            waiting: Queue[Notice | None] = Queue(MOST_WAITING)
            self._queues.append((target, waiting))
            thread = threading.Thread(target=self._work, args=(target, waiting), daemon=True)
            self._threads.append(thread)
            thread.start()

    def send(self, notice: Notice | None) -> None:
        """Send a notice; returns at once. None ends it."""
        for target, waiting in self._queues:
            try:
                waiting.put_nowait(notice)
            except Full:
                self._trouble(f"{target.name} is too slow: an alert was not sent")

    def finish(self) -> None:
        """Wait until all is sent, or the time limit is over."""
        self.send(None)
        until = time.monotonic() + self._seconds
        for thread in self._threads:
            thread.join(max(0.0, until - time.monotonic()))

    def _work(self, target: AlertTarget, waiting: "Queue[Notice | None]") -> None:
        while (notice := waiting.get()) is not None:
            try:
                target.send(notice, self._seconds)
            except Exception as error:  # whatever it is: an alert must not end anything
                self._trouble(f"{target.name} failed: {reason(error)}")


def _run(command: list[str], notice: Notice, seconds: float) -> None:
    """Run the command in the home folder, without showing its output.

    It gets the notice as JSON on its standard input, and its values in the environment as
    ICOT_TUI_ALERT_RUN, ..._FOLDER, ..._KIND, ..._SEVERITY, ..._TEXT and ..._TIME; no shell reads
    any of it.
    """
    values = {
        f"ICOT_TUI_ALERT_{name.upper()}": str(value).replace("\0", " ")
        for name, value in notice.items()
    }
    try:
        ended = subprocess.run(
            command,
            input=json.dumps(notice).encode(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=Path.home(),  # not where a run from elsewhere may have put programs
            env=os.environ | values,
            timeout=seconds,
            start_new_session=True,
        )
    except subprocess.TimeoutExpired as error:  # whose own text has the command, secrets and all
        raise UserError(f"it took longer than {seconds:g} seconds") from error
    if ended.returncode:
        raise UserError(f"it ended with status {ended.returncode}")


def _post(url: str, notice: Notice, seconds: float) -> None:
    if urlsplit(url).scheme not in ("http", "https"):
        raise UserError(f"{url!r} is no http or https address")
    import urllib.request  # takes long, and few have an address

    request = urllib.request.Request(
        url,
        data=json.dumps(notice).encode(),
        headers={"Content-Type": "application/json", "User-Agent": "icot-tui"},
        method="POST",
    )
    with urllib.request.urlopen(request, timeout=seconds):
        pass


def _notify(address: str, notice: Notice, seconds: float) -> None:
    """Send a notice through apprise, whose services have time limits of their own."""
    try:
        import apprise  # takes 0.2 to 1.4 s
    except ImportError as error:
        raise UserError("it needs apprise: pip install 'icot-tui[alerts]'") from error

    said: list[str] = []
    kinds = {"information": "info", "warning": "warning", "error": "failure"}
    service = apprise.Apprise()
    if not service.add(address):
        raise UserError("apprise does not know such an address")
    sent = service.notify(
        title=f"icot-tui: {notice['kind']}",
        body=str(notice["text"]),
        notify_type=kinds[str(notice["severity"])],
        log_callback=lambda entry, _: said.append(entry.message),
    )
    if not sent:
        raise UserError(" ".join(said) or "apprise says no reason")
