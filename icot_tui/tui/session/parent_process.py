"""A thin parent process between the shell and the process that trains.

It is forked off before anything heavy is loaded, and only waits: it passes signals down and the
exit status up, stops and continues with its child, restores the terminal if the child died without
doing so, and exits when the child releases it, which gives the shell back while training goes on.
"""

import contextlib
import os
import select
import signal
from dataclasses import dataclass
from types import FrameType

from icot_tui.tui.session import terminal

OPENED, CLOSED, HOME, RELEASED = b"o", b"c", b"h", b"r"
MAX_MESSAGE_BYTES = 2000
"""So few bytes pass through a pipe in one piece."""


class ParentProcess:
    """The child's side: notifies the parent of what the screen does, and knows if it lives.

    Attributes:
        alive: a descriptor that becomes readable once the parent is gone.
        can_stop: is there a shell that would continue a stopped process?
    """

    def __init__(self, pipe: int, alive: int) -> None:
        self._pipe = pipe
        self.alive = alive
        self.can_stop = _has_shell(os.getppid())

    def opened(self) -> None:
        """The terminal is in the screen's modes from now on."""
        self._send(OPENED)

    def closed(self) -> None:
        """The terminal is restored."""
        self._send(CLOSED)

    def go_home(self) -> None:
        """Have the parent show the home screen when it would exit."""
        self._send(HOME)

    def release(self, message: str, home: bool = False) -> None:
        """Have the parent print a line and exit, or show the home screen."""
        told = message.encode(errors="replace")[:MAX_MESSAGE_BYTES]
        self._send((HOME if home else b"") + RELEASED + told)
        os.close(self._pipe)
        self._pipe = -1

    def _send(self, data: bytes) -> None:
        with contextlib.suppress(OSError):
            os.write(self._pipe, data)


@dataclass(frozen=True)
class Ended:
    """How it ends for the parent: its exit status, or the home screen next; the child's id."""

    status: int
    home: bool
    child: int


def fork() -> ParentProcess | Ended:
    """Fork: the child gets a ParentProcess, the parent what to do once all is over."""
    receive, send = os.pipe()
    alive, kept_open = os.pipe()
    child = os.fork()
    if child:
        os.close(send)
        os.close(alive)
        loop = _ParentLoop(child, receive)
        return Ended(loop.wait(), loop.home, child)  # `kept_open` closes when this process ends
    os.close(receive)
    os.close(kept_open)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    return ParentProcess(send, alive)


class _ParentLoop:
    """The parent's side.

    Attributes:
        home: does the user want the home screen next?
    """

    def __init__(self, child: int, pipe: int) -> None:
        self.home = False
        self._child = child
        self._pipe = pipe
        self._screen_open = False
        self._released = False
        self._message = b""
        self._modes = terminal.get_modes()

    def wait(self) -> int:
        """Wait until the child has ended or releases us; the exit status."""
        woken, wake = os.pipe()
        os.set_blocking(wake, False)
        os.set_blocking(woken, False)
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
        if signal.getsignal(signal.SIGCHLD) == signal.SIG_DFL:  # else it is handled already
            signal.signal(signal.SIGCHLD, lambda number, frame: None)
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2):
            if signal.getsignal(number) != signal.SIG_IGN:
                signal.signal(number, self._pass_on)
        for number in (signal.SIGINT, signal.SIGQUIT):  # the terminal sends them to the child too
            signal.signal(number, signal.SIG_IGN)
        while True:
            status = self._child_status()
            if status is not None:
                return self._exit_status(status)
            if self._released:
                terminal.write_message(1, self._message.decode(errors="replace") + "\n")
                return 0
            watched = [woken] if self._pipe < 0 else [woken, self._pipe]
            ready = select.select(watched, [], [])[0]
            if woken in ready:
                with contextlib.suppress(BlockingIOError):
                    os.read(woken, 4096)
            if self._pipe in ready:
                self._receive()

    def _pass_on(self, number: int, frame: FrameType | None) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._child, number)

    def _child_status(self) -> int | None:
        """The child's wait status once it has ended; stops with it if it was stopped."""
        ended, status = os.waitpid(self._child, os.WNOHANG | os.WUNTRACED)
        if not ended:
            return None
        if not os.WIFSTOPPED(status):
            return status
        os.kill(os.getpid(), signal.SIGSTOP)
        self._pass_on(signal.SIGCONT, None)  # the shell may have continued only us
        return None

    def _receive(self) -> None:
        data = os.read(self._pipe, MAX_MESSAGE_BYTES + 16)
        if not data:
            os.close(self._pipe)
            self._pipe = -1
            return
        before, released, message = data.partition(RELEASED)
        self.home = self.home or HOME in before
        before = before.replace(HOME, b"")
        if before:
            self._screen_open = before.endswith(OPENED)
        if released:
            self._released, self._message = True, message

    def _exit_status(self, status: int) -> int:
        while self._pipe >= 0 and select.select([self._pipe], [], [], 0)[0]:
            self._receive()
        if self._released:
            return 0
        if self._screen_open:
            terminal.restore(1, self._modes)
        if os.WIFSIGNALED(status):
            number = os.WTERMSIG(status)
            name = {int(one): one.name for one in signal.Signals}.get(number, "unknown")
            terminal.write_message(2, f"icot-tui was ended by signal {number} ({name})\n")
            return 128 + number
        return os.WEXITSTATUS(status)


def _has_shell(process: int) -> bool:
    """Does the process have a parent in its session that could continue it once stopped?"""
    try:
        with open(f"/proc/{process}/stat") as file:
            fields = file.read().rpartition(")")[2].split()
        parent, group, session = (int(field) for field in fields[1:4])
        return os.getsid(parent) == session and os.getpgid(parent) != group
    except (OSError, ValueError):
        return False
