"""A program whose commands are the real ones, but whose screen is a small stand-in.

`python stand_in.py launch ...` does what `icot-tui launch ...` does; the screen's keys ask for each
way of leaving, and for each mishap.
"""

import os
import time
import warnings

from textual.app import App, ComposeResult
from textual.widgets import Static

from icot_tui.cli import workbench
from icot_tui.cli.app import main
from icot_tui.tui.session.leave import Leave


class StandIn(App[Leave]):
    BINDINGS = [
        ("d", "leave('detach')", "detach"),
        ("s", "leave('save')", "save"),
        ("n", "leave('now')", "now"),
        ("q", "leave('close')", "close"),
        ("x", "crash", "crash"),
        ("h", "hang", "hang"),
        ("p", "noise", "noise"),
        ("z", "suspend_process", "stop"),
        ("ctrl+c", "interrupted", "interrupted"),
    ]

    def __init__(self, engine=None, folder=None):
        super().__init__()
        self.engine = engine
        self.folder = folder or engine.folder
        self.note = ""

    def compose(self) -> ComposeResult:
        yield Static("icot-tui stand-in " + "." * 60)
        yield Static(id="state")
        yield Static(("0123456789" * 20 + "\n") * 10, id="bulk")

    def on_mount(self) -> None:
        self.set_interval(0.2, self.look)

    def look(self) -> None:
        try:
            size = os.path.getsize(self.folder.journal)
        except OSError:
            size = 0
        phase = self.engine.phase if self.engine else "viewer"
        error = self.engine.error if self.engine else ""
        text = f"[{phase}] journal {size} {self.size.width}x{self.size.height} {self.note} {error}"
        self.query_one("#state", Static).update(text.replace("[", "<").replace("]", ">"))
        self.query_one("#bulk", Static).update((str(time.monotonic()) * 12)[:200])

    def action_leave(self, way: Leave) -> None:
        self.exit(way)

    def action_crash(self) -> None:
        raise ZeroDivisionError("a mistake of the screen")

    def action_hang(self) -> None:
        while True:
            time.sleep(0.1)

    def action_interrupted(self) -> None:
        self.note = "interrupted"

    def action_noise(self) -> None:
        os.write(1, b"noise on one\n")
        os.write(2, b"noise on two\n")
        print("noise from print")
        warnings.warn("noise from a warning", stacklevel=1)
        self.note = "noisy"


if __name__ == "__main__":
    workbench.prepare = lambda look: None
    workbench.launch_app = lambda engine, *rest, **options: StandIn(engine)
    workbench.attach_app = lambda folder, *rest: StandIn(folder=folder)
    main()
