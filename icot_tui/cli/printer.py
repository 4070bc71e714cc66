"""Where progress is printed: plain lines, or a log above lines that are redrawn in place."""

import os
from typing import TYPE_CHECKING, Literal

from icot_tui.cli.console import console
from icot_tui.cli.resilient_stdout import ResilientStdout
from icot_tui.formatting import clock, date_and_time, plain

if TYPE_CHECKING:
    from rich.console import RenderableType

Style = Literal["live", "plain", "json", "quiet"]


def best_style() -> Style:
    """Live on a terminal that can move its cursor, plain lines elsewhere."""
    able = os.isatty(1) and os.environ.get("TERM", "dumb") not in ("dumb", "unknown")
    return "live" if able else "plain"


class PlainPrinter:
    """Prints lines; control characters are escaped."""

    live = False

    def __init__(self, stdout: ResilientStdout) -> None:
        self._stdout = stdout

    @property
    def size(self) -> tuple[int, int]:
        """Columns and lines of the live display."""
        return 0, 0

    def message(self, text: str) -> None:
        """Print lines as they are."""
        self._stdout.write(escaped_lines(text))

    def log(self, when: float, step: int, text: str, style: str = "none") -> None:
        """Print a line of the log, with date and step."""
        self._stdout.write(f"{date_and_time(when)}  step {step:>6,}  {plain(text)}\n")

    def draw(self, figures: "RenderableType") -> None:
        """Redraw the live display; plain lines have none."""

    def close(self) -> None:
        """Leave the terminal as it was."""


class LivePrinter(PlainPrinter):
    """Prints above a display that is redrawn in place, in the colours of the user's theme."""

    live = True

    def __init__(self, stdout: ResilientStdout) -> None:
        from rich.live import Live

        super().__init__(stdout)
        self.console = console()
        self.console.file = stdout  # type: ignore[assignment]
        self._live = Live(
            console=self.console,
            auto_refresh=False,
            redirect_stdout=False,
            redirect_stderr=False,
            transient=True,
        )
        self._live.start()

    @property
    def size(self) -> tuple[int, int]:
        """Columns and lines of the terminal."""
        return self.console.size

    def message(self, text: str) -> None:
        """Print lines as they are."""
        self.console.print(escaped_lines(text), end="", soft_wrap=True)

    def log(self, when: float, step: int, text: str, style: str = "none") -> None:
        """Print a line of the log, with time and step."""
        from rich.text import Text

        line = Text().append(f"{clock(when)}  step {step:>6,}  ", style="muted")
        self.console.print(line.append(plain(text), style=style), soft_wrap=True)

    def draw(self, figures: "RenderableType") -> None:
        """Redraw the live display."""
        self._live.update(figures, refresh=True)

    def close(self) -> None:
        """Erase the live display and keep the log."""
        self._live.stop()


def build_printer(style: Style, stdout: ResilientStdout) -> PlainPrinter:
    """The printer for a terminal, or for anything else."""
    return LivePrinter(stdout) if style == "live" else PlainPrinter(stdout)


def escaped_lines(text: str) -> str:
    """Each line with its control characters escaped."""
    return "".join(plain(line) + "\n" for line in text.splitlines())
