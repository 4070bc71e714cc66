"""The whole app on a run that is told, with keys pressed by a pilot."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, cast

from textual.pilot import Pilot

from icot_tui.engine.journal.events import CheckpointSaved, CommandDone, RunEnded
from icot_tui.engine.loop.commands import Command, CommandQueue
from icot_tui.tui.app.app import WorkbenchApp
from icot_tui.tui.app.settings import Options, Settings
from icot_tui.tui.app.user_state import UserState
from icot_tui.tui.screens.dialog import Dialog
from icot_tui.tui.session.run_app import ExitChoice
from icot_tui.watch.source import Source
from tests.screens.keys import press_key
from tests.screens.panel_run import Told, a_sample

Steps = Callable[[WorkbenchApp, Pilot[ExitChoice]], Awaitable[None]]
Go = Pilot[ExitChoice]
PATIENCE = 10.0


def a_run(runs: Path, name: str = "told") -> Told:
    """A run at stage 2 of 8 with an evaluation and two checkpoints; its trainer seems at work."""
    told = Told(runs, name=name).start()
    told.train(100).evaluate(0.9, [1.0, 0.9, 0.8, 0.9], a_sample("0 7 5 0"))
    for step in (0, 100):
        checkpoint = told.folder.checkpoints / f"step-{step:08d}"
        checkpoint.mkdir()
        (checkpoint / "manifest.json").write_text("{}")
        told.tell(CheckpointSaved(step=step, path=checkpoint.name, stage=0, bytes=100, seconds=0.1))
    return told.remove().train(100, 1.2).remove().train(50, 1.1)


def drive(
    runs: Path,
    steps: Steps,
    source: Source | None,
    size: tuple[int, int] = (120, 40),
    state: UserState | None = None,
    settings: Settings | None = None,
    **options: Any,
) -> WorkbenchApp:
    """Run the app, take the steps, and leave it."""
    app = WorkbenchApp(
        None,
        source,
        Options(runs=runs, settings=settings or Settings(), **options),
        state or UserState(path=runs / "state" / "screen.json"),
    )

    async def run() -> None:
        async with app.run_test(size=size, notifications=True) as pilot:
            await until(pilot, lambda: app.view is not None or source is None)
            await settled(pilot)
            await steps(app, pilot)

    asyncio.run(asyncio.wait_for(run(), 60))
    return app


async def settled(pilot: Pilot[ExitChoice]) -> None:
    """Everything that was asked for is drawn."""
    for _ in range(3):
        await pilot.pause(0.01)


async def until(pilot: Pilot[ExitChoice], true: Callable[[], object]) -> None:
    """Wait for something that comes about soon."""
    for _ in range(int(PATIENCE / 0.02)):
        if true():
            return
        await pilot.pause(0.02)
    raise AssertionError("it did not come about")


async def press(pilot: Pilot[ExitChoice], *keys: str) -> None:
    """Press keys, each when the one before has had its effect."""
    for key in keys:
        await press_key(pilot, key)
        await settled(pilot)


def dialog(app: WorkbenchApp) -> Dialog[Any]:
    """The dialog that is open."""
    assert isinstance(app.screen, Dialog), app.screen
    return app.screen


def picture(app: WorkbenchApp) -> list[str]:
    """The rows of the screen as text."""
    rows = app.screen._compositor.render_strips()
    return ["".join(segment.text for segment in row) for row in rows]


def toasts(app: WorkbenchApp) -> list[str]:
    """What was told in the corner."""
    return [note.message for note in app._notifications]


def posted(queue: CommandQueue) -> list[Command]:
    """The letters in the run's mailbox."""
    queue._next_poll = 0.0
    return queue.take()


def answer(told: Told, command: Command, done: bool, effect: str) -> None:
    """The trainer's answer."""
    told.tell(
        CommandDone(step=told.step, id=command.id, command=command.name, done=done, effect=effect)
    )


class Engine:
    """What the app sees of an engine of its own process."""

    def __init__(self, told: Any) -> None:
        self.folder, self.phase = told.folder, "training"
        self.startup_phase: str | None = None
        self.ended: RunEnded | None = None
        self.error: str | None = None
        self.alive = True
        self.sent: list[Any] = []

    def send(self, command: Any) -> None:
        self.sent.append(command)


def with_engine(
    runs: Path,
    engine: Engine,
    steps: Steps,
    size: tuple[int, int] = (120, 40),
    state: UserState | None = None,
    **options: Any,
) -> WorkbenchApp:
    """Run the app over an engine, take the steps, and leave it."""
    state = state or UserState(path=runs / "s.json")
    app = WorkbenchApp(cast(Any, engine), None, Options(runs=runs, **options), state)

    async def run() -> None:
        async with app.run_test(size=size) as pilot:
            await until(pilot, lambda: app.view is not None)
            await steps(app, pilot)

    asyncio.run(asyncio.wait_for(run(), 60))
    return app


def seen(app: WorkbenchApp) -> set[str | None]:
    return {panel.id for panel in app.live.board.seen}
