"""A thin parent that stands between the shell and the process that trains.

It is split off before anything heavy is there, and only waits: it passes signals down and the exit
status up, stops and continues with its child, puts the terminal in order if the child died without
doing so, and goes when the child tells it to, which gives the shell back while training goes on.
"""

import contextlib
import os
import select
import signal
from types import FrameType

from icot_tui.tui.session import terminal

OPENED, CLOSED, RELEASED = b"o", b"c", b"r"
LONGEST_FAREWELL = 2000
"""Bytes; so few pass through a pipe in one piece."""


class ParentProcess:
    """The child's side: tells the parent what the screen does, and knows whether it lives."""

    def __init__(self, news: int, life: int) -> None:
        self._news = news
        self.life = life
        """Readable once the parent is gone."""
        self.may_stop = _has_shell(os.getppid())
        """Is there a shell that would continue a stopped process?"""

    def opened(self) -> None:
        """The terminal is in the screen's modes from now on."""
        self._tell(OPENED)

    def closed(self) -> None:
        """The terminal is as it was."""
        self._tell(CLOSED)

    def release(self, farewell: str) -> None:
        """Have the parent print a line and go."""
        self._tell(RELEASED + farewell.encode(errors="replace")[:LONGEST_FAREWELL])
        os.close(self._news)
        self._news = -1

    def _tell(self, news: bytes) -> None:
        with contextlib.suppress(OSError):
            os.write(self._news, news)


def split() -> ParentProcess | int:
    """Fork: the child gets a ParentProcess, the parent the exit status once all is over."""
    hear, tell = os.pipe()
    life, alive = os.pipe()
    child = os.fork()
    if child:
        os.close(tell)
        os.close(life)
        return _Watch(child, hear).wait()  # `alive` stays open as long as this process lives
    os.close(hear)
    os.close(alive)
    return ParentProcess(tell, life)


class _Watch:
    """The parent's side."""

    def __init__(self, child: int, news: int) -> None:
        self._child = child
        self._news = news
        self._screen_open = False
        self._released = False
        self._farewell = b""
        self._modes = terminal.attributes()

    def wait(self) -> int:
        """Wait until the child has ended or releases us; the exit status."""
        woken, wake = os.pipe()
        os.set_blocking(wake, False)
        os.set_blocking(woken, False)
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda number, frame: None)
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2):
            if signal.getsignal(number) != signal.SIG_IGN:
                signal.signal(number, self._pass_on)
        for number in (signal.SIGINT, signal.SIGQUIT):  # the terminal sends them to the child too
            signal.signal(number, signal.SIG_IGN)
        while True:
            status = self._look()
            if status is not None:
                return self._end(status)
            if self._released:
                terminal.say(1, self._farewell.decode(errors="replace") + "\n")
                return 0
            watched = [woken] if self._news < 0 else [woken, self._news]
            ready = select.select(watched, [], [])[0]
            if woken in ready:
                with contextlib.suppress(BlockingIOError):
                    os.read(woken, 4096)
            if self._news in ready:
                self._hear()

    def _pass_on(self, number: int, frame: FrameType | None) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._child, number)

    def _look(self) -> int | None:
        """The child's wait status once it has ended; stops with it if it was stopped."""
        ended, status = os.waitpid(self._child, os.WNOHANG | os.WUNTRACED)
        if not ended:
            return None
        if not os.WIFSTOPPED(status):
            return status
        os.kill(os.getpid(), signal.SIGSTOP)
        self._pass_on(signal.SIGCONT, None)  # the shell may have continued us alone
        return None

    def _hear(self) -> None:
        news = os.read(self._news, LONGEST_FAREWELL + 16)
        if not news:
            os.close(self._news)
            self._news = -1
            return
        before, released, farewell = news.partition(RELEASED)
        if before:
            self._screen_open = before.endswith(OPENED)
        if released:
            self._released, self._farewell = True, farewell

    def _end(self, status: int) -> int:
        while self._news >= 0 and select.select([self._news], [], [], 0)[0]:
            self._hear()
        if self._released:
            return 0
        if self._screen_open:
            terminal.reset(1, self._modes)
        if os.WIFSIGNALED(status):
            number = os.WTERMSIG(status)
            terminal.say(2, f"icot-tui was ended by signal {number} ({_name(number)})\n")
            return 128 + number
        return os.WEXITSTATUS(status)


def _has_shell(guardian: int) -> bool:
    """Does the guardian have a parent of its session that could continue it once stopped?"""
    try:
        with open(f"/proc/{guardian}/stat") as file:
            facts = file.read().rpartition(")")[2].split()
        parent, group, session = (int(fact) for fact in facts[1:4])
        return os.getsid(parent) == session and os.getpgid(parent) != group
    except (OSError, ValueError):
        return False


def _name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return "unknown"
