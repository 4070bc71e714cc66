"""The playground on real runs, with keys pressed by a pilot."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from textual.pilot import Pilot

from icot_tui.tui.app.settings import Options, Settings
from icot_tui.tui.app.user_state import UserState
from icot_tui.tui.panels.text import text_of
from icot_tui.tui.play.app import PlayApp
from icot_tui.tui.play.screen import PlayScreen
from icot_tui.tui.session.run_app import ExitChoice
from tests.screens.keys import press_key

Steps = Callable[[PlayScreen, Pilot[ExitChoice]], Awaitable[None]]
PATIENCE = 30.0


def drive(
    runs: Path,
    names: list[str],
    steps: Steps,
    size: tuple[int, int] = (120, 40),
    question: str = "",
    **options: Any,
) -> PlayApp:
    """Run the playground, take the steps once the checkpoints are listed, and leave it."""
    state = UserState(path=runs / "state" / "screen.json")
    shown = Options(runs=runs, settings=Settings(), **options)
    app = PlayApp(shown, names, state, question=question)

    async def run() -> None:
        async with app.run_test(size=size, notifications=True) as pilot:
            await until(pilot, lambda: bool(app.play.list.entries) or is_told(app.play))
            await steps(app.play, pilot)

    asyncio.run(asyncio.wait_for(run(), 90))
    return app


def is_told(screen: PlayScreen) -> bool:
    """Was something said instead of answers, and is nothing being done?"""
    return not screen._work and bool(screen.worker._thread) and screen.worker._queue.empty()


async def until(pilot: Pilot[ExitChoice], true: Callable[[], bool]) -> None:
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
        await pilot.pause(0.01)


async def ask(screen: PlayScreen, pilot: Pilot[ExitChoice], text: str) -> None:
    """Write a question, and wait until all have answered; the keys are free then."""
    screen.field.focus()
    screen.field.write(text)
    await press(pilot, "enter")
    await answered(screen, pilot)
    await press(pilot, "escape")
    await until(pilot, lambda: screen.focused is not screen.field)  # else it would take the keys


async def answered(screen: PlayScreen, pilot: Pilot[ExitChoice]) -> None:
    """All that are chosen have answered."""
    await until(pilot, lambda: len(screen.answers.results) == len(screen.list.chosen))
    await pilot.pause(0.05)


async def mapped(screen: PlayScreen, pilot: Pilot[ExitChoice]) -> None:
    """The map has come, or the words that stand for it."""
    await until(pilot, lambda: not screen._work and not screen.inspector.probing)
    await pilot.pause(0.1)


def said(screen: PlayScreen) -> str:
    """What stands in the pane of answers."""
    return "\n".join(text_of(line) for line in screen.answers.lines.lines)


def words(screen: PlayScreen) -> str:
    """What is said below the heat map."""
    return " ".join(text_of(line).strip() for line in screen.hidden.words.lines)


def toasts(screen: PlayScreen) -> list[str]:
    """What was told in the corner."""
    return [note.message for note in screen.app._notifications]


def picture(screen: PlayScreen) -> list[str]:
    """The rows of the screen as text."""
    rows = screen._compositor.render_strips()
    return ["".join(segment.text for segment in row) for row in rows]
